"""What people must be told, committed with the change it tells of and sent at least once.

Four kinds: a card to redraw (asked for again while it waits: still one row), a notice to a person, an alert to an operator, a
broadcast's copy for one person (`neurocards.broadcasts`).
"""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from peewee import Case, Expression, fn

from neurocards import clock
from neurocards.models import NOW, Order, Outgoing

# One card is edited at most this often (real seconds): edits and sends share Telegram's limit, and the video must have room.
CARD_PAUSE = 3.0
# All cards together, a second: Telegram takes thirty messages of a bot, and answers to people and videos go first. A card that has to
# wait is drawn once for all that happened meanwhile.
CARDS_A_SECOND = 10
# A row taken by somebody who then died is taken again after this (real seconds).
LEASE = 60.0
# What the reason begins with when somebody can't be reached.
UNREACHABLE = "unreachable: "
# How the payload of a message that may have arrived says so.
UNANSWERED = "unanswered"
# What ends and begins again and again is told of this often an hour.
MOST_AN_HOUR = 5
# With pauses that grow to minutes this is an outage of many hours; it also ends a row that kills whoever tells it.
MAX_ATTEMPTS = 100
GAVE_UP = "gave up"


def redraw_card(order: Order | int) -> None:
    """Asks for the order's card to be drawn as things stand then; within the caller's transaction."""
    row = order if isinstance(order, Order) else Order.get_by_id(order)
    waiting = Outgoing.sent_at.is_null()
    rested = fn.GREATEST(NOW, Outgoing.sent_at + clock.interval(CARD_PAUSE))
    afresh = {"version": Outgoing.version + 1, "sent_at": None, "woken_at": None, "attempts": 0, "error": None}
    Outgoing.insert(key=f"card:{row.id}", kind="card", chat_id=row.chat_id, payload={"order": row.id}).on_conflict(
        conflict_target=[Outgoing.key], update={**afresh, "due_at": Case(None, ((waiting, Outgoing.due_at),), rested)}
    ).execute()


def notify(job_id: int, chat_id: int, what: str, **payload: Any) -> None:
    """A notice about a job, once for each (job, what); within the caller's transaction."""
    notify_once(f"{job_id}:{what}", chat_id, what, job=job_id, **payload)


def notify_once(key: str, chat_id: int, what: str, **payload: Any) -> None:
    """A notice to a person, once for each key ever; within the caller's transaction."""
    _once(f"notice:{key}", "notice", chat_id, {"what": what, **payload})


def alert(admins: tuple[int, ...], about: str, **payload: Any) -> None:
    """Tells each operator, once a day for each `about` (such as 'key_quarantined:ab12cd34'), or until its end is noted with `rearm`:
    an outage is one message and not a thousand. What comes and goes all the time is told MOST_AN_HOUR times an hour. Within the
    caller's transaction."""
    if _too_often(about):
        return
    today = datetime.now(UTC).date().isoformat()
    for admin in admins:
        _once(f"alert:{about}:{today}:{admin}", "alert", admin, {"what": about.split(":", maxsplit=1)[0], **payload})


def _too_often(about: str) -> bool:
    # The rows of all operators for one time were made in one transaction.
    times = Outgoing.select(fn.COUNT(Outgoing.created_at.distinct()))
    lately = _alerts(f"past:{about}:") & (Outgoing.created_at > clock.in_real(-3600.0))
    return bool(times.where(lately).scalar() >= MOST_AN_HOUR)


def _alerts(key: str) -> Expression:
    """Alerts whose key begins so; by an index of alerts alone, since there are few beside all the cards and notices."""
    return (Outgoing.kind == "alert") & Outgoing.key.startswith(key)


def this_hour() -> str:
    """What an `about` ends with that is worth one message an hour and not a day."""
    return datetime.now(UTC).strftime("%H")


def rearm(*abouts: str) -> bool:
    """What operators were told of has ended, so that its return is news. Whether they had been told of any of it. Within the caller's
    transaction."""
    return sum(map(_put_away, abouts)) > 0


def _put_away(about: str) -> bool:
    # Under another name a row is still told, if it was not.
    away = fn.CONCAT(f"past:{about}:", Outgoing.id)
    return bool(Outgoing.update(key=away).where(_alerts(f"alert:{about}:")).execute())


def _once(key: str, kind: str, chat_id: int, payload: dict[str, Any]) -> None:
    Outgoing.insert(key=key, kind=kind, chat_id=chat_id, payload=payload).on_conflict_ignore().execute()


def untold() -> Expression:
    """What is neither told nor given up. An attempt is counted when it begins: what kills whoever tells it is not taken for ever."""
    return Outgoing.sent_at.is_null() & Outgoing.error.is_null() & (Outgoing.attempts < MAX_ATTEMPTS)


def _free() -> Expression:
    return Outgoing.taken_until.is_null() | (Outgoing.taken_until < NOW)


def _open() -> Expression:
    return untold() & (Outgoing.due_at <= NOW) & _free()


def give_up() -> int:
    """Closes the rows whose every attempt ended with whoever told them, and returns their number; within the caller's transaction."""
    hopeless = Outgoing.sent_at.is_null() & Outgoing.error.is_null() & (Outgoing.attempts >= MAX_ATTEMPTS)
    return int(Outgoing.update(error=GAVE_UP).where(hopeless & _free()).execute())


def wake_due(kinds: Collection[str], limit: int, lease: float) -> list[int]:
    """Ids of rows of these kinds to be sent now, marked as woken; one woken less than `lease` real seconds ago is left alone."""
    due = (
        Outgoing.select(Outgoing.id)
        .where(
            _open()
            & Outgoing.kind.in_(kinds)
            & (Outgoing.woken_at.is_null() | (Outgoing.woken_at < clock.in_real(-lease)))
        )
        .order_by(Outgoing.due_at)
        .limit(limit)
        .for_update("FOR UPDATE SKIP LOCKED")
    )
    return sorted(
        row.id for row in Outgoing.update(woken_at=NOW).where(Outgoing.id.in_(due)).returning(Outgoing.id).execute()
    )


def take(outgoing_id: int) -> Outgoing | None:
    """Leases a row for telling it; None when it is told, not due, or somebody else is at it.

    One at a time: two drawings of a card at once could leave the older one on top.
    """
    taken = {"taken_until": clock.in_real(LEASE), "attempts": Outgoing.attempts + 1}
    rows = Outgoing.update(taken).where((Outgoing.id == outgoing_id) & _open()).returning(Outgoing).execute()
    return next(iter(rows), None)


def sent(row: Outgoing) -> None:
    """Told. A card asked for again meanwhile stays open and is drawn again after a pause."""
    same = (Outgoing.id == row.id) & (Outgoing.version == row.version)
    if not Outgoing.update(sent_at=NOW, taken_until=None).where(same).execute():
        postpone(row, CARD_PAUSE)


def postpone(row: Outgoing, seconds: float, unanswered: bool = False) -> None:
    """Not told, or nobody knows (`unanswered`): once more in `seconds` of real time."""
    error = GAVE_UP if row.attempts >= MAX_ATTEMPTS else None
    later = {"due_at": clock.in_real(seconds), "woken_at": None, "taken_until": None, "error": error}
    if unanswered:
        later["payload"] = Outgoing.payload.concat({UNANSWERED: True})
    # One that was given up meanwhile, such as by the stop of its broadcast, stays so.
    Outgoing.update(later).where((Outgoing.id == row.id) & Outgoing.error.is_null()).execute()


def drop(row: Outgoing, reason: str) -> None:
    """Can't be told at all, such as to someone who blocked the bot."""
    same = (Outgoing.id == row.id) & (Outgoing.version == row.version)
    Outgoing.update(error=reason[:200], taken_until=None).where(same).execute()
