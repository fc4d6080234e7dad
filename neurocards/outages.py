"""What keeps a provider's outage from growing: a pause for all jobs but one, and a budget of retries.

A job that has to wait for the end of an outage loses no attempt; its customer is told once, and its deadline refunds it.
All functions take part in the caller's transaction.
"""

from peewee import fn

from neurocards import clock, jobs, outbox
from neurocards.keys import Wait
from neurocards.models import NOW, Job, Order, Pause, ProviderAttempt

# What can be paused: only KIE so far.
PROVIDERS = ("kie",)
# How long nobody asks but one (seconds): no longer than a retry's own delay, or the job that found out would wait for itself.
PAUSE = 30.0
# Retries that failed may be this share of all creates in ten minutes (Finagle's default), and some when there are hardly any.
WINDOW, SHARE, FLOOR = 600.0, 0.2, 5
LOOK_AGAIN = 30.0


def pause(provider: str, reason: str) -> None:
    """The provider says that it is down: for a while nobody asks it for a video."""
    row = {"provider": provider, "reason": reason[:200], "until": clock.after(PAUSE)}
    Pause.insert(row).on_conflict(conflict_target=[Pause.provider], preserve=[Pause.reason, Pause.until]).execute()


def over(provider: str, admins: tuple[int, ...] = ()) -> None:
    """The provider took a task: whoever waits for it is due now, and operators who heard of the outage hear of its end."""
    if not Pause.delete().where(Pause.provider == provider).execute():
        return
    held = Job.update(due_at=NOW).where(Job.held_at.is_null(False) & Job.claim_token.is_null()).execute()
    if outbox.rearm(f"provider_down:{provider}"):
        outbox.rearm(f"provider_up:{provider}")
        outbox.alert(admins, f"provider_up:{provider}", provider=provider, jobs=held)


def key_is_well(print_: str) -> None:
    """A key is back at work: its next quarantine is news, and so is it when none is left again."""
    outbox.rearm(f"key_quarantined:{print_}", "no_key_left", "billing:kie")


def down() -> list[str]:
    """Providers that were found to be down lately. Somebody who waits for one tries it every PAUSE; with nobody, nobody knows."""
    lately = Pause.provider.in_(PROVIDERS) & (Pause.until > clock.after(-PAUSE))
    return [row.provider for row in Pause.select(Pause.provider).where(lately).order_by(Pause.provider)]


def wait(job: Job, provider: str) -> Wait | None:
    """Why the claimed job may not ask the provider for a video now; None when it may.

    While there is a pause, one job in PAUSE seconds may: whoever moves it on, a retry or not.
    """
    paused = Pause.get_or_none(Pause.provider == provider)
    if paused is not None:
        due = (Pause.provider == provider) & (Pause.until <= NOW)
        moved_on = Pause.update(until=clock.after(PAUSE)).where(due).execute()
        return None if moved_on else Wait(PAUSE, f"{provider} is down: {paused.reason}")
    if job.render_attempts > 0 and not may_retry():
        return Wait(LOOK_AGAIN, f"{provider} fails too many, the retry budget is spent")
    return None


def may_retry() -> bool:
    """Whether the last ten minutes' failed or unanswered retries leave room for one more. Those that were taken are free:
    they say that the outage is over."""
    retried = (ProviderAttempt.n > 1) & ProviderAttempt.state.in_(("submitting", "ambiguous", "failed"))
    recent = ProviderAttempt.select(
        fn.COUNT(ProviderAttempt.id).filter(retried).alias("spent"), fn.COUNT(ProviderAttempt.id).alias("creates")
    ).where(ProviderAttempt.started_at > clock.after(-WINDOW))
    spent, creates = recent.tuples().get()
    return bool(spent < max(FLOOR, SHARE * creates))


def hold(job: Job, wait: Wait, admins: tuple[int, ...]) -> None:
    """Lets go of a claimed job until it may ask. The first time its customer is told, and the operators of the outage, or that retries
    are held back: that has no end of its own, so it is told by the hour."""
    jobs.look_again(job, wait.seconds, held_at=fn.COALESCE(Job.held_at, NOW))
    if job.held_at is None:
        # Before the card: whoever ends the outage right now may be about to ask for the same one, and we have to wait for them.
        if about := _news():
            outbox.alert(admins, about, text=wait.reason)
        order = Order.get_by_id(job.order_id)
        outbox.notify_once(f"order:{order.id}:held", order.chat_id, "held", job=job.id)
        outbox.redraw_card(order)


def _news() -> str | None:
    """What operators are to hear of: the outage, that retries are held back, or nothing when the outage has just ended. Locks the
    pause, so that its end comes after the news of it."""
    if list(Pause.select().where(Pause.provider == "kie").for_update("FOR SHARE")):
        return "provider_down:kie"
    return None if may_retry() else f"retries_held:{outbox.this_hour()}"
