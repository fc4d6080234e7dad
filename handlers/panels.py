"""What operators see: figures, people, jobs and keys as screens for a phone. Pure, like `neurocards.cards`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from neurocards.buttons import GIFTS, Button, Rows, data
from neurocards.cards import MOSCOW, Screen, lasted, movement
from neurocards.lookup import Person, Story
from neurocards.operators import Granted
from neurocards.overview import Overview
from neurocards.texts import Html, cut, say, title

# What fits beside everything else in one message.
MOST_EVENTS, MOST_ATTEMPTS, MOST_KEYS = 6, 3, 10
# Jobs whose credit is back.
CLOSED = {"failed": "op-job-failed", "cancelled": "op-job-cancelled"}
# What is only a matter of time can be had at once; whatever else a job waits for, hurry changes nothing.
HURRIED = {"look": "op-button-look", "try": "op-button-hurry"}


def stats(now: Overview, language: str) -> Screen:
    """The service at a glance."""
    queue = now.queue["queue"]
    stages = [f"{say(f'op-stage-{stage}', language)} {count}" for stage, count in sorted(now.stages.items())]
    failed = [f"{category} {count}" for category, count in sorted(now.failed.items())]
    all_people, reachable, banned = now.people
    lines = [
        say("op-stats", language),
        say("op-orders-closed" if now.closed else "op-orders-open", language),
        say("op-paused", language, names=", ".join(now.paused)) if now.paused else "",
        say("op-held", language, held=now.held) if now.held else "",
        say("op-queue", language, queued=queue["queued"], running=queue["processing"], wait=str(now.queue["avg_wait_minutes"])),
        say("op-stages", language, stages=" · ".join(stages)) if stages else "",
        say("op-workers", language, workers=now.queue["workers_configured"], advice=say(f"op-advice-{now.shortage}", language)),
        say("op-day", language, orders=now.orders, done=now.done, failed=sum(now.failed.values()), refunds=now.refunds),
        say("op-failed", language, failed=" · ".join(failed)) if failed else "",
        say("op-took", language, time=lasted(now.took)) if now.took is not None else "",
        say("op-keys-in-use", language, usable=now.keys[0], keys=now.keys[1]),
        say("op-outbox", language, rows=now.outbox[0], time=lasted(now.outbox[1])),
        say("op-inbox", language, rows=now.inbox[0], time=lasted(now.inbox[1])),
        say("op-people", language, people=all_people, reachable=reachable, banned=banned),
    ]  # fmt: skip
    keys = say("op-button-keys", language), data("op-keys", "new")
    return Screen("\n".join(filter(None, lines)), [[_refresh(language, "op-stats"), keys]])


def person(found: Person, language: str) -> Screen:
    """Somebody's balance, standing, last videos and ledger entries, and what can be done for them."""
    user = found.user
    parts = [
        say("op-person", language, name=user.first_name or "?", user=str(user.id), speaks=user.language, balance=user.credits),
        _standing(user, language),
        _listed("op-jobs", [_job_line(job, language) for job in found.jobs], language),
        _listed("op-entries", [_entry(entry, language) for entry in found.entries], language),
    ]  # fmt: skip
    gifts: list[Button] = [
        (say("op-button-give", language, credits=gift), data("op-give", user.id, gift)) for gift in GIFTS
    ]
    barred = user.banned_at is not None
    label = say("op-button-unban" if barred else "op-button-ban", language)
    bar: Button = label, data("op-bar", user.id, 0 if barred else 1)
    looks: list[Button] = [(f"🔎 {job.id}", data("op-job", job.id, "new")) for job in found.jobs]
    rows: Rows = [gifts, [bar], looks, [_refresh(language, "op-user", user.id)]]
    return Screen("\n".join(filter(None, parts)), [row for row in rows if row])


def _standing(user: Any, language: str) -> Html:
    if user.banned_at is not None:
        return say("op-banned", language, time=moment(user.banned_at))
    return say("op-reachable" if user.reachable else "op-unreachable", language)


def _listed(key: str, lines: Sequence[str], language: str) -> str:
    return "\n".join([say(key, language), *lines]) if lines else ""


def _job_line(job: Any, language: str) -> Html:
    stage = say(f"op-stage-{job.stage or job.status}", language)
    return say("op-job-line", language, job=str(job.id), time=moment(job.created_at), stage=stage, why=_why(job))


def _why(job: Any) -> str:
    return f"({job.failure_category} {job.failure_subtype or ''}".strip() + ")" if job.failure_category else ""


def _entry(entry: Any, language: str) -> Html:
    kind, amount = movement(entry)
    values = {"amount": amount, "kind": say(f"op-kind-{kind}", language), "why": cut(entry.reason, 80)}
    return say("op-entry", language, time=moment(entry.created_at), **values)


def job(story: Story, language: str) -> Screen:
    """A job's story: where it stands and why, and what can be done about it."""
    row, order = story.job, story.order
    stage = say(f"op-stage-{row.stage or row.status}", language)
    heading = {"job": str(row.id), "order": str(order.id), "number": row.number, "count": order.count}
    parts = [
        say("op-job", language, stage=stage, why=_why(row), title=title(order.description), **heading),
        *_prospects(story, language),
        _listed("op-attempts", [_attempt(attempt, language) for attempt in story.attempts[-MOST_ATTEMPTS:]], language),
        _listed("op-events", [_event(event, language) for event in story.events[-MOST_EVENTS:]], language),
        _listed("op-entries", [_entry(entry, language) for entry in story.entries], language),
        say(CLOSED[row.status], language) if row.status in CLOSED else "",
    ]
    return Screen("\n".join(filter(None, parts)), _job_buttons(row, story.waits, language))


def _prospects(story: Story, language: str) -> list[str]:
    """What an open job waits for, and till when at most."""
    row = story.job
    if not story.waits:
        return []
    # A claim's time, or that of the next step: the texts that have no time of either pass it over.
    time = clock_time(row.claimed_at if story.waits == "worker" else row.due_at)
    waits = say(f"op-job-waits-{story.waits}", language, time=time)
    return [waits, say("op-job-deadline", language, time=moment(row.deadline_at))]


def _job_buttons(row: Any, waits: str, language: str) -> Rows:
    refund = (
        say("op-button-goodwill" if row.status == "done" else "op-button-refund", language),
        data("op-refund", row.id),
    )
    give = say("op-button-give", language, credits=1), data("op-give", row.user_id, 1)
    deeds: Rows = [[give]] if row.status in CLOSED else [[refund]]
    if hurry := HURRIED.get(waits):
        deeds.insert(0, [(say(hurry, language), data("op-hurry", row.id))])
    who = say("op-button-user", language), data("op-user", row.user_id, "new")
    return [*deeds, [who, _refresh(language, "op-job", row.id)]]


def _attempt(attempt: Any, language: str) -> Html:
    values = {
        "state": attempt.state,
        "fingerprint": attempt.key,
        "model": attempt.model,
        "task": attempt.task_id or "—",
    }
    return say("op-attempt", language, number=attempt.n, why=cut(attempt.error or "", 150), **values)


def _event(event: Any, language: str) -> Html:
    start, end = event.from_stage or event.from_status or "", event.to_stage or event.to_status
    moved = end if start in ("", end) else f"{start} → {end}"
    return say("op-event", language, time=clock_time(event.at), moved=moved, why=cut(event.reason, 150))


def keys(rows: Sequence[Any], language: str) -> Screen:
    """Keys by their fingerprints, those that don't work above all, and a hand on those that are configured. Each keeps its place: what
    is under a thumb must not become another key's button."""
    matter = sorted(range(len(rows)), key=lambda n: (not rows[n].configured, rows[n].state == "healthy"))
    shown = [rows[n] for n in sorted(matter[:MOST_KEYS])]
    lines = [_key(row, language) for row in shown]
    more = [say("op-keys-more", language, keys=len(rows) - len(shown))] if len(rows) > len(shown) else []
    buttons = [[_key_button(row, language)] for row in shown if row.configured]
    return Screen("\n\n".join([say("op-keys", language), *lines, *more]), [*buttons, [_refresh(language, "op-keys")]])


def _key(row: Any, language: str) -> str:
    state = say(f"op-key-{row.state}" if row.configured else "op-key-gone", language)
    parts = [
        say(
            "op-key",
            language,
            fingerprint=row.fingerprint,
            account=row.account,
            state=state,
            window=row.window,
            flying=row.in_flight,
        )
    ]
    if row.reason:
        parts.append(say("op-key-why", language, why=cut(row.reason, 150)))
    if row.until is not None:
        parts.append(_until(row, language))
    if row.credit is not None:
        parts.append(say("op-key-credit", language, credit=round(row.credit), time=moment(row.credit_at)))
    return "\n".join(parts)


def _until(row: Any, language: str) -> Html:
    if row.locked:
        return say("op-key-locked", language)
    if row.state == "quarantined":
        return say("op-key-probe", language, time=clock_time(row.until))
    return say("op-key-until", language, time=moment(row.until))


def _key_button(row: Any, language: str) -> Button:
    out = row.state == "quarantined"
    label = say("op-button-release" if out else "op-button-lock", language, fingerprint=row.fingerprint)
    return label, data("op-release" if out else "op-lock", row.fingerprint)


def orders(closed: bool, language: str) -> Screen:
    """Whether orders are taken, and the button that changes it."""
    text = say("op-orders-closed" if closed else "op-orders-open", language)
    label = say("op-button-open" if closed else "op-button-close", language)
    return Screen(f"{text}\n{say('op-orders-explained', language)}", [[(label, data("op-orders", 1 if closed else 0))]])


def asked(text: Html, label: str, number: int, language: str) -> Screen:
    """A question with yes and no; `number` is that of what was asked."""
    return Screen(text, [[(label, data("op-yes", number))], [(say("op-button-no", language), data("op-no", number))]])


def moved(done: Granted, language: str) -> Screen:
    """What came of a yes: credits given, taken, or returned for a job."""
    key = "op-returned" if done.job_id is not None else "op-granted" if done.amount > 0 else "op-taken"
    text = say(key, language, credits=abs(done.amount), user=str(done.user_id), balance=done.balance)
    where = ("op-user", done.user_id) if done.job_id is None else ("op-job", done.job_id)
    return Screen(text, [[opening(*where, language=language)]])


def _refresh(language: str, action: str, *arguments: object) -> Button:
    return say("op-button-refresh", language), data(action, *arguments, "same")


def opening(action: str, number: int, language: str) -> Button:
    """A button that opens a person's or a job's screen."""
    return say("op-button-open-it", language), data(action, number, "new")


def moment(at: datetime) -> str:
    """Day and time in Moscow."""
    return at.astimezone(MOSCOW).strftime("%d.%m %H:%M")


def clock_time(at: datetime) -> str:
    """The time in Moscow, with seconds."""
    return at.astimezone(MOSCOW).strftime("%H:%M:%S")
