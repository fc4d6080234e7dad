"""Telegram's HTML parse mode, with its refusals: unknown tags, unclosed tags, stray end tags, bad attributes.

Byte offsets in the refusals count UTF-8 bytes of the source, as Telegram's do.
"""

import re
from dataclasses import dataclass
from typing import Any

from sandbox.telegram.errors import ApiError, bad_request

Entity = dict[str, Any]

_TYPES = {
    **dict.fromkeys(("b", "strong"), "bold"),
    **dict.fromkeys(("i", "em"), "italic"),
    **dict.fromkeys(("u", "ins"), "underline"),
    **dict.fromkeys(("s", "strike", "del"), "strikethrough"),
    **dict.fromkeys(("span", "tg-spoiler"), "spoiler"),
    "code": "code",
    "pre": "pre",
    "a": "text_link",
    "tg-emoji": "custom_emoji",
    "blockquote": "blockquote",
}
_NAMED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}
_REFERENCE = re.compile(r"&(?:#x([0-9a-fA-F]*)|#([0-9]*)|([a-zA-Z]*));?")
_PLAIN = re.compile(r"[^&<]+")
_SPACES = re.compile(r"[ \t\r\n\v]*")
_TAG_NAME = re.compile(r"[^ \t\r\n\v>]*")
_ATTRIBUTE_NAME = re.compile(r"[^ \t\r\n\v=>/\"']*")
_TOKEN = re.compile(r"[A-Za-z0-9.-]*")
_USER_LINK = re.compile(r"tg://user\?id=(\d+)", re.IGNORECASE)
_LINK = re.compile(r"(?:(?:https?|tg|ton|tonsite)://|mailto:|tel:)\S+|[^\s:/]+\.[^\s/]{2,}(?:/\S*)?", re.IGNORECASE)
_LONGEST_REFERENCE = 10
_LANGUAGE = "_language"  # kept on an entity until it is known whether it is code inside pre


@dataclass
class _OpenTag:
    name: str
    argument: str
    offset: int
    begin: int


def parse_html(source: str) -> tuple[str, list[Entity]]:
    """The text without tags and its entities in UTF-16 units. Raises ApiError 400 "can't parse entities: …"."""
    return _Parser(source).parse()


def _reference(source: str, position: int) -> tuple[str, int]:
    """The character that the reference at `position` means and where it ends; ("", position) when it is plain text."""
    match = _REFERENCE.match(source, position)
    if match is None:
        return "", position
    hexadecimal, decimal, name = match.groups()
    if name is not None:
        return (_NAMED[name], match.end()) if name in _NAMED else ("", position)
    digits = hexadecimal or decimal or "0"
    code = int(digits, 16 if hexadecimal else 10) if len(digits) < _LONGEST_REFERENCE else 0
    too_long = len(match.group().rstrip(";")) >= _LONGEST_REFERENCE
    return ("", position) if too_long or not 0 < code < 0x10FFFF else (chr(code), match.end())


class _Parser:
    """One pass over the source, keeping the tags that are open."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._at = 0
        self._text: list[str] = []
        self._units = 0
        self._open: list[_OpenTag] = []
        self._entities: list[Entity] = []

    def parse(self) -> tuple[str, list[Entity]]:
        while self._at < len(self._source):
            if self._source[self._at] == "<":
                self._tag()
            else:
                self._characters()
        if self._open:
            raise self._refusal(f'Can\'t find end tag corresponding to start tag "{self._open[-1].name}"')
        for entity in self._entities:
            entity.pop(_LANGUAGE, None)
        self._entities.sort(key=lambda entity: (entity["offset"], -entity["length"]))
        return self._whole_text(), self._entities

    def _whole_text(self) -> str:
        try:
            # References may spell a character as two surrogate halves.
            return "".join(self._text).encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeError:
            raise self._refusal(
                "Text contains invalid Unicode characters after decoding HTML entities, check for unmatched surrogate"
                " code units"
            ) from None

    def _refusal(self, why: str) -> ApiError:
        return bad_request(f"can't parse entities: {why}")

    def _refusal_at(self, why: str, position: int) -> ApiError:
        return self._refusal(f"{why} at byte offset {len(self._source[:position].encode())}")

    def _emit(self, text: str) -> None:
        self._text.append(text)
        self._units += len(text) + sum(char > "\uffff" for char in text)

    def _characters(self) -> None:
        plain = _PLAIN.match(self._source, self._at)
        if plain:
            self._at = plain.end()
            self._emit(plain.group())
            return
        char, end = _reference(self._source, self._at)
        self._emit(char or "&")
        self._at = end if char else self._at + 1

    def _skip(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._source, self._at)
        found = match.group() if match else ""
        self._at += len(found)
        return found

    def _next(self) -> str:
        """The character at the current place; empty at the end of the source."""
        return self._source[self._at : self._at + 1]

    def _tag(self) -> None:
        begin = self._at
        self._at += 1
        if self._next() == "/":
            self._end_tag(begin)
        else:
            self._start_tag(begin)

    def _start_tag(self, begin: int) -> None:
        name = self._skip(_TAG_NAME).lower()
        # An unfinished tag is told before an unknown one: "<3" is unclosed, "<3 >" is unsupported.
        if not self._next():
            raise self._refusal_at("Unclosed start tag", begin)
        if name not in _TYPES:
            raise self._refusal_at(f'Unsupported start tag "{name}"', begin)
        argument = self._attributes(name, begin)
        if name == "span" and argument != "spoiler":
            raise self._refusal_at('Tag "span" must have class "tg-spoiler"', begin)
        self._open.append(_OpenTag(name, argument, self._units, len(self._text)))

    def _attributes(self, tag: str, begin: int) -> str:
        argument = ""
        while True:
            self._skip(_SPACES)
            if self._next() == ">":
                self._at += 1
                return argument
            name = self._skip(_ATTRIBUTE_NAME)
            if not name:
                raise self._refusal_at(f'Empty attribute name in the tag "{tag}"', begin)
            argument = _argument(tag, name, self._attribute_value(tag, begin)) or argument

    def _attribute_value(self, tag: str, begin: int) -> str | None:
        self._skip(_SPACES)
        has_value = self._next() == "="
        if has_value:
            self._at += 1
            self._skip(_SPACES)
        if not self._next():
            raise self._refusal_at(f'Unclosed start tag "{tag}"', begin)
        if not has_value:
            return None
        value = self._quoted() if self._next() in "\"'" else self._token()
        if not self._next():
            raise self._refusal_at("Unclosed start tag", begin)
        return value

    def _token(self) -> str:
        begin = self._at
        token = self._skip(_TOKEN)
        if self._next() not in (" ", "\t", "\r", "\n", "\v", ">", ""):
            raise self._refusal_at("Unexpected end of name token", begin)
        return token.lower()

    def _quoted(self) -> str:
        quote, value = self._next(), ""
        self._at += 1
        while self._next() not in (quote, ""):
            char, end = _reference(self._source, self._at)
            value += char or self._next()
            self._at = end if char else self._at + 1
        self._at += bool(self._next())
        return value

    def _end_tag(self, begin: int) -> None:
        # Telegram complains of a stray end tag before it has read the tag's name.
        if not self._open:
            raise self._refusal_at("Unexpected end tag", begin)
        self._at += 1
        name = self._skip(_TAG_NAME).lower()
        self._skip(_SPACES)
        if self._next() != ">":
            raise self._refusal_at("Unclosed end tag", begin)
        self._at += 1
        tag = self._open.pop()
        if name and name != tag.name:
            offset = len(self._source[:begin].encode())
            tags = f'expected "</{tag.name}>", found "</{name}>"'
            raise self._refusal(f"Unmatched end tag at byte offset {offset}, {tags}")
        # An empty tag leaves no entity.
        if self._units > tag.offset:
            self._close(tag)

    def _close(self, tag: _OpenTag) -> None:
        entity: Entity = {"offset": tag.offset, "length": self._units - tag.offset, "type": _TYPES[tag.name]}
        if tag.name == "a":
            entity = self._link(entity, tag.argument or "".join(self._text[tag.begin :]))
        elif tag.name == "tg-emoji":
            if not tag.argument.isdigit():
                raise self._refusal("Invalid custom emoji identifier specified")
            entity["custom_emoji_id"] = tag.argument
        elif tag.name == "blockquote" and tag.argument:
            entity["type"] = "expandable_blockquote"
        elif tag.name in ("code", "pre"):
            return self._close_code(tag, entity)
        if entity:
            self._entities.append(entity)
        return None

    def _link(self, entity: Entity, url: str) -> Entity:
        """A mention of a user, a link, or nothing: Telegram drops what isn't a link without a word."""
        user = _USER_LINK.fullmatch(url)
        if user:
            return {**entity, "type": "text_mention", "user": {"id": int(user.group(1))}}
        return {**entity, "url": url} if _LINK.fullmatch(url) else {}

    def _close_code(self, tag: _OpenTag, entity: Entity) -> None:
        """A language is known only from `<pre><code class="language-…">` around the very same text, in either order."""
        last = self._entities[-1] if self._entities else {}
        same_place = (last.get("offset"), last.get("length")) == (entity["offset"], entity["length"])
        if tag.name == "code":
            entity[_LANGUAGE] = tag.argument
        if same_place and {last["type"], entity["type"]} == {"code", "pre"}:
            language = last.pop(_LANGUAGE, "") or entity.get(_LANGUAGE, "")
            last.update(type="pre", **({"language": language} if language else {}))
        else:
            self._entities.append(entity)


def _argument(tag: str, name: str, value: str | None) -> str:
    """What an attribute means for its tag; attributes that mean nothing are skipped, as Telegram does."""
    if tag == "blockquote" and name == "expandable":
        return "1"
    if value is None:
        return ""
    if (tag, name) in (("a", "href"), ("tg-emoji", "emoji-id")):
        return value
    if (tag, name) == ("code", "class") and value.startswith("language-"):
        return value.removeprefix("language-")
    if (tag, name) == ("span", "class") and value.startswith("tg-"):
        return value.removeprefix("tg-")
    return ""
