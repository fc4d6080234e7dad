"""/broadcast: a text for everybody is shown as it will look, tried on oneself, and only then sent."""

import re
from copy import copy

from telebot.apihelper import ApiTelegramException
from telebot.formatting import apply_html_entities
from telebot.types import CallbackQuery, Message

from handlers.talk import Talk, pressed_message
from neurocards import broadcasts
from neurocards.broadcasts import Progress
from neurocards.buttons import Press, Rows, data
from neurocards.cards import Screen, lasted
from neurocards.errors import DeedRefused
from neurocards.texts import clean, printable, say


def compose(talk: Talk, message: Message) -> None:
    """/broadcast TEXT, or in reply to a message: keeps the text as a draft and shows it as everybody would see it."""
    text = _text(message)
    if not text:
        talk.tell("op-usage-broadcast")
        return
    try:
        talk.show(Screen(text))
    except ApiTelegramException as error:
        if error.error_code != 400:
            raise
        talk.tell("op-cast-unfit")
        return
    talk.show(_panel(broadcasts.draft(talk.user_id, text), talk.language))


def _text(message: Message) -> str:
    """What follows the command, else what was replied to; with its formatting, as HTML. Empty when nothing of it would show."""
    text = message.text or ""
    command = re.match(r"\S+\s*", text)
    typed, quoted = _html(message, command.end() if command else 0), message.reply_to_message
    if clean(typed) or quoted is None or quoted.content_type != "text":
        return typed if clean(typed) else ""
    return _html(quoted)


def _html(message: Message, start: int = 0) -> str:
    """The text from `start` on; formatting that begins before it is cut, too. Up to `start` all is ASCII, as in Telegram's counting."""
    entities = []
    # A date that apps show in their own way stays the text it is: the library can't write it.
    for entity in (copy(entity) for entity in message.entities or [] if entity.type != "date_time"):
        begin, end = max(entity.offset, start), entity.offset + entity.length
        entity.offset, entity.length = begin - start, end - begin
        # The library writes an address into its attribute as it is.
        entity.url = entity.url.replace('"', "%22") if entity.url else None
        if entity.length > 0:
            entities.append(entity)
    return printable(apply_html_entities((message.text or "")[start:], entities, None)).strip()


def pressed(talk: Talk, call: CallbackQuery, press: Press) -> None:
    """A button under a draft or a running broadcast. What comes too late is said, and how things stand is shown in its place: the
    press may have been heard before, its answer lost, and whoever sees a draft could not stop what is running."""
    try:
        {"test": _test, "start": _start, "drop": _drop, "stop": _stop, "look": _look}[press.last](talk, call, press.id)
    except DeedRefused as error:
        if error.reason not in ("cast_started", "cast_over"):
            raise
        talk.answer(call, f"toast-refused-{error.reason}", alert=True)
        talk.show(_panel(broadcasts.progress(press.id), talk.language), instead_of=pressed_message(call))


def _test(talk: Talk, call: CallbackQuery, broadcast_id: int) -> None:
    now = broadcasts.progress(broadcast_id)
    if now.state != "draft":
        raise DeedRefused("cast_started")
    talk.answer(call, "toast-done")
    talk.show(Screen(now.text))


def _start(talk: Talk, call: CallbackQuery, broadcast_id: int) -> None:
    broadcasts.start(talk.user_id, broadcast_id)
    _look(talk, call, broadcast_id)


def _drop(talk: Talk, call: CallbackQuery, broadcast_id: int) -> None:
    broadcasts.drop(talk.user_id, broadcast_id)
    talk.answer(call)
    talk.tell("op-cast-dropped", instead_of=pressed_message(call))


def _stop(talk: Talk, call: CallbackQuery, broadcast_id: int) -> None:
    broadcasts.stop(talk.user_id, broadcast_id)
    _look(talk, call, broadcast_id)


def _look(talk: Talk, call: CallbackQuery, broadcast_id: int) -> None:
    screen = _panel(broadcasts.progress(broadcast_id), talk.language)
    talk.answer(call)
    talk.show(screen, instead_of=pressed_message(call))


def _panel(now: Progress, language: str) -> Screen:
    if now.state == "draft":
        return Screen(say("op-cast-draft", language, cast=str(now.id), people=now.people), _draft_rows(now, language))
    counts = {"people": now.people, "sent": now.sent, "blocked": now.blocked, "failed": now.failed}
    text = say(f"op-cast-{now.state}", language, cast=str(now.id), time=lasted(now.seconds), **counts)
    if now.state != "running":
        return Screen(text)
    look = say("op-button-refresh", language), data("op-cast", now.id, "look")
    return Screen(text, [[look], [(say("op-button-cast-stop", language), data("op-cast", now.id, "stop"))]])


def _draft_rows(now: Progress, language: str) -> Rows:
    start = say("op-button-cast-start", language, people=now.people), data("op-cast", now.id, "start")
    test = say("op-button-cast-test", language), data("op-cast", now.id, "test")
    drop = say("op-button-cast-drop", language), data("op-cast", now.id, "drop")
    return [[test], [start], [drop]]
