"""Reply markup: what Telegram accepts as an inline keyboard or a reply keyboard, and what it makes of it."""

import json
import re
from collections.abc import Callable
from typing import Any

from sandbox.telegram.errors import bad_request
from sandbox.telegram.limits import MAX_CALLBACK_DATA_BYTES, MAX_COPY_TEXT_UNITS
from sandbox.telegram.text import units

Markup = dict[str, Any]

_MAX_ROW = 12
_MAX_BUTTONS = 300
_MAX_MARKUP_BYTES = 10_240  # unpublished; Telegram has such a limit
# A host needs a dot: Telegram refuses http://localhost, but takes http://127.0.0.1.
_LINK = re.compile(r"(?:https?://)?[^\s/:]+\.[^\s/:]+(?::\d+)?(?:[/?#]\S*)?|(?:tg|ton|tonsite)://\S+", re.IGNORECASE)
_PASSED_ON = ("pay", "switch_inline_query", "switch_inline_query_current_chat", "web_app", "login_url", "disabled")


def reply_markup(raw: str, *, only_inline: bool = False) -> Markup | None:
    """Check the `reply_markup` of a call and return it as Telegram would store it; None when there is nothing to show.

    `only_inline` is for edits. Raises ApiError 400 for anything Telegram refuses.
    """
    if not raw:
        return None
    try:
        given = json.loads(raw)
    except ValueError:
        raise bad_request("can't parse reply keyboard markup JSON object") from None
    if not isinstance(given, dict):
        raise bad_request("object expected as reply markup")
    markup = _keyboard(given) or _inline_keyboard(given) or _other(given)
    if markup and only_inline and "inline_keyboard" not in markup:
        raise bad_request("inline keyboard expected")
    # The last check, because Telegram's servers make it after its library has made the others.
    if len(raw.encode()) > _MAX_MARKUP_BYTES:
        raise bad_request("reply markup is too long")
    return markup


def _other(given: Markup) -> Markup | None:
    if given.get("remove_keyboard"):
        return {"remove_keyboard": True}
    return {"force_reply": True} if given.get("force_reply") else None


def _rows(given: Markup, key: str, owner: str, parse: Callable[[Any], Markup]) -> list[list[Markup]]:
    """The parsed rows; buttons without text, rows without buttons and everything past the limits disappear silently."""
    rows: list[list[Markup]] = []
    left = _MAX_BUTTONS
    for row in _array(given.get(key, []), f'Field "{key}" must be of type Array'):
        buttons = [parse(button) for button in _array(row, f'Field "{key}"{owner} must be an Array of Arrays')]
        shown = [button for button in buttons if button["text"]][: min(_MAX_ROW, left)]
        left -= len(shown)
        if shown:
            rows.append(shown)
    return rows


def _array(value: Any, otherwise: str) -> list[Any]:
    if not isinstance(value, list):
        raise bad_request(otherwise)
    return value


def _keyboard(given: Markup) -> Markup | None:
    rows = _rows(given, "keyboard", "", _keyboard_button)
    return {**given, "keyboard": rows} if rows else None


def _keyboard_button(button: Any) -> Markup:
    if isinstance(button, str):
        return {"text": button}
    text = _text(button, "keyboard button")
    return {**button, "text": text}


def _inline_keyboard(given: Markup) -> Markup | None:
    rows = _rows(given, "inline_keyboard", " of the InlineKeyboardMarkup", _inline_button)
    return {"inline_keyboard": rows} if rows else None


def _text(button: Any, what: str) -> str:
    if not isinstance(button, dict):
        raise bad_request(f"can't parse {what}: expected an Object")
    text = button.get("text")
    if text is None:
        raise bad_request(f"can't parse {what}: Can't find field \"text\"")
    if not isinstance(text, str):
        raise bad_request(f'can\'t parse {what}: Field "text" must be of type String')
    return text


def _inline_button(button: Any) -> Markup:
    checked = {"text": _text(button, "inline keyboard button")}
    if button.get("style") is not None:
        checked["style"] = _style(button["style"])
    for key, check in _ACTIONS.items():
        if button.get(key) is not None:
            return {**checked, key: check(button[key])}
    raise bad_request("can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard")


def _style(style: Any) -> str:
    if style not in ("danger", "success", "primary"):
        raise bad_request("can't parse inline keyboard button: invalid button style specified")
    return str(style)


def _callback_data(data: Any) -> str:
    if not isinstance(data, str):
        raise bad_request('can\'t parse inline keyboard button: Field "callback_data" must be of type String')
    # Bytes, not letters: a Cyrillic letter counts 2.
    if not 1 <= len(data.encode()) <= MAX_CALLBACK_DATA_BYTES:
        raise bad_request("BUTTON_DATA_INVALID")
    return data


def _url(url: Any) -> str:
    if not isinstance(url, str) or not url:
        raise bad_request("BUTTON_URL_INVALID")
    if not _LINK.fullmatch(url):
        raise bad_request(f"inline keyboard button URL '{url}' is invalid: Wrong HTTP URL")
    return url if "://" in url else f"http://{url}"


def _copy_text(value: Any) -> Markup:
    text = value.get("text") if isinstance(value, dict) else None
    if not isinstance(text, str) or not 1 <= units(text) <= MAX_COPY_TEXT_UNITS:
        raise bad_request("BUTTON_COPY_TEXT_INVALID")
    return {"text": text}


def _as_given(value: Any) -> Any:
    return value


# The first of these fields that a button has decides what it does, in Telegram's own order.
_ACTIONS: dict[str, Callable[[Any], Any]] = {
    "url": _url,
    "callback_data": _callback_data,
    "copy_text": _copy_text,
    **dict.fromkeys(_PASSED_ON, _as_given),
}
