"""Formatted text: parse modes, entities, trimming and length, counted in UTF-16 code units as Telegram does."""

import json
import re
from dataclasses import dataclass, field, replace
from typing import Any

from sandbox.telegram.errors import bad_request
from sandbox.telegram.html_mode import parse_html
from sandbox.telegram.limits import MAX_CAPTION_UNITS, MAX_RAW_TEXT_BYTES, MAX_TEXT_UNITS
from sandbox.telegram.params import leading_integer

Entity = dict[str, Any]

_GIVEN_TYPE = re.compile(
    "bold|italic|underline|strikethrough|spoiler|code|pre|text_(link|mention)|custom_emoji|(expandable_)?blockquote"
)
_FOUND_TYPE = re.compile("mention|hashtag|cashtag|bot_command|url|email|phone_number|bank_card_number")
# What Telegram marks by itself, in the order in which one wins over another.
_FOUND = {
    "url": re.compile(r"(?:https?://|www\.)[^\s<>\"]+[^\s<>\".,:;!?)»]", re.IGNORECASE),
    "email": re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
    "bot_command": re.compile(r"(?<![\w/<>@])/[A-Za-z0-9_]{1,64}(?:@\w{3,32})?(?![\w/])"),
    "mention": re.compile(r"(?<![\w@])@[A-Za-z]\w{2,31}"),
    "hashtag": re.compile(r"(?<![\w#])#(?=\w*[^\W\d])\w{1,255}"),
}
# Inside these nothing is marked: code stays code, and a link already leads somewhere.
_OPAQUE = frozenset({"code", "pre", "text_link", "text_mention"})


def units(text: str) -> int:
    """The length of `text` in UTF-16 code units (an emoji outside the basic plane counts 2)."""
    return len(text) + sum(char > "\uffff" for char in text)


@dataclass(frozen=True)
class Formatted:
    """A text with its entities; offsets and lengths are in UTF-16 code units."""

    text: str = ""
    entities: list[Entity] = field(default_factory=list)

    def fields(self, text_key: str, entities_key: str) -> dict[str, Any]:
        """The part of a Message that carries this text; empty when there is none."""
        if not self.text:
            return {}
        return {text_key: self.text, **({entities_key: self.entities} if self.entities else {})}


def message_text(raw: str, parse_mode: str, entities: str) -> Formatted:
    """The body of a text message. Raises ApiError when it can't be parsed, is empty or over 4096 units."""
    if not raw:
        raise bad_request("message text is empty")
    formatted = _formatted(raw, parse_mode, entities)
    if not formatted.text:
        raise bad_request("text must be non-empty")
    if units(formatted.text) > MAX_TEXT_UNITS:
        raise bad_request("message is too long")
    return formatted


def caption(raw: str, parse_mode: str, entities: str) -> Formatted:
    """The caption of a media message, maybe empty. Raises ApiError when it can't be parsed or is over 1024 units."""
    formatted = _formatted(raw, parse_mode, entities)
    if units(formatted.text) > MAX_CAPTION_UNITS:
        raise bad_request("message caption is too long")
    return formatted


def plain(text: str) -> Formatted:
    """A text as a user types it: trimmed, with commands and links marked."""
    return _marked(_trimmed(Formatted(text)))


def _formatted(raw: str, parse_mode: str, entities: str) -> Formatted:
    if len(raw.encode("utf-8", "surrogatepass")) > MAX_RAW_TEXT_BYTES:
        raise bad_request("text is too long")
    mode = parse_mode.lower()
    if not mode or mode == "none":
        return _marked(_trimmed(Formatted(raw, _given_entities(entities))))
    if mode in ("markdown", "markdownv2"):
        raise bad_request(f"this sandbox parses HTML only, not {parse_mode}")
    if mode != "html":
        raise bad_request("unsupported parse_mode")
    return _marked(_trimmed(Formatted(*parse_html(raw))))


def _given_entities(raw: str) -> list[Entity]:
    try:
        given = json.loads(raw) if raw else []
    except ValueError:
        # Telegram too ignores a list it can't read.
        return []
    if not isinstance(given, list):
        return []
    return [entity for entity in map(_given_entity, given) if not _FOUND_TYPE.fullmatch(entity["type"])]


def _given_entity(entity: Any) -> Entity:
    if not isinstance(entity, dict):
        raise bad_request("can't parse MessageEntity: expected an Object")
    for key in ("offset", "length", "type"):
        if key not in entity:
            raise bad_request(f"can't parse MessageEntity: Can't find field \"{key}\"")
    kind = str(entity["type"])
    if not _GIVEN_TYPE.fullmatch(kind) and not _FOUND_TYPE.fullmatch(kind):
        raise bad_request("can't parse MessageEntity: Unsupported type specified")
    numbers = {key: leading_integer(str(entity[key])) for key in ("offset", "length")}
    return {**entity, **numbers, "type": kind}


def _trimmed(formatted: Formatted) -> Formatted:
    """Without white space at the end, and at the start up to the first entity; entities are cut to what is left."""
    text = formatted.text.rstrip()
    # A tag at the very start protects the space inside it, as on Telegram.
    first = min((entity["offset"] for entity in formatted.entities), default=units(text))
    head = len(text) - len(text.lstrip())
    head = min(head, first)
    text = text[head:]
    end = units(text)
    kept = []
    for entity in formatted.entities:
        offset = entity["offset"] - head
        length = min(entity["length"], end - offset)
        if offset >= 0 and length > 0:
            kept.append({**entity, "offset": offset, "length": length})
    return Formatted(text, kept)


def _marked(formatted: Formatted) -> Formatted:
    """With the links, commands, mentions and hashtags that Telegram finds by itself."""
    taken = [(e["offset"], e["offset"] + e["length"]) for e in formatted.entities if e["type"] in _OPAQUE]
    found = []
    for kind, pattern in _FOUND.items():
        for match in pattern.finditer(formatted.text):
            start = units(formatted.text[: match.start()])
            end = start + units(match.group())
            if all(end <= left or start >= right for left, right in taken):
                taken.append((start, end))
                found.append({"offset": start, "length": end - start, "type": kind})
    both = sorted([*formatted.entities, *found], key=lambda entity: (entity["offset"], -entity["length"]))
    return replace(formatted, entities=both)
