"""Every sentence a person can read, by key and language. Russian is the default, English is complete.

`say` is the only way to a text: it escapes what it is given, so HTML comes from the .ftl files and from nowhere else.
"""

import html
import re
import unicodedata
from collections.abc import Callable
from functools import cache
from pathlib import Path

from fluent.runtime import FluentBundle, FluentResource

LANGUAGES = ("ru", "en")

# Functions of the .ftl files: a number with its word in the right form. CREDITS($n) is the message `credits` with $n.
UNITS = ("credits", "returned", "characters", "videos", "minutes")

NBSP = "\u00a0"
# Marks that reorder the text around them; letters of right-to-left scripts need none of them.
_BIDI_MARKS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_JOINERS = "\u200d\ufe0e\ufe0f"


class Html(str):
    """Text that is HTML already: `say` doesn't escape it again."""

    __slots__ = ()


def say(key: str, language: str, **values: str | int) -> Html:
    """The text of `key` with `values` put in, strings escaped. Raises LookupError: no such key, or a value missing."""
    bundle = _bundle(language if language in LANGUAGES else LANGUAGES[0])
    if not bundle.has_message(key):
        raise LookupError(f"no text {key}")
    safe = {name: _safe(value) for name, value in values.items()}
    text, errors = bundle.format_pattern(bundle.get_message(key).value, safe)
    if errors:
        raise LookupError(f"text {key}: {errors[0]}")
    # A label is one line: no-break spaces would do nothing there but keep people and tests from finding it.
    return Html(text.replace(NBSP, " ") if key.startswith("button-") else text)


def _safe(value: str | int) -> str | int:
    return value if isinstance(value, int | Html) else html.escape(value, quote=False)


def source(language: str) -> str:
    """The language's .ftl file; its dashes never begin a line."""
    text = (Path(__file__).parent / f"{language}.ftl").read_text(encoding="utf-8")
    return text.replace(" — ", f"{NBSP}— ")


@cache
def _bundle(language: str) -> FluentBundle:
    functions = {unit.upper(): _counted(unit, language) for unit in UNITS}
    # No isolation marks around values: they are invisible, count towards Telegram's limits and get copied along.
    bundle = FluentBundle([language], functions=functions, use_isolating=False)
    bundle.add_resource(FluentResource(source(language)))
    return bundle


def _counted(unit: str, language: str) -> Callable[[int], str]:
    return lambda n: say(unit, language, n=int(n))


def clean(text: str | None) -> str:
    """What a person typed, fit to be kept: no control characters, half surrogates, or marks that turn text around.

    Empty when nothing of it would show.
    """
    kept = printable(_BIDI_MARKS.sub("", (text or "").replace("\r\n", "\n").replace("\t", " ")))
    visible = any(unicodedata.category(char)[0] in "LNPS" for char in kept)
    return re.sub(r"\n{3,}", "\n\n", re.sub(r" {2,}", " ", kept)).strip() if visible else ""


def printable(text: str) -> str:
    """The text without control characters and half surrogates; line breaks stay."""
    return "".join(char for char in text if char == "\n" or unicodedata.category(char) not in ("Cc", "Cs"))


def units(text: str) -> int:
    """The length Telegram counts: UTF-16 code units, so that an emoji is two."""
    return len(text.encode("utf-16-le", errors="surrogatepass")) // 2


def cut(text: str, limit: int) -> str:
    """At most `limit` UTF-16 units of plain text, with an ellipsis where it was cut, never half an emoji."""
    if units(text) <= limit:
        return text
    kept, room = [], limit - 1
    for char in text:
        room -= units(char)
        if room < 0:
            break
        kept.append(char)
    return "".join(kept).rstrip().rstrip(_JOINERS) + "…"


def title(description: str, limit: int = 40) -> str:
    """A product's short name for cards and buttons: the first line of its description, cut between words if it can be."""
    line = description.strip().split("\n", 1)[0]
    short = cut(line, limit)
    words = short.rpartition(" ")[0].rstrip(" ,.;:—-")
    return short if short == line or units(words) < limit / 2 else f"{words}…"
