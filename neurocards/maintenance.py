"""What keeps the promise when messages are lost and processes die. The leading scheduler runs it; each function is safe to run twice.

A job is reclaimed from a process that has been silent for 15 s. Its fault, honestly: a process that was only frozen may wake up
and go on; the fence (`claim_token`) then refuses its writes, but a request it had already sent to a vendor can't be unsent.
"""

import logging
from collections.abc import Callable
from typing import Any

from peewee import Expression, fn

from neurocards import (
    attempts,
    audit,
    broadcasts,
    clock,
    dispatch,
    endings,
    jobs,
    key_health,
    liveness,
    outages,
    outbox,
)
from neurocards.app import App
from neurocards.classifiers import classify
from neurocards.db import Unreachable, db
from neurocards.errors import Failure, ProviderError
from neurocards.models import NOW, ApiKey, InboxUpdate, Job, Outgoing
from neurocards.policies import Decision, policy_for
from neurocards.reactions import carry_out, report_key

log = logging.getLogger(__name__)

# A message sent less than this ago is presumed to be on its way (real seconds).
WAKE_LEASE = 15.0
CROWD_LEASE = 300.0
# Longer than any stage can take with all its time limits: a claim this old has lost its thread, whatever its process says.
LONGEST_CLAIM = 900.0
# KIE admits about ten queries a second for each key; we stay below.
CHECKS_A_SECOND = 8
BATCH = 500
# Messages for scripts that may wait in Redis, for each worker process: enough for its threads to have no pause.
SCRIPTS_AHEAD = 16
# Nothing waits so long to be answered or told while all is well (real seconds).
STUCK_AFTER, STUCK_ATTEMPTS = 600.0, 10
# KIE's credits, half a cent each: a couple of dozen videos of the cheaper models.
LOW_CREDIT = 1000.0


def beat(app: App) -> None:
    """Says that this process is alive, and gives back claims of its own that no thread of it works on any more."""
    with db:
        liveness.beat(app.process, app.instance)
    mine = (Job.claimed_by == app.process) & (Job.claimed_at < clock.in_real(-liveness.BEAT_EVERY))
    _take_back(app, mine & Job.claim_token.not_in(list(app.in_hand)), "its worker could not settle it", "unsettled")


def leave(app: App) -> None:
    """Gives back whatever this process still holds and stops beating; the last thing it does."""
    _take_back(app, Job.claimed_by == app.process, "its worker was told to stop", None)
    with db:
        liveness.leave(app.process)


def wake(app: App, tick: float) -> None:
    """Sends messages for what is due and has not moved. `tick` is the real seconds since the last time."""
    waiting = dispatch.waiting()
    if waiting is None:
        return
    # While messages wait for workers, ours are presumed to be among them: a crowd isn't made larger by doubling it.
    lease = WAKE_LEASE if waiting == 0 else CROWD_LEASE
    with db:
        # Few at a time: in Redis they stand in the order they came, here in their turns.
        ahead = max(0, SCRIPTS_AHEAD * liveness.processes() - waiting)
        ready = [("script", job_id) for job_id in jobs.wake_due("script", ahead, lease)]
        ready += [("submit", job_id) for job_id in jobs.wake_due("submit", _room(app), lease)]
        ready += [("deliver", job_id) for job_id in jobs.wake_due("deliver", BATCH, lease)]
        polls = CHECKS_A_SECOND * len(app.settings.kie_keys) * clock.unscaled(tick)
        renders = jobs.wake_due("render", max(1, int(polls)), lease)
        ready += [("tell", row_id) for row_id in outbox.wake_due(("notice", "alert"), BATCH, lease)]
        cards = max(1, round(outbox.CARDS_A_SECOND * tick))
        ready += [("tell", row_id) for row_id in outbox.wake_due(("card",), cards, lease)]
        ready += [("announce", row_id) for row_id in broadcasts.wake_due(tick, lease)]
    for name, row_id in ready:
        if not dispatch.send(name, row_id):
            return
    for start in range(0, len(renders), 20):
        dispatch.send("check", renders[start : start + 20])


def admit(app: App) -> None:
    """Calls up those that wait for an account's window as soon as it has room: each second that a place in it stays empty is lost."""
    with db:
        if not jobs.anybody_waits("submit"):
            return
        ready = jobs.wake_due("submit", _room(app), CROWD_LEASE)
    for job_id in ready:
        dispatch.send("submit", job_id)


def _room(app: App) -> int:
    return max(0, app.keys.room() - jobs.called_up(WAKE_LEASE))


def reclaim(app: App) -> None:
    """Takes back the claims of processes that fell silent, and of threads that can't still be at it.

    A claim is a sign of life too: a process that has just started may work before its first beat.
    """
    silent = Job.claimed_by.not_in(liveness.alive()) & (Job.claimed_at < clock.in_real(-liveness.SILENT_AFTER))
    _take_back(app, silent, "its worker died", "died")
    _take_back(app, Job.claimed_at < clock.in_real(-LONGEST_CLAIM), "its worker hung", "hung")


def _take_back(app: App, which: Expression, reason: str, crash: str | None) -> None:
    with db:
        stuck = (
            Job.select()
            .where(Job.claim_token.is_null(False) & which)
            .order_by(Job.id)
            .limit(BATCH)
            .for_update("FOR UPDATE SKIP LOCKED")
        )
        for job in stuck:
            log.warning("job %s taken back in %s: %s", job.id, job.stage, reason)
            _apart(job, lambda job: _put_right(app, job, reason, crash))


def _apart(job: Job, act: Callable[[Job], None]) -> None:
    """Within the caller's transaction, but so that a job that can't be put right doesn't keep the others from it."""
    try:
        with db.atomic():
            act(job)
    except Unreachable:
        raise
    except Exception:
        # The sweep's edge: whatever is wrong with this row, the next ones must be reached.
        log.exception("job %s could not be put right", job.id)


def _put_right(app: App, job: Job, reason: str, crash: str | None) -> None:
    if crash and job.reclaims >= jobs.MAX_RECLAIMS:
        attempts.end(job.id, "failed", reason)
        failure = Failure("UNKNOWN", "crashed too often", "crash")
        endings.give_up(job, failure, f"{reason}, {job.reclaims} times")
        # One bad release is not an alert for each order.
        about = f"stuck_job:{job.stage}:{reason}"
        outbox.alert(app.settings.admins, about, job=job.id, order=job.order_id, stage=job.stage, text=reason)
        return
    if crash and job.stage == "script" and job.script_attempts >= policy_for("TEMPORARY").attempts:
        carry_out(app, job, Failure("TEMPORARY", "crashed too often", "crash", text=reason), Decision("plain"))
        return
    attempt = attempts.live(job.id) if job.stage == "submit" else None
    if attempt is None:
        jobs.reclaim(job, job.stage, reason, crash=crash)
    elif attempt.task_id is not None:
        jobs.reclaim(job, "render", f"{reason}, its task is known", crash=crash)
    else:
        # The request may have left: the answer is awaited like any lost one.
        wait = app.answer_due_in if attempts.doubtful(job.id, reason) else 0.0
        jobs.reclaim(job, "render", f"{reason} while asking for the video", due_in=wait, crash=crash)


def expire(app: App) -> None:
    """Fails and refunds jobs past their deadline. A video that comes later is not sent."""
    overdue = Job.status.in_(jobs.OPEN) & Job.claim_token.is_null() & (Job.deadline_at <= NOW)
    with db:
        late = Job.select().where(overdue).order_by(Job.id).limit(BATCH).for_update("FOR UPDATE SKIP LOCKED")
        for job in late:
            _apart(job, lambda job: _too_late(app, job))


def _too_late(app: App, job: Job) -> None:
    attempts.end(job.id, "abandoned", "deadline passed")
    endings.give_up(job, Failure("TEMPORARY", "deadline", "deadline"), "deadline passed")
    outbox.alert(app.settings.admins, f"deadline:{outbox.this_hour()}", job=job.id, order=job.order_id)


def probe(app: App) -> None:
    """Asks one quarantined key whose time has come for its credit, and re-admits it if that is enough for a video."""
    lease = app.keys.lease_probe()
    if lease is None:
        return
    try:
        credit = app.kie.credit(lease.key)
    except ProviderError as error:
        log.info("key %s is still out: %s", lease.fingerprint, error)
        return
    with db:
        key_health.note_credit(lease.fingerprint, credit)
        if credit >= key_health.VIDEO_CREDITS and key_health.readmit(lease.fingerprint, lease.until):
            log.info("key %s is back", lease.fingerprint)
            outages.key_is_well(lease.fingerprint)


def look_at_credit(app: App) -> None:
    """Asks one key that works for its account's credit, so that operators hear of its end before customers do."""
    lease = app.keys.lease_credit_look()
    if lease is None:
        return
    try:
        credit = app.kie.credit(lease.key)
    except ProviderError as error:
        failure = classify(error)
        log.info("key %s doesn't say its credit: %s", lease.fingerprint, failure)
        if reaction := policy_for(failure.category).key:
            with db:
                report_key(app, reaction, lease.fingerprint, failure)
        return
    with db:
        key_health.note_credit(lease.fingerprint, credit)
        account = ApiKey.get_by_id(lease.fingerprint).account_id
        if credit < LOW_CREDIT:
            about = {"account": account, "key": lease.fingerprint, "credit": credit}
            outbox.alert(app.settings.admins, f"low_credit:{account}", **about)
        else:
            outbox.rearm(f"low_credit:{account}")


def audit_books(app: App) -> None:
    """Checks every promise on the live database; a broken one is the operators' to see at once, with the ids."""
    for violation in audit.audit():
        log.error("invariant %s is broken by %s %s", violation.invariant.name, violation.invariant.of, violation.ids)
        with db:
            outbox.alert(app.settings.admins, f"audit_failed:{violation.invariant.name}", **_told_of(violation))


def _told_of(violation: audit.Violation) -> dict[str, Any]:
    """The promise, what breaks it, and the first of that where a button can lead to it."""
    of, ids = violation.invariant.of, violation.ids
    first = {of.removesuffix("s"): ids[0]} if of in ("users", "jobs") else {}
    promise = f"{violation.invariant.name}: {violation.invariant.promise}"
    return {"promise": promise, of: ", ".join(map(str, ids)), **first}


def watch(app: App) -> None:
    """Tells operators of rows that don't move though they should: nobody answers people, or nobody tells them of their orders."""
    late = clock.in_real(-STUCK_AFTER)
    unanswered = InboxUpdate.handled_at.is_null() & (InboxUpdate.received_at < late)
    untold = outbox.untold() & Outgoing.broadcast.is_null()
    with db:
        if hopeless := outbox.give_up():
            log.error("%s messages to people were given up: whoever told them ended", hopeless)
        # One that is put off again and again is stuck as well.
        untold &= (Outgoing.due_at < late) | (Outgoing.attempts > STUCK_ATTEMPTS)
        stuck = {"inbox": InboxUpdate.select().where(unanswered), "outbox": Outgoing.select().where(untold)}
        for table, rows in stuck.items():
            if count := rows.count():
                outbox.alert(app.settings.admins, f"stuck_rows:{table}", table=table, rows=count)
            else:
                outbox.rearm(f"stuck_rows:{table}")


def prune() -> None:
    """Forgets handled updates after three days, told things after a week, and processes silent for an hour."""
    with db:
        InboxUpdate.delete().where(InboxUpdate.handled_at < clock.in_real(-3 * 86_400)).execute()
        told = fn.COALESCE(Outgoing.sent_at, Outgoing.created_at) < clock.in_real(-7 * 86_400)
        Outgoing.delete().where(told & (Outgoing.sent_at.is_null(False) | Outgoing.error.is_null(False))).execute()
        liveness.prune()
