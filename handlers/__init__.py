"""What answers what: one ordered list of messages, one table of buttons; the catch-alls come last.

A handler reads the update, calls `neurocards.orders` or `neurocards.drafts`, which decide, and chooses the words.
"""

import logging
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from telebot import TeleBot
from telebot.apihelper import ApiTelegramException
from telebot.custom_filters import StateFilter
from telebot.types import BotCommand, BotCommandScopeChat, CallbackQuery, Message
from telebot.util import content_type_service

from handlers import history, operator, ordering, photos, start, unexpected, wizard
from handlers.states import Draft, Step
from handlers.storage import DraftStorage
from handlers.talk import Context, Talk
from neurocards import buttons, operators, orders
from neurocards.buttons import Press
from neurocards.errors import ProviderError, StaleButton
from neurocards.texts import say

__all__ = ["Context", "apologise", "commands", "register", "slow_down"]

log = logging.getLogger(__name__)

Handler = Callable[[Talk, Any], None]

COMMANDS: dict[str, Callable[[Talk, Message], None]] = {
    "start": start.start,
    "balance": history.balance,
    "history": history.history,
    "cancel": ordering.cancel_all,
    "help": start.show_help,
    "language": start.switch_language,
}


def _admin(talk: Talk, message: Message) -> None:
    operator.menu(talk, message)
    # Into their menu, too: when the bot started it may not have known their chat.
    talk.bot.set_my_commands(operators_commands(talk.language), scope=BotCommandScopeChat(talk.chat_id))


# For everybody but operators these are commands that there are not.
OPERATORS_COMMANDS: dict[str, Callable[[Talk, Message], None]] = {"admin": _admin, **operator.COMMANDS}

# First match answers.
MESSAGES: tuple[tuple[Callable[[Talk, Message], None], dict[str, Any]], ...] = (
    *((handler, {"commands": [command]}) for command, handler in COMMANDS.items()),
    (unexpected.unknown_command, {"content_types": ["text"], "regexp": r"\A/[a-z]"}),
    (photos.picture, {"content_types": ["photo", "live_photo", "document"]}),
    (wizard.typed, {"content_types": ["text"], "state": [Step.DESCRIPTION, Step.WISHES, Step.PROMPT]}),
    # what Telegram says itself, such as a pinned message, needs no answer
    (unexpected.anything, {"func": lambda message: message.content_type not in content_type_service}),
)

# Buttons of a draft are handed the draft they belong to, once it is sure that it is still the open one.
OF_DRAFT: dict[str, Callable[[Talk, CallbackQuery, Press, Draft], None]] = {
    "go": wizard.go,
    "template": wizard.template,
    "wish": wizard.wish,
    "skip": wizard.skip,
    "count": wizard.count,
    "replace": photos.replace,
    "drop": wizard.drop,
}
OTHERS: dict[str, Callable[[Talk, CallbackQuery, Press], None]] = {
    "run": ordering.run,
    "cancel": ordering.cancel,
    **dict.fromkeys(ordering.OPENED_AT, ordering.repeat),
    "video": history.video,
    "file": history.file,
    "older": history.older,
    "newest": history.newest,
    "new": start.begin_anew,
}


def register(bot: TeleBot, context: Context) -> None:
    """Makes an unthreaded bot hold the conversation: a handler's exception reaches whoever feeds the bot."""
    bot.current_states = DraftStorage()
    bot.add_custom_filter(StateFilter(bot))
    bot.register_message_handler(start.in_group, func=partial(_addressed_in_group, bot), pass_bot=True)
    for name, command in OPERATORS_COMMANDS.items():
        answer = partial(operator.refused, command=command)
        theirs = {"commands": [name], "func": partial(_is_operators, context)}
        bot.register_message_handler(_in_talk(answer, context), chat_types=["private"], pass_bot=True, **theirs)
    for handler, filters in MESSAGES:
        bot.register_message_handler(_in_talk(handler, context), chat_types=["private"], pass_bot=True, **filters)
    bot.register_edited_message_handler(_in_talk(unexpected.edited, context), chat_types=["private"], pass_bot=True)
    bot.register_callback_query_handler(_in_talk(pressed, context), func=None, pass_bot=True)
    bot.register_my_chat_member_handler(start.membership, pass_bot=True)


def _addressed_in_group(bot: TeleBot, message: Message) -> bool:
    """Whether a group's message is the bot's to answer: as an administrator there it is shown every word."""
    return message.chat.type in ("group", "supergroup") and start.addressed(message, bot, COMMANDS)


def _is_operators(context: Context, message: Message) -> bool:
    # What is passed on are another's words, and no order of the operator's.
    own = message.from_user is not None and message.forward_origin is None
    return own and message.from_user.id in context.settings.admins


def _in_talk(handler: Handler, context: Context) -> Callable[[Any, TeleBot], None]:
    return partial(_answer, handler, context)


def _answer(handler: Handler, context: Context, update: Message | CallbackQuery, bot: TeleBot) -> None:
    talk = Talk.begin(update, bot, context)
    try:
        if talk.barred:
            _turn_away(talk, update)
        else:
            handler(talk, update)
    except ApiTelegramException as error:
        if error.error_code != 403:
            raise
        # Blocked between asking and answering: there is nobody to tell and nothing to try again.
        orders.set_reachable(talk.user_id, False)


def _turn_away(talk: Talk, update: Message | CallbackQuery) -> None:
    """Whoever is kept out is told so once, and not heard otherwise."""
    operators.turn_away(talk.user_id)
    if isinstance(update, CallbackQuery):
        talk.answer(update)


def pressed(talk: Talk, call: CallbackQuery) -> None:
    """A button: read strictly, matched with its draft, answered. One out of date says so and changes nothing."""
    press = buttons.parse(call.data)
    if press is None or (press.action in operator.BUTTONS and not _from_operator(talk, call)):
        unexpected.unknown_button(talk, call)
    elif press.action in operator.BUTTONS:
        operator.pressed(talk, call, press)
    elif press.action in OF_DRAFT:
        _pressed_of_draft(talk, call, press)
    else:
        try:
            OTHERS[press.action](talk, call, press)
        except StaleButton:
            talk.answer(call, "toast-stale-order", alert=True)


def _from_operator(talk: Talk, call: CallbackQuery) -> bool:
    """Whether an operator presses it in their private chat: anybody can forge the data, and an operator may be one no more."""
    private = call.message is not None and call.message.chat.id == talk.user_id
    return private and talk.user_id in talk.context.settings.admins


def _pressed_of_draft(talk: Talk, call: CallbackQuery, press: Press) -> None:
    draft = talk.draft()
    if draft is None or draft.id != press.id:
        ordering.stale_draft(talk, call)
        return
    talk.answer(call)
    OF_DRAFT[press.action](talk, call, press, draft)


def commands(language: str) -> list[BotCommand]:
    """The menu of commands for setMyCommands."""
    return _menu(COMMANDS, language)


def operators_commands(language: str) -> list[BotCommand]:
    """The menu of an operator, who is a customer too."""
    return _menu((*OPERATORS_COMMANDS, *COMMANDS), language)


def _menu(names: Iterable[str], language: str) -> list[BotCommand]:
    return [BotCommand(name, say(f"command-{name}", language)) for name in names]


def apologise(bot: TeleBot, update: dict[str, Any]) -> None:
    """Says that an update could not be answered, and how to go on."""
    _say_of(bot, update, "sorry")


def slow_down(bot: TeleBot, update: dict[str, Any], silently: bool = False) -> None:
    """Says that this is too much at once, and that it will be heard again in a minute; `silently` ends a button's spinner only."""
    call = _inner(update, "callback_query")
    if call:
        text = None if silently else _in_their_language("slow-down", _inner(call, "from"))
        _softly("slow-down", lambda: bot.answer_callback_query(call.get("id"), text, show_alert=not silently))
    elif not silently:
        _say_of(bot, update, "slow-down")


def _say_of(bot: TeleBot, update: dict[str, Any], key: str) -> None:
    """Takes the update raw, since telebot may be what choked on it, and never raises: it must not cost the next update."""
    part = _inner(update, "message") or _inner(update, "callback_query")
    chat, person = _inner(_inner(part, "message") or part, "chat"), _inner(part, "from")
    if chat.get("type") == "private" and isinstance(chat.get("id"), int):
        # A private chat has the person's id.
        text = _in_their_language(key, {**person, "id": chat["id"]})
        _softly(key, lambda: bot.send_message(chat["id"], text))


def _in_their_language(key: str, person: dict[str, Any]) -> str:
    code = person.get("language_code")
    return say(key, orders.language_of(person["id"], code if isinstance(code, str) else None))


def _softly(key: str, call: Callable[[], object]) -> None:
    try:
        call()
    except (ApiTelegramException, ProviderError) as error:
        log.warning("%s was not delivered: %s", key, error)


def _inner(body: dict[str, Any], name: str) -> dict[str, Any]:
    value = body.get(name)
    return value if isinstance(value, dict) else {}
