"""One text for everybody: a draft, then a row of the outbox for each person, sent slowly and behind everything else.

Everybody is whoever can be reached and is not banned when it starts. It may be stopped at any time: what isn't sent by then is not sent.
Its end is told to whoever wrote it, once.
"""

from dataclasses import dataclass
from typing import Any

from peewee import SQL, Expression, Value, fn

from neurocards import clock, operators, outbox
from neurocards.db import db
from neurocards.errors import DeedRefused
from neurocards.models import NOW, Broadcast, Outgoing, Pause, User

# As many a second, by all workers together; Telegram allows thirty to a bot, and videos, cards and answers are to have room.
RATE = 10
# A draft older than this (real seconds) is not sent: its button may be pressed by mistake, and its text be out of date.
DRAFT_HOLDS, DRAFTED_ONCE = 86_400.0, 60.0
# Rows that may be on their way at once: when workers come to them late, they don't come to hundreds together.
ON_THE_WAY = 30
# A broadcast's text stands in `pauses` under this name while Telegram wants to be left alone, or doesn't let us in.
_RESTING = "broadcasts"
STOPPED = "stopped"


@dataclass(frozen=True)
class Progress:
    """A broadcast and what came of it. `people`: for whom it is, or would be; `seconds`: since its start. A stopped one that never
    began is `dropped`."""

    id: int
    text: str
    state: str
    people: int
    sent: int = 0
    blocked: int = 0
    failed: int = 0
    seconds: float = 0.0


def draft(by: int, text: str) -> Progress:
    """Keeps a text (HTML) that is not sent to anybody yet. The same within a minute is the draft that there is: a command whose answer
    was lost is heard again, and two drafts could both be sent."""
    with db:
        same = (Broadcast.operator == by) & (Broadcast.text == text) & (Broadcast.state == "draft")
        row = Broadcast.get_or_none(same & (Broadcast.created_at > clock.in_real(-DRAFTED_ONCE)))
        if row is None:
            row = Broadcast.create(operator=by, text=text)
            operators.record(by, "broadcast draft", row.id)
        return progress(row.id)


def start(by: int, broadcast_id: int) -> None:
    """Puts it into the outbox for everybody, once. Refused: `cast_started` when it is no draft any more, `stale` when it is an old one."""
    with db:
        old = (Broadcast.id == broadcast_id) & (Broadcast.created_at < clock.in_real(-DRAFT_HOLDS))
        if Broadcast.select().where(old & (Broadcast.state == "draft")).exists():
            raise DeedRefused("stale")
        _turn(broadcast_id, "draft", "running", "cast_started", started_at=NOW)
        key = fn.CONCAT(f"broadcast:{broadcast_id}:", User.id)
        everybody = User.select(key, SQL("'broadcast'"), User.id, Value(broadcast_id)).where(_within_reach())
        columns = [Outgoing.key, Outgoing.kind, Outgoing.chat_id, Outgoing.broadcast]
        Outgoing.insert_from(everybody.order_by(User.id), columns).execute()
        operators.record(by, "broadcast start", broadcast_id)


def stop(by: int, broadcast_id: int) -> None:
    """Ends a running one at once; refused (`cast_over`) when it isn't running. A copy that is just being sent may still arrive."""
    with db:
        _turn(broadcast_id, "running", "stopped", "cast_over", ended_at=NOW)
        Outgoing.update(error=STOPPED).where((Outgoing.broadcast == broadcast_id) & outbox.untold()).execute()
        operators.record(by, "broadcast stop", broadcast_id)
        _report(broadcast_id)


def drop(by: int, broadcast_id: int) -> None:
    """Gives a draft up; refused (`cast_started`) when it is none any more."""
    with db:
        _turn(broadcast_id, "draft", "stopped", "cast_started", ended_at=NOW)
        operators.record(by, "broadcast drop", broadcast_id)


def _turn(broadcast_id: int, state: str, to: str, otherwise: str, **changes: Any) -> None:
    guard = (Broadcast.id == broadcast_id) & (Broadcast.state == state)
    if not Broadcast.update(state=to, **changes).where(guard).execute():
        raise DeedRefused(otherwise)


def progress(broadcast_id: int) -> Progress:
    """How far it is. Refused: `no_cast`."""
    with db:
        row = Broadcast.get_or_none(Broadcast.id == broadcast_id)
        if row is None:
            raise DeedRefused("no_cast")
        if row.started_at is None:
            state = "draft" if row.state == "draft" else "dropped"
            return Progress(row.id, row.text, state, User.select().where(_within_reach()).count())
        took = Broadcast.select(SQL("extract(epoch FROM coalesce(ended_at, now()) - started_at)::float"))
        seconds = took.where(Broadcast.id == broadcast_id).scalar()
        return Progress(row.id, row.text, row.state, **_counts(broadcast_id), seconds=seconds)


def _counts(broadcast_id: int) -> dict[str, int]:
    # Blocked and stopped are told by the reason with which a row was given up; any other reason is a failure.
    rows = Outgoing.select(
        fn.COUNT(Outgoing.id).alias("people"),
        fn.COUNT(Outgoing.sent_at).alias("sent"),
        _number(Outgoing.error.startswith(outbox.UNREACHABLE)).alias("blocked"),
        _number(~Outgoing.error.startswith(outbox.UNREACHABLE) & (Outgoing.error != STOPPED)).alias("failed"),
    ).where(Outgoing.broadcast == broadcast_id)
    return dict(rows.dicts().get())


def _number(which: Expression) -> Any:
    return fn.COUNT(Outgoing.id).filter(Outgoing.sent_at.is_null() & which)


def wake_due(seconds: float, lease: float) -> list[int]:
    """Ids of copies to be sent in the next `seconds` (real ones), oldest first; none while they rest."""
    if Pause.select().where((Pause.provider == _RESTING) & (Pause.until > NOW)).exists():
        return []
    going = outbox.untold() & (Outgoing.woken_at > clock.in_real(-lease))
    room = ON_THE_WAY - Outgoing.select().where(Outgoing.broadcast.is_null(False) & going).count()
    return outbox.wake_due(("broadcast",), max(0, min(room, round(RATE * seconds))), lease)


def rest(seconds: float, reason: str = "Telegram's flood control") -> None:
    """What one copy met, all would: the others wait so long, too. Within the caller's transaction."""
    until = clock.in_real(seconds)
    row = {"provider": _RESTING, "reason": reason[:200], "until": until}
    longer = {"until": fn.GREATEST(Pause.until, until)}
    Pause.insert(row).on_conflict(conflict_target=[Pause.provider], update=longer).execute()


def finish() -> None:
    """Ends those that have reached everybody they can, each with its report."""
    with db:
        for row in Broadcast.select(Broadcast.id).where(Broadcast.state == "running"):
            left = Outgoing.select().where((Outgoing.broadcast == row.id) & outbox.untold()).exists()
            running = (Broadcast.id == row.id) & (Broadcast.state == "running")
            if not left and Broadcast.update(state="done", ended_at=NOW).where(running).execute():
                _report(row.id)


def _report(broadcast_id: int) -> None:
    now = progress(broadcast_id)
    counts = {"people": now.people, "sent": now.sent, "blocked": now.blocked, "failed": now.failed}
    operator = Broadcast.get_by_id(broadcast_id).operator
    ended = {"broadcast": broadcast_id, "state": now.state, "seconds": round(now.seconds)}
    outbox.alert((operator,), f"broadcast_over:{broadcast_id}", **ended, **counts)


def _within_reach() -> Expression:
    return User.reachable & User.banned_at.is_null()
