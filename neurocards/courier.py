"""Tells people what the outbox holds: draws cards, writes notices, alerts operators. At least once, keyed, in the reader's language."""

import logging
import random

from structlog.contextvars import bound_contextvars

from neurocards import broadcasts, cards, forecast, ledger, outbox
from neurocards.app import App
from neurocards.classifiers import classify
from neurocards.db import db
from neurocards.errors import Failure, ProviderError
from neurocards.models import Broadcast, Job, Order, Outgoing, User

log = logging.getLogger(__name__)

# Between two tries to tell somebody (real seconds, before jitter).
LONGEST_PAUSE = 300.0
# Our token is not let in, or another bot is at it: that is nobody's message's fault, and all are told once it is mended. Until then
# each is tried no more often than this.
OUR_FAULT, MENDING_TAKES = ("bad_token", "conflict"), 60.0


def tell(app: App, outgoing_id: int) -> None:
    """Sends one outbox row; nothing happens when it is sent, not due, or taken by another worker."""
    with db:
        row = outbox.take(outgoing_id)
    if row is None:
        return
    about = {f"{what}_id": row.payload[what] for what in ("job", "order") if what in row.payload}
    with bound_contextvars(**about):
        _tell(app, row)


def _tell(app: App, row: Outgoing) -> None:
    doubted = row.payload.pop(outbox.UNANSWERED, False)
    try:
        _TELL[row.kind](app, row)
    except ProviderError as error:
        with db:
            _not_told(row, classify(error), doubted)
        return
    with db:
        outbox.sent(row)


def _not_told(row: Outgoing, failure: Failure, doubted: bool) -> None:
    """What becomes of the row; within the caller's transaction. `doubted`: it may have arrived once before."""
    if failure.category == "HARMLESS" or _may_do(row, failure, doubted):
        outbox.sent(row)
    elif failure.category == "UNREACHABLE":
        User.update(reachable=False).where(User.id == row.chat_id).execute()
        outbox.drop(row, f"{outbox.UNREACHABLE}{failure.text}")
    elif failure.category in ("RATE_LIMIT", "TEMPORARY") or failure.subtype in OUR_FAULT:
        _put_off(row, failure)
    else:
        log.error("%s can't be told: %s", row.key, failure.text)
        outbox.drop(row, failure.text)


def _may_do(row: Outgoing, failure: Failure, doubted: bool) -> bool:
    """Whether a message that may have arrived is taken for told: a broadcast's copy at once, any other after one more sending."""
    return failure.subtype == "lost_reply" and (row.kind == "broadcast" or doubted)


def _put_off(row: Outgoing, failure: Failure) -> None:
    pause = min(2.0**row.attempts, LONGEST_PAUSE) * random.uniform(1, 2)  # noqa: S311  jitter
    pause = max(pause, failure.retry_after or 0.0)
    if failure.subtype in OUR_FAULT:
        pause = max(pause, MENDING_TAKES)
        log.error("%s waits: Telegram doesn't let us in: %s", row.key, failure.text)
    outbox.postpone(row, pause, unanswered=failure.subtype == "lost_reply")
    if row.kind == "broadcast" and failure.category != "TEMPORARY":
        broadcasts.rest(pause, failure.text)


def _card(app: App, row: Outgoing) -> None:
    with db:
        order = Order.get_by_id(row.payload["order"])
        jobs = list(Job.select().where(Job.order == order.id).order_by(Job.number))
        user = User.get_by_id(order.user_id)
        screen = cards.card(order, jobs, user.language, forecast.remaining(jobs), user.credits)
    if order.card_message_id is not None:
        try:
            app.telegram.edit_text(order.chat_id, order.card_message_id, screen.text, screen.buttons)
        except ProviderError as error:
            if classify(error).subtype != "message_gone":
                raise
        else:
            return
    message_id = app.telegram.send_text(order.chat_id, screen.text, screen.buttons)
    with db:
        Order.update(card_message_id=message_id).where(Order.id == order.id).execute()


def _notice(app: App, row: Outgoing) -> None:
    if "job" not in row.payload:
        _greeting(app, row)
        return
    with db:
        job = Job.get_by_id(row.payload["job"])
        order, user = Order.get_by_id(job.order_id), User.get_by_id(job.user_id)
        if row.payload["what"] == "held":
            screen = cards.held_notice(order, job.deadline_at, user.language)
        else:
            support, code = app.settings.support_contact, f"{order.id}-{job.id}"
            screen = cards.failure_notice(order, job, user.language, ledger.balance(user.id), support, code=code)
    app.telegram.send_text(order.chat_id, screen.text, screen.buttons)


def _greeting(app: App, row: Outgoing) -> None:
    """A notice that is about no job, such as of credits granted."""
    text = cards.notice(row.payload, _language(row.chat_id), app.settings.support_contact)
    app.telegram.send_text(row.chat_id, text, [])


def _alert(app: App, row: Outgoing) -> None:
    screen = cards.alert(row.payload, _language(row.chat_id))
    app.telegram.send_text(row.chat_id, screen.text, screen.buttons)


def _broadcast(app: App, row: Outgoing) -> None:
    with db:
        text = Broadcast.get_by_id(row.broadcast_id).text
    app.telegram.send_text(row.chat_id, text, [])


def _language(user_id: int) -> str:
    with db:
        return User.select(User.language).where(User.id == user_id).scalar() or "ru"


_TELL = {"card": _card, "notice": _notice, "alert": _alert, "broadcast": _broadcast}
