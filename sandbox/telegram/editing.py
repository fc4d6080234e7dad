"""Bot API methods that change or remove what is in a chat, and the answer to a button press."""

from dataclasses import replace
from typing import Any

from sandbox.telegram.call import Call
from sandbox.telegram.errors import bad_request
from sandbox.telegram.fault_kinds import REFUSALS
from sandbox.telegram.keyboard import reply_markup
from sandbox.telegram.limits import DELETE_WINDOW_SECONDS, MAX_ALERT_UNITS
from sandbox.telegram.sending import item_media
from sandbox.telegram.state import Chat, Message
from sandbox.telegram.text import caption, message_text, units

Json = dict[str, Any]


def _own_message(call: Call) -> tuple[Chat, Message]:
    """The bot's message this call edits. Raises ApiError 400 when it is gone or not the bot's."""
    if not call.params.text("chat_id") and not call.params.text("message_id"):
        raise bad_request("message identifier is not specified")
    chat = call.chat()
    message = chat.messages.get(call.params.number("message_id"))
    if message is None:
        raise bad_request("message to edit not found")
    if not message.from_bot:
        raise bad_request("message can't be edited")
    return chat, message


def _edit(call: Call, chat: Chat, message: Message, **changes: Any) -> Json:
    """Put the changed message in place; without `reply_markup` in the call the buttons go, as on Telegram."""
    call.pace(chat)
    with call.telegram.lock:
        changed = replace(message, **changes, edit_date=int(call.telegram.now()))
        # The date of the edit differs every time and doesn't count.
        if changed.content() == message.content():
            raise REFUSALS["not_modified"]({})
        chat.messages[message.id] = changed
        call.event(chat, "edit", message=changed.view())
    return call.shown(chat, changed)


def _buttons(call: Call) -> Json | None:
    return reply_markup(call.params.text("reply_markup"), only_inline=True)


def edit_message_text(call: Call) -> Json:
    """editMessageText."""
    params = call.params
    text = message_text(params.text("text"), params.text("parse_mode"), params.text("entities"))
    markup = _buttons(call)
    chat, message = _own_message(call)
    if message.media:
        raise bad_request("there is no text in the message to edit")
    return _edit(call, chat, message, text=text, markup=markup)


def edit_message_caption(call: Call) -> Json:
    """editMessageCaption."""
    params = call.params
    text = caption(params.text("caption"), params.text("parse_mode"), params.text("caption_entities"))
    markup = _buttons(call)
    chat, message = _own_message(call)
    if not message.media:
        raise bad_request("there is no caption in the message to edit")
    return _edit(call, chat, message, text=text, markup=markup)


def edit_message_reply_markup(call: Call) -> Json:
    """editMessageReplyMarkup."""
    # Read before the message is looked up: a bad keyboard is refused even when the message is gone.
    markup = _buttons(call)
    chat, message = _own_message(call)
    return _edit(call, chat, message, markup=markup)


def edit_message_media(call: Call) -> Json:
    """editMessageMedia: replaces the file and the caption together."""
    call.params.required("media")
    markup = _buttons(call)
    chat, message = _own_message(call)
    _, text, media = item_media(call, call.params.parsed("media", "input media"))
    return _edit(call, chat, message, text=text, media=media, markup=markup)


def delete_message(call: Call) -> bool:
    """deleteMessage: any message of a private chat, up to 48 hours old."""
    if not call.params.text("chat_id"):
        raise bad_request("chat identifier is not specified")
    if not call.params.text("message_id"):
        raise bad_request("message identifier is not specified")
    chat = call.chat()
    with call.telegram.lock:
        message = chat.messages.get(call.params.number("message_id"))
        if message is None:
            raise bad_request("message to delete not found")
        if message.date < call.telegram.now() - DELETE_WINDOW_SECONDS:
            raise bad_request("message can't be deleted for everyone")
        del chat.messages[message.id]
        call.event(chat, "delete", message_id=message.id)
    return True


def answer_callback_query(call: Call) -> bool:
    """answerCallbackQuery: in time, or not at all; answering twice is fine."""
    callback_id, text = call.params.text("callback_query_id"), call.params.text("text")
    if units(text) > MAX_ALERT_UNITS:
        raise bad_request("MESSAGE_TOO_LONG")
    callback = call.bot.callbacks.get(callback_id)
    limit = call.telegram.settings.callback_answer_seconds
    if callback is None or call.received > callback.at + limit:
        raise REFUSALS["query_too_old"]({})
    alert = call.params.flag("show_alert")
    call.telegram.events.add(
        callback.chat_id,
        "callback_answer",
        call.received,
        callback_id=callback_id,
        message_id=callback.message_id,
        text=text,
        alert=alert,
    )
    return True
