"""Bot API methods about the bot itself: who it is, its commands, descriptions and menu button."""

import re
from collections.abc import Callable
from typing import Any

from sandbox.telegram.call import Call, Method
from sandbox.telegram.errors import bad_request
from sandbox.telegram.params import leading_integer
from sandbox.telegram.text import units

Json = dict[str, Any]

# Latin only: a Cyrillic command can be typed, but not offered in the menu.
_COMMAND = re.compile(r"[a-z0-9_]{1,32}")
_MAX_COMMANDS = 100
_MAX_COMMAND_DESCRIPTION = 256
_SCOPE = re.compile("default|all_(private|group)_chats|all_chat_administrators|chat(_administrators|_member)?")
# setMyX stores a text under its name and language. The limits are documented; the words of the refusal, X_TOO_LONG, are a guess.
_TEXTS = {"name": 64, "description": 512, "short_description": 120}


def get_me(call: Call) -> Json:
    """getMe."""
    rights = ("can_join_groups", "can_read_all_group_messages", "supports_inline_queries", "has_main_web_app")
    return {**call.bot.json(), **dict.fromkeys(rights, False)}


def _scope(call: Call) -> tuple[str, str]:
    """The key under which commands are kept: scope and language. Raises ApiError 400 for an unknown scope or chat."""
    scope = call.params.parsed("scope", "BotCommandScope")
    if scope is None:
        return "default", call.params.text("language_code")
    kind = scope.get("type") if isinstance(scope, dict) else None
    if not isinstance(kind, str) or not _SCOPE.fullmatch(kind):
        raise bad_request("can't parse BotCommandScope: Unsupported type specified")
    if kind.startswith("chat"):
        chat_id = str(scope.get("chat_id", ""))
        if not chat_id:
            raise bad_request("can't parse BotCommandScope: Empty chat_id specified")
        if not _is_person(call, chat_id):
            raise bad_request("chat not found")
        kind = f"{kind}:{chat_id}"
    return kind, call.params.text("language_code")


def _is_person(call: Call, chat_id: str) -> bool:
    return leading_integer(chat_id) in call.telegram.people


def set_my_commands(call: Call) -> bool:
    """setMyCommands."""
    given = call.params.parsed("commands", "commands") or []
    if not isinstance(given, list):
        raise bad_request("expected an Array of BotCommand")
    if len(given) > _MAX_COMMANDS:
        raise bad_request("BOT_COMMANDS_TOO_MUCH")
    call.bot.commands[_scope(call)] = [_command(command) for command in given]
    return True


def _command(given: Any) -> Json:
    if not isinstance(given, dict) or not {"command", "description"} <= given.keys():
        raise bad_request("can't parse BotCommand: expected an Object")
    name, description = str(given["command"]).removeprefix("/"), str(given["description"]).strip()
    if not _COMMAND.fullmatch(name):
        raise bad_request("BOT_COMMAND_INVALID")
    if not 1 <= units(description) <= _MAX_COMMAND_DESCRIPTION:
        raise bad_request("BOT_COMMAND_DESCRIPTION_INVALID")
    return {"command": name, "description": description}


def get_my_commands(call: Call) -> list[Json]:
    """getMyCommands: exactly this scope and language, without falling back."""
    return call.bot.commands.get(_scope(call), [])


def delete_my_commands(call: Call) -> bool:
    """deleteMyCommands."""
    call.bot.commands.pop(_scope(call), None)
    return True


def setter(field: str) -> Method:
    """setMyName, setMyDescription or setMyShortDescription."""

    def set_text(call: Call) -> bool:
        text = call.params.text(field).strip()
        if units(text) > _TEXTS[field]:
            raise bad_request(f"{field.upper()}_TOO_LONG")
        call.bot.texts[field, call.params.text("language_code")] = text
        if field == "name" and text and not call.params.text("language_code"):
            call.bot.name = text
        return True

    return set_text


def getter(field: str) -> Callable[[Call], Json]:
    """The opposite of `setter`; falls back to the text without a language."""

    def get_text(call: Call) -> Json:
        texts = call.bot.texts
        language = call.params.text("language_code")
        default = call.bot.name if field == "name" else ""
        return {field: texts.get((field, language)) or texts.get((field, "")) or default}

    return get_text


def set_chat_menu_button(call: Call) -> bool:
    """setChatMenuButton, for everyone or for one chat."""
    button = call.params.parsed("menu_button", "menu button") or {"type": "default"}
    if not isinstance(button, dict) or button.get("type") not in ("default", "commands", "web_app"):
        raise bad_request("can't parse menu button: Unsupported type specified")
    chat_id = call.params.text("chat_id")
    if chat_id and not _is_person(call, chat_id):
        raise bad_request("invalid user_id specified")
    call.bot.menu_buttons[chat_id] = button
    return True


def get_chat_menu_button(call: Call) -> Json:
    """getChatMenuButton."""
    buttons = call.bot.menu_buttons
    return buttons.get(call.params.text("chat_id")) or buttons.get("") or {"type": "commands"}
