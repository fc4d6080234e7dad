"""Updates, stored before they are acknowledged to Telegram. The same `update_id` again changes nothing."""

import json
from collections.abc import Collection, Sequence
from typing import Any

from peewee import SQL

from neurocards import metrics
from neurocards.db import db
from neurocards.models import NOW, InboxUpdate

# What Telegram itself calls the sender in each kind of update we ask for.
_SENDER_IN = ("message", "edited_message", "callback_query", "my_chat_member", "pre_checkout_query")


def lane_of(update: dict[str, Any]) -> int:
    """Whose turn an update takes: the sender's id, 0 when there is none to be found."""
    for kind in _SENDER_IN:
        part = update.get(kind)
        sender = part.get("from") if isinstance(part, dict) else None
        user_id = sender.get("id") if isinstance(sender, dict) else None
        # What doesn't fit a bigint is nobody's id, and must not keep its whole batch from being stored.
        if isinstance(user_id, int) and abs(user_id) < 2**63:
            return user_id
    return 0


# The beginning of a sender as `store` writes it, over whatever names there are before the one looked for.
_SENDER = r'"from": \{([^"{}]|"([^"\\]|\\.)*")*'


def sender_named(username: str) -> int | None:
    """The id of the person who wrote under this @username in the days that updates are kept; names are stored nowhere else."""
    with db:
        # A sieve as `store` writes them, for a sender only and not whom a message was passed on from; the name itself decides.
        likely = InboxUpdate.body.iregexp(_SENDER + f'"username": "{username}"')
        rows = InboxUpdate.select().where(likely & (InboxUpdate.lane != 0)).order_by(InboxUpdate.update_id.desc())
        return next((row.lane for row in rows.limit(50) if _is_named(json.loads(row.body), username)), None)


def _is_named(update: dict[str, Any], username: str) -> bool:
    senders = (part.get("from") for kind in _SENDER_IN if isinstance(part := update.get(kind), dict))
    names = (str(sender.get("username")) for sender in senders if isinstance(sender, dict))
    return username.lower() in map(str.lower, names)


def store(updates: Sequence[dict[str, Any]]) -> list[InboxUpdate]:
    """Keeps updates and returns those not seen before, in order. Raises a PeeweeException when they could not be kept."""
    rows = [
        {"update_id": int(update["update_id"]), "lane": lane_of(update), "body": json.dumps(update)}
        for update in updates
    ]
    if not rows:
        return []
    with db:
        new = InboxUpdate.insert_many(rows).on_conflict_ignore().returning(InboxUpdate).execute()
        return sorted(new, key=lambda row: row.update_id)


def unhandled(in_hand: Collection[int] = (), full: Collection[int] = (), most: int = 1000) -> list[InboxUpdate]:
    """What is stored, not `in_hand` and in no lane that is `full`, oldest first, at most so many."""
    with db:
        left = InboxUpdate.handled_at.is_null() & InboxUpdate.update_id.not_in(list(in_hand))
        oldest = InboxUpdate.select().where(left & InboxUpdate.lane.not_in(list(full))).order_by(InboxUpdate.update_id)
        return list(oldest.limit(most))


def taken_up(update_id: int, again: bool = False) -> int | None:
    """Counts, before the update is handled, how often that was begun: one that kills the bot is not fed to it for ever. What is counted
    and has not been let go (`again`) is not counted once more.

    None when the update has been handled: another bot process had it in hand too for a while, or our own word of it arrived
    after all.
    """
    with db:
        this = (InboxUpdate.update_id == update_id) & InboxUpdate.handled_at.is_null()
        once_more = InboxUpdate.attempts + int(not again)
        rows = InboxUpdate.update(attempts=once_more).where(this).returning(InboxUpdate.attempts).execute()
        return next((row.attempts for row in rows), None)


def let_go(update_ids: Collection[int]) -> None:
    """Takes the count back for tries that ended, or were ended in order: only those are left that ended the bot."""
    with db:
        these = InboxUpdate.update_id.in_(list(update_ids)) & (InboxUpdate.attempts > 0)
        InboxUpdate.update(attempts=InboxUpdate.attempts - 1).where(these & InboxUpdate.handled_at.is_null()).execute()


def handled(update_id: int, outcome: str = "answered") -> None:
    """The update has had its effect. `outcome` is 'answered', or 'refused' to somebody who asks for too much."""
    waited = SQL("extract(epoch FROM clock_timestamp() - received_at)")
    with db:
        done = InboxUpdate.update(handled_at=NOW).where(InboxUpdate.update_id == update_id).returning(waited)
        seconds = [float(row[0]) for row in done.tuples().execute()]
    for each in seconds:
        metrics.UPDATES.labels(outcome).inc()
        if outcome == "answered":
            metrics.ANSWERS.observe(each)


def set_aside(update_id: int, error: str) -> None:
    """The update can't be handled; it is kept with the reason, for the operator."""
    with db:
        InboxUpdate.update(handled_at=NOW, error=error[:500]).where(InboxUpdate.update_id == update_id).execute()
    metrics.UPDATES.labels("set_aside").inc()
