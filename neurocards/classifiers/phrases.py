"""Rules over the words of an error. A rule is a family of phrases with one meaning; the first that matches decides."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from neurocards.errors import Failure

MAX_TEXT = 500

_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_QUOTES = str.maketrans("’‘`´ʼ", "'''''")
_GAPS = re.compile(r"[\s_/\-–—]+")


@dataclass(frozen=True)
class Rule:
    """Texts that match `pattern` mean `category` and `subtype`; `name` is the reason given."""

    name: str
    category: str
    subtype: str
    pattern: re.Pattern[str]

    def failure(self) -> Failure:
        """The rule's verdict."""
        return Failure(self.category, self.name, self.subtype)


def rule(name: str, category: str, subtype: str, *phrases: str) -> Rule:
    """A rule from regular expressions over normalised text, any one of which is enough."""
    return Rule(name, category, subtype, re.compile("|".join(f"(?:{phrase})" for phrase in phrases)))


def normalise(text: str) -> str:
    """The text as rules see it: small letters, plain apostrophes, a space for `_`, `-`, `/` and inside camelCase."""
    words = _CAMEL.sub(" ", unicodedata.normalize("NFKC", text[:MAX_TEXT].translate(_QUOTES)))
    return _GAPS.sub(" ", words.casefold()).strip(" .~!")


def first_match(rules: Sequence[Rule], text: str) -> Rule | None:
    """The first rule whose phrases occur in the text."""
    words = normalise(text)
    return next((rule for rule in rules if rule.pattern.search(words)), None) if words else None
