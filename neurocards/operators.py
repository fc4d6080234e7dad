"""What operators do: each deed is one transaction with the row that says who did it, to whom and how much.

Deeds that move money are first asked, then agreed to: the asking is a row, the agreeing names it, so that a double tap is one deed and
a forged button none. All functions but `record` open their own transaction. Raises DeedRefused when a deed can't be done.
"""

from collections.abc import Callable
from dataclasses import dataclass

from neurocards import attempts, clock, endings, jobs, key_health, ledger, outages, outbox, service
from neurocards.db import db
from neurocards.errors import DeedRefused, Failure
from neurocards.models import NOW, ApiKey, Job, LedgerEntry, OperatorAction, User

# Who acts at the command line: nobody's Telegram id.
SHELL = 0
# At most so many credits in one grant.
MOST_CREDITS = 1000
# How long a deed may be agreed to after it was asked, and how long the same request is the same question (real seconds).
ASKED_HOLDS, ASKED_ONCE = 3600.0, 60.0


@dataclass(frozen=True)
class Granted:
    """Credits moved: to whom, how many, the balance after it. `job_id` is the order's job they were for, if it was about one."""

    user_id: int
    amount: int
    balance: int
    job_id: int | None = None


def record(by: int, action: str, subject: object = "") -> int:
    """Writes down a deed within the caller's transaction; returns the row's id."""
    return int(OperatorAction.create(operator=by, action=action, subject=str(subject)[:500]).id)


def _ask(by: int, action: str, subject: object) -> int:
    """The question's row. A request that comes again (a double tap, an update whose answer was lost) is the question it was, not another
    one that could be agreed to as well."""
    same = (
        (OperatorAction.operator == by)
        & (OperatorAction.action == action)
        & (OperatorAction.subject == str(subject)[:500])
    )
    recent = OperatorAction.select().where(same & (OperatorAction.at > clock.in_real(-ASKED_ONCE)))
    earlier = recent.order_by(OperatorAction.id.desc()).first()
    if earlier is not None and not any(_said(by, word, earlier.id) for word in ("yes", "no")):
        return int(earlier.id)
    return record(by, action, subject)


# Money ------------------------------------------------------------------------------------------------------------------


def grant(by: int, user_id: int, amount: int, reason: str, key: str | None = None) -> int:
    """Gives credits (negative: takes them back, never below zero) and returns the balance. With a `key` it happens once.

    Refused: `no_user`, `no_amount`, `too_little`.
    """
    with db:
        user = User.select().where(User.id == user_id).for_update().get_or_none()
        if user is None:
            raise DeedRefused("no_user")
        if key and LedgerEntry.select().where(LedgerEntry.key == key).exists():
            return int(user.credits)
        if amount == 0:
            raise DeedRefused("no_amount")
        if user.credits + amount < 0:
            raise DeedRefused("too_little", balance=user.credits)
        ledger.grant(user_id, amount, reason, _name(by), key)
        record(by, "grant", f"{user_id} {amount:+d} {reason}".strip())
        return ledger.balance(user_id)


def ask_grant(by: int, user_id: int, amount: int, reason: str = "") -> int:
    """Asks for a grant; returns what `agree` wants to hear. Refused as `grant`, and beyond MOST_CREDITS: `too_much`."""
    with db:
        balance = User.select(User.credits).where(User.id == user_id).scalar()
        if balance is None:
            raise DeedRefused("no_user")
        if amount == 0:
            raise DeedRefused("no_amount")
        if abs(amount) > MOST_CREDITS:
            raise DeedRefused("too_much", most=MOST_CREDITS)
        if balance + amount < 0:
            raise DeedRefused("too_little", balance=balance)
        return _ask(by, "ask grant", f"{user_id} {amount} {reason}")


def ask_refund(by: int, job_id: int) -> int:
    """Asks to give back what a job cost; returns what `agree` wants to hear. Refused: `no_job`, `claimed`, `refunded`, `repaid`."""
    with db:
        job = Job.get_or_none(Job.id == job_id)
        _refundable(job)
        return _ask(by, "ask goodwill" if job.status == "done" else "ask refund", job_id)


def agree(by: int, asked: int) -> Granted | None:
    """Does what this operator asked within the hour; once, however often it is agreed to. What it moved, None when it was not about
    credits. Refused: `stale`, or as the deed."""
    with db:
        recent = (OperatorAction.id == asked) & (OperatorAction.at > clock.in_real(-ASKED_HOLDS))
        row = OperatorAction.get_or_none(recent & (OperatorAction.operator == by))
        if row is None or row.action not in _AGREED or _said(by, "no", asked):
            raise DeedRefused("stale")
        moved = _AGREED[row.action](row)
        if not _said(by, "yes", asked):
            record(by, "yes", asked)
        return moved


def decline(by: int, asked: int) -> None:
    """What this operator asked is not to be done, and can't be agreed to any more. Refused: `agreed` when it has been done."""
    with db:
        if _said(by, "yes", asked):
            raise DeedRefused("agreed")
        record(by, "no", asked)


def _said(by: int, word: str, asked: int) -> bool:
    """Whether they did; one person's taps come one after another."""
    answer = (OperatorAction.action == word) & (OperatorAction.subject == str(asked))
    return bool(
        OperatorAction.select().where((OperatorAction.id > asked) & (OperatorAction.operator == by) & answer).exists()
    )


def _agreed_grant(row: OperatorAction) -> Granted:
    user_id, amount, reason = row.subject.split(" ", 2)
    key = f"operator:{row.id}"
    balance = grant(row.operator, int(user_id), int(amount), reason or "granted by an operator", key)
    if int(amount) > 0:
        outbox.notify_once(f"granted:{key}", int(user_id), "granted", credits=int(amount))
    return Granted(int(user_id), int(amount), balance)


def _agreed_refund(row: OperatorAction) -> Granted:
    """Stops an open job and gives its credit back."""
    job, amount = _asked_about(row, done=False)
    attempts.end(job.id, "abandoned", "stopped by an operator")
    stopped = Failure("OPERATOR", "stopped by an operator", "operator")
    endings.give_up(job, stopped, "stopped and refunded by an operator", _name(row.operator))
    record(row.operator, "refund", f"{job.id} {amount:+d}")
    return Granted(job.user_id, amount, ledger.balance(job.user_id), job.id)


def _agreed_goodwill(row: OperatorAction) -> Granted:
    """A delivered job stays as it is; what it cost comes as a present, once."""
    job, amount = _asked_about(row, done=True)
    grant(row.operator, job.user_id, amount, f"goodwill for job {job.id}", _goodwill(job))
    outbox.notify_once(f"goodwill:{job.id}", job.user_id, "goodwill", credits=amount, order=str(job.order_id))
    return Granted(job.user_id, amount, ledger.balance(job.user_id), job.id)


def _asked_about(row: OperatorAction, *, done: bool) -> tuple[Job, int]:
    """The job and what it cost; `stale` when it was delivered since: giving both video and credit was not what was agreed to."""
    job = Job.select().where(Job.id == int(row.subject)).for_update().get_or_none()
    amount = _refundable(job)
    if (job.status == "done") is not done:
        raise DeedRefused("stale")
    return job, amount


def _agreed_lock(row: OperatorAction) -> None:
    if _said(row.operator, "yes", row.id):
        # A second tap, maybe long after the key's release.
        return
    _may_lock(row.subject)
    lock_key(row.operator, row.subject)


_AGREED: dict[str, Callable[[OperatorAction], Granted | None]] = {
    "ask grant": _agreed_grant,
    "ask refund": _agreed_refund,
    "ask goodwill": _agreed_goodwill,
    "ask quarantine": _agreed_lock,
}


def _refundable(job: Job | None) -> int:
    """What the job cost, if that can be given back now."""
    if job is None:
        raise DeedRefused("no_job")
    if job.status in ("failed", "cancelled"):
        raise DeedRefused("refunded")
    if job.claim_token is not None:
        raise DeedRefused("claimed")
    if LedgerEntry.select().where(LedgerEntry.key == _goodwill(job)).exists():
        raise DeedRefused("repaid")
    return int(-LedgerEntry.get((LedgerEntry.job == job.id) & (LedgerEntry.kind == "debit")).amount)


def _goodwill(job: Job) -> str:
    return f"goodwill:{job.id}"


# Jobs, people, keys, the service ----------------------------------------------------------------------------------------


def hurry(by: int, job_id: int) -> None:
    """Makes an open job due now. Refused: `no_job`, `ended`, `claimed`, and `awaited` while an answer of KIE's is: looked at too early it
    would be taken for lost, and KIE asked for a second video."""
    with db:
        job = Job.select().where(Job.id == job_id).for_update().get_or_none()
        if job is None:
            raise DeedRefused("no_job")
        if job.status not in jobs.OPEN:
            raise DeedRefused("ended")
        attempt = attempts.live(job.id)
        if attempt is not None and attempt.task_id is None:
            raise DeedRefused("awaited")
        if not jobs.hurry(job.id):
            raise DeedRefused("claimed")
        record(by, "hurry", job_id)


def ban(by: int, user_id: int, reason: str, admins: tuple[int, ...]) -> None:
    """Keeps a person out; what they ordered goes on. Refused: `no_user`, `operator`, `banned`."""
    if user_id in admins:
        raise DeedRefused("operator")
    _let_in(by, user_id, "ban", f"{user_id} {reason}".strip(), banned=True)


def unban(by: int, user_id: int) -> None:
    """Lets a person in again. Refused: `no_user`, `not_banned`."""
    _let_in(by, user_id, "unban", str(user_id), banned=False)


def _let_in(by: int, user_id: int, action: str, subject: str, *, banned: bool) -> None:
    with db:
        if not User.select().where(User.id == user_id).exists():
            raise DeedRefused("no_user")
        other = (User.id == user_id) & User.banned_at.is_null(banned)
        if not User.update(banned_at=NOW if banned else None).where(other).execute():
            raise DeedRefused("banned" if banned else "not_banned")
        record(by, action, subject)


def turn_away(user_id: int) -> None:
    """Says to a banned person that they are, once for each time they were."""
    with db:
        user = User.get_by_id(user_id)
        if user.banned_at is not None:
            outbox.notify_once(f"banned:{user.id}:{user.banned_at.timestamp():.0f}", user.id, "banned")


def close_orders(by: int) -> None:
    """Takes no more orders; what was ordered is made."""
    with db:
        if not service.closed():
            service.close(f"closed by {_name(by)}")
            record(by, "pause")


def open_orders(by: int) -> None:
    """Takes orders again."""
    with db:
        if service.reopen():
            record(by, "resume")


def ask_lock(by: int, print_: str) -> tuple[int, bool]:
    """Asks for a key's quarantine; returns what `agree` wants to hear, and whether it is the last one in use. Refused: `no_key`, and
    `last_key` while orders are taken: without a key every order fails."""
    with db:
        last = _may_lock(print_)
        return _ask(by, "ask quarantine", print_), last


def _may_lock(print_: str) -> bool:
    """Whether it is the last key in use, if it may be taken out of use."""
    known = ApiKey.select(ApiKey.fingerprint, ApiKey.state).where(ApiKey.configured | (ApiKey.fingerprint == print_))
    states = {key.fingerprint: key.state for key in known}
    if print_ not in states:
        raise DeedRefused("no_key")
    last = [key for key, state in states.items() if state != "quarantined"] == [print_]
    if last and not service.closed():
        raise DeedRefused("last_key")
    return last


def lock_key(by: int, print_: str, reason: str = "by the operator") -> None:
    """Takes a key out of use until it is released. Refused: `no_key`."""
    with db:
        if not key_health.lock_out(print_, reason):
            raise DeedRefused("no_key")
        record(by, "quarantine", f"{print_} {reason}")


def release_key(by: int, print_: str) -> None:
    """Puts a key back to work. Refused: `no_key`."""
    with db:
        if not key_health.release(print_):
            raise DeedRefused("no_key")
        outages.key_is_well(print_)
        record(by, "release", print_)


def _name(by: int) -> str:
    return f"operator:{by}" if by != SHELL else "operator"
