"""From the summary to the running order: launch, cancel, once more."""

from telebot.types import CallbackQuery, Message

from handlers.keyboards import cancel_rows
from handlers.questions import not_enough
from handlers.states import Draft, Step, reachable
from handlers.talk import Talk, pressed_message
from neurocards import cards, drafts, forecast, orders
from neurocards.buttons import Press
from neurocards.cards import Screen
from neurocards.db import db
from neurocards.errors import AlreadyOrdered, NotEnoughCredits, OrdersClosed, StaleButton, TooManyOpen

# Where a repeated order is opened; «Ещё вариант» goes straight to its summary.
OPENED_AT = {"again": Step.CONFIRM, "wishes": Step.WISHES, "restyle": Step.TEMPLATE, "rephoto": Step.PHOTO}


def run(talk: Talk, call: CallbackQuery, press: Press) -> None:
    """Launches what the summary showed; its message becomes the order's card."""
    try:
        order = orders.place(talk.user_id, talk.chat_id, press.id, int(press.last), _card_message(call))
    except AlreadyOrdered as already:
        talk.answer(call, "toast-running")
        orders.show_again(already.order_id)
    except NotEnoughCredits as short:
        talk.answer(call, "toast-not-enough", price=short.price, balance=short.balance)
        screen = not_enough(press, short, talk.language, talk.context.settings.support_contact)
        talk.show(screen, instead_of=pressed_message(call))
    except TooManyOpen as much:
        talk.answer(call, "toast-too-many", alert=True, count=much.count, most=much.most)
    except OrdersClosed:
        talk.answer(call, "toast-closed", alert=True)
    except StaleButton:
        _show_anew(talk, call, press.id)
    else:
        talk.answer(call, "toast-started")
        if order.card_message_id is not None:
            _draw(talk, order.id, order.card_message_id)


def _card_message(call: CallbackQuery) -> int | None:
    """The message that can be the card. One too old to be edited has the date 0: a worker sends the card anew."""
    return call.message.message_id if call.message and call.message.date else None


def _show_anew(talk: Talk, call: CallbackQuery, draft_id: int) -> None:
    draft = talk.draft()
    if draft is None or draft.id != draft_id:
        stale_draft(talk, call)
        return
    talk.answer(call, "toast-changed", alert=True)
    talk.ask(draft, instead_of=pressed_message(call))


def stale_draft(talk: Talk, call: CallbackQuery) -> None:
    """The button of a draft that is gone: says so, and takes the dead buttons away."""
    talk.answer(call, "toast-stale-draft", alert=True)
    if _carried(call):
        talk.strip(call.message.message_id)


def _carried(call: CallbackQuery) -> bool:
    """Whether the message really has this button: forged data must not cost a live question its buttons."""
    markup = call.message.reply_markup if isinstance(call.message, Message) else None
    return any(button.callback_data == call.data for row in (markup.keyboard if markup else []) for button in row)


def _draw(talk: Talk, order_id: int, message_id: int) -> None:
    """Shows the card at once; from here on the workers redraw it."""
    order, jobs = orders.find(talk.user_id, order_id)
    with db:
        left = forecast.remaining(jobs)
    card = cards.card(order, jobs, talk.language, left, orders.balance(talk.user_id))
    talk.show(card, instead_of=message_id)


# Cancelling -----------------------------------------------------------------------------------------------------------


def cancel(talk: Talk, call: CallbackQuery, press: Press) -> None:
    """Withdraws what still waits of an order, pressed on its card or in the list of /cancel."""
    try:
        count = orders.cancel(talk.user_id, press.id)
    except StaleButton:
        talk.answer(call, "toast-too-late", alert=True)
        return
    talk.answer(call, "toast-cancelled")
    order, _ = orders.find(talk.user_id, press.id)
    message_id = pressed_message(call)
    if message_id is not None and message_id == order.card_message_id:
        _draw(talk, order.id, message_id)
        return
    key = "order-cancelled" if count == order.count else "order-cancelled-partly"
    note = talk.say(key, order=str(order.id), count=count, balance=orders.balance(talk.user_id))
    _offer_to_cancel(talk, note, instead_of=message_id)


def cancel_all(talk: Talk, _message: Message) -> None:
    """/cancel: drops the draft, then offers the orders that are still queued."""
    draft = talk.draft()
    if draft is not None:
        drafts.clear(talk.chat_id, talk.user_id)
        talk.close(draft)
    _offer_to_cancel(talk, talk.say("dropped") if draft else "")


def _offer_to_cancel(talk: Talk, note: str, instead_of: int | None = None) -> None:
    active = [order.id for order in orders.active_orders(talk.user_id)]
    waiting = [order_id for order_id in active if _queued(talk, order_id)]
    parts = [note, talk.say("orders-in-queue") if waiting else ""]
    nothing = talk.say("nothing-to-cancel-running" if active else "nothing-to-cancel")
    text = "\n\n".join(filter(None, parts)) or nothing
    talk.show(Screen(text, cancel_rows(waiting, talk.language)), instead_of=instead_of)


def _queued(talk: Talk, order_id: int) -> bool:
    return any(job.status == "queued" for job in orders.find(talk.user_id, order_id)[1])


# Once more ------------------------------------------------------------------------------------------------------------


def repeat(talk: Talk, call: CallbackQuery, press: Press) -> None:
    """The same product again: as it was, or with other wishes, another template, another photo."""
    left = talk.draft()
    draft: Draft = orders.repeat(talk.user_id, talk.chat_id, press.id)
    step = reachable(draft.data, OPENED_AT[press.action])
    if step is not Step.CONFIRM:
        draft = talk.keep(draft, state=step)
    talk.answer(call)
    talk.ask(draft)
    talk.close(left)
