"""What a person asks for. Plain values in and out; `handlers` choose the words.

An order is one transaction: the draft is consumed, the debit, the balance, the jobs, their events and the card are written, or
nothing is. The messages that wake the workers go out after the commit; lost ones are sent again by the sweep.
"""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from neurocards import dispatch, drafts, jobs, ledger, metrics, outbox, service
from neurocards.db import Unreachable, db
from neurocards.errors import AlreadyOrdered, OrdersClosed, StaleButton, TooManyOpen
from neurocards.models import Draft, Job, LedgerEntry, Order, Photo, User

COUNTS = (1, 3, 5)
# Videos of one person that may be open at once.
MOST_OPEN = 20


@dataclass(frozen=True)
class Greeting:
    """The person who wrote, and whether for the first time."""

    user: User
    new: bool


def meet(user_id: int, first_name: str, language_code: str | None, welcome_credits: int = 1) -> Greeting:
    """Makes or refreshes the person's row and gives the welcome credits once."""
    with db:
        user = {"id": user_id, "first_name": first_name[:64], "language": suggested_language(language_code)}
        User.insert(user).on_conflict(
            conflict_target=[User.id], update={"first_name": first_name[:64], "reachable": True}
        ).execute()
        new = (
            ledger.grant(user_id, welcome_credits, "welcome", "bot", key=f"welcome:{user_id}")
            if welcome_credits
            else False
        )
        return Greeting(User.get_by_id(user_id), new)


def suggested_language(code: str | None) -> str:
    """The language for someone we have not met, from Telegram's `language_code`."""
    return "en" if (code or "").startswith("en") else "ru"


def language_of(user_id: int, code: str | None) -> str:
    """The language the person chose, or what Telegram's code suggests; that, too, while the database is away."""
    with suppress(*Unreachable), db:
        chosen = User.select(User.language).where(User.id == user_id).scalar()
        return chosen or suggested_language(code)
    return suggested_language(code)


def set_language(user_id: int, language: str) -> None:
    """Remembers the language ('ru' or 'en') the person chose."""
    with db:
        User.update(language=language).where(User.id == user_id).execute()


def set_reachable(user_id: int, reachable: bool) -> None:
    """Remembers that the person blocked or unblocked the bot."""
    with db:
        User.update(reachable=reachable).where(User.id == user_id).execute()


def balance(user_id: int) -> int:
    """Credits the person has now."""
    with db:
        return ledger.balance(user_id)


def entries(user_id: int, limit: int = 10) -> list[LedgerEntry]:
    """The last movements of the person's credits that changed the balance, newest first."""
    with db:
        mine = (LedgerEntry.user == user_id) & (LedgerEntry.kind != "capture")
        return list(LedgerEntry.select().where(mine).order_by(LedgerEntry.id.desc()).limit(limit))


def price(count: int) -> int:
    """Credits that `count` videos cost."""
    return count


def save_photo(user_id: int, jpeg: bytes, width: int, height: int) -> int:
    """Keeps a checked photo and returns its id."""
    with db:
        return Photo.create(user=user_id, jpeg=jpeg, width=width, height=height).id


def place(user_id: int, chat_id: int, draft_id: int, version: int, card_message_id: int | None) -> Order:
    """Turns a confirmed draft into an order and starts it.

    Raises NotEnoughCredits, TooManyOpen or OrdersClosed (the draft is kept), AlreadyOrdered (the same confirm again) or StaleButton
    (the draft changed or is gone).
    """
    with db:
        data = drafts.consume(draft_id, version, user_id)
        if data is None:
            raise _why_gone(user_id, f"{draft_id}:{version}")
        # After the draft: who confirms twice has an order, and must not read that none is taken.
        if service.closed():
            raise OrdersClosed
        order = Order.create(
            user=user_id,
            chat_id=chat_id,
            draft_key=f"{draft_id}:{version}",
            card_message_id=card_message_id,
            **_order_of(data, user_id),
        )
        others = jobs.open_of(user_id)
        if others + order.count > MOST_OPEN:
            raise TooManyOpen(others, MOST_OPEN)
        made = jobs.create(order.id, user_id, order.count, others)
        ledger.debit(user_id, [job.id for job in made], f"order {order.id}")
        outbox.redraw_card(order)
    metrics.ORDERS.labels(order.template).inc()
    metrics.VIDEOS.inc(order.count)
    for job in made:
        if job.woken_at:
            dispatch.send("script", job.id)
    return order


def _order_of(data: dict[str, Any], user_id: int) -> dict[str, Any]:
    count, photo = data.get("count"), data.get("photo_id")
    owned = Photo.select().where((Photo.id == photo) & (Photo.user == user_id)).exists()
    if (
        not owned
        or count not in COUNTS
        or not data.get("description")
        or data.get("template") not in ("ugc", "ad", "own")
    ):
        raise StaleButton("the draft is not complete")
    texts = {"description": data["description"], "template": data["template"], "wishes": data.get("wishes", "")}
    return {"photo": photo, "count": count, **texts}


def _why_gone(user_id: int, draft_key: str) -> StaleButton | AlreadyOrdered:
    order = Order.get_or_none((Order.draft_key == draft_key) & (Order.user == user_id))
    return AlreadyOrdered(order.id) if order else StaleButton("the draft has changed or ended")


def show_again(order_id: int) -> None:
    """Has the order's card drawn soon, as things stand then: whoever confirms once more has not seen it.

    The bot may have died between the order and its card, and the message that asks for the card been lost as well.
    """
    with db:
        outbox.redraw_card(order_id)


def cancel(user_id: int, order_id: int) -> int:
    """Withdraws the order's jobs that no worker has taken up, with their credits, and returns how many.

    Raises StaleButton when there is none, or the order is someone else's.
    """
    with db:
        mine = (Job.order == order_id) & (Job.user == user_id) & (Job.status == "queued")
        queued = list(Job.select().where(mine).order_by(Job.id).for_update())
        if not queued:
            raise StaleButton("nothing is waiting any more")
        for job in queued:
            jobs.cancel(job, "cancelled by the customer", f"user:{user_id}")
            ledger.refund(job.id, "cancelled", f"user:{user_id}")
        outbox.redraw_card(order_id)
        return len(queued)


def repeat(user_id: int, chat_id: int, order_id: int) -> Draft:
    """Opens a draft for one more video of the same product, ready to be confirmed. Raises StaleButton for someone else's order."""
    with db:
        order = Order.get_or_none((Order.id == order_id) & (Order.user == user_id))
        if order is None:
            raise StaleButton("no such order of theirs")
        drafts.clear(chat_id, user_id)
        return drafts.save(
            chat_id, user_id, state="confirm", photo_id=order.photo_id, description=order.description,
            template=order.template, wishes=order.wishes, count=1,
        )  # fmt: skip


def find(user_id: int, order_id: int) -> tuple[Order, list[Job]]:
    """The person's order and its jobs by number. Raises StaleButton for someone else's."""
    with db:
        order = Order.get_or_none((Order.id == order_id) & (Order.user == user_id))
        if order is None:
            raise StaleButton("no such order of theirs")
        return order, list(Job.select().where(Job.order == order_id).order_by(Job.number))


def active_orders(user_id: int) -> list[Order]:
    """The person's orders with a job that has not ended, newest first."""
    with db:
        running = Job.select(Job.order).where((Job.user == user_id) & Job.status.in_(jobs.OPEN))
        return list(Order.select().where(Order.id.in_(running)).order_by(Order.id.desc()))


def history(user_id: int, before: int | None = None, limit: int = 5) -> list[Job]:
    """Delivered jobs with their orders, newest first; `before` is the last job id of the page before."""
    with db:
        delivered = Job.select(Job, Order).join(Order).where((Job.user == user_id) & (Job.status == "done"))
        if before is not None:
            delivered = delivered.where(Job.id < before)
        return list(delivered.order_by(Job.id.desc()).limit(limit))


def video(user_id: int, job_id: int) -> Job:
    """A delivered job of the person, with its order. Raises StaleButton for any other."""
    with db:
        theirs = (Job.id == job_id) & (Job.user == user_id) & (Job.status == "done")
        job = Job.select(Job, Order).join(Order).where(theirs).first()
        if job is None:
            raise StaleButton("no such video of theirs")
        return job
