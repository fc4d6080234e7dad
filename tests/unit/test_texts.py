"""Texts: both languages say the same, nothing a person types can break a message, numbers agree with their words."""

import ast
import html
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from fluent.syntax import FluentParser
from fluent.syntax import ast as ftl
from fluent.syntax.visitor import Visitor
from hypothesis import given
from hypothesis import strategies as st

from neurocards import texts

ROOT = Path(__file__).resolve().parents[2]
NASTY = '<b>&"\u05d0\u202e😀' + "я" * 20
# Texts reached by a key put together at run time, by the beginning of the key.
FAMILIES = ("ask-", "template-", "chip-", "button-template-", "button-change-", "photo-", "unexpected-", "edited-",
            "entry-", "stage-", "why-", "next-", "alert-", "command-",
            "notice-", "op-stage-", "op-advice-", "op-key-", "op-kind-", "op-usage-", "op-cast-", "op-job-waits-",
            "toast-refused-")  # fmt: skip

PLAIN = ("toast-", "button-", "command-", "chip-")


class _Variables(Visitor):
    def __init__(self) -> None:
        self.found: set[str] = set()

    def visit_VariableReference(self, node: ftl.VariableReference) -> None:  # noqa: N802  the library's name
        self.found.add(node.id.name)


def _variables(language: str) -> dict[str, set[str]]:
    resource = FluentParser().parse(texts.source(language))
    assert [entry for entry in resource.body if isinstance(entry, ftl.Junk)] == []
    messages = {}
    for entry in resource.body:
        if isinstance(entry, ftl.Message):
            assert entry.id.name not in messages, f"{entry.id.name} stands twice"
            visitor = _Variables()
            visitor.visit(entry)
            messages[entry.id.name] = visitor.found
    return messages


MESSAGES = _variables("ru")
# What stands for each variable: numbers as numbers, all else as badly as a person can type it.
NUMBERS = {"n", "credits", "balance", "price", "count", "left", "min", "max", "minutes", "done", "returned", "number"}


def _sample(key: str) -> dict[str, str | int]:
    return {name: 5 if name in NUMBERS else NASTY for name in MESSAGES[key]}


class _Tags(HTMLParser):
    """Fails on anything Telegram would refuse or that is not closed."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in ("b", "i", "code", "blockquote") and attrs == []
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def shown(text: str) -> str:
    """What a person sees of an HTML text; fails if its tags are not in order."""
    parser = _Tags()
    parser.feed(text)
    parser.close()
    assert parser.open == []
    return parser.text


def test_both_languages_have_the_same_texts_with_the_same_variables() -> None:
    # Given the Russian texts and their variables
    # When the English ones are read
    # Then they are the same, one for one
    assert _variables("en") == MESSAGES


@pytest.mark.parametrize("language", texts.LANGUAGES)
@pytest.mark.parametrize("key", sorted(MESSAGES))
def test_every_text_renders_safely_and_fits(key: str, language: str) -> None:
    # Given values as nasty as they come
    values = _sample(key)
    # When the text is rendered
    text = texts.say(key, language, **values)
    # Then its tags are in order, what was typed shows as typed, and nothing of Fluent is left over
    visible = shown(text)
    assert all(value in visible for value in values.values() if isinstance(value, str))
    assert "{" not in visible and "???" not in visible
    # And it fits where it goes, with room for what is put beside it
    key = key.removeprefix("op-") if key.startswith("op-button-") else key
    limit = {"toast": 200, "button": 100, "command": 100, "chip": 30}.get(key.split("-", maxsplit=1)[0], 1500)
    assert texts.units(visible) <= limit


@pytest.mark.parametrize("language", texts.LANGUAGES)
@pytest.mark.parametrize(
    "key", [key for key in sorted(MESSAGES) if key.split("-")[0] in ("toast", "button", "command", "chip")]
)
def test_plain_texts_carry_no_markup(key: str, language: str) -> None:
    # Given a text that Telegram shows as it is
    # When it is rendered with harmless values
    text = texts.say(key, language, **{name: 5 if name in NUMBERS else "x" for name in MESSAGES[key]})
    # Then there is nothing in it to be parsed
    assert html.escape(text, quote=False) == text


@pytest.mark.parametrize(
    ("n", "credits", "returned", "characters"),
    [
        (0, "кредитов", "вернулось", "символов"),
        (1, "кредит", "вернулся", "символ"),
        (2, "кредита", "вернулись", "символа"),
        (5, "кредитов", "вернулось", "символов"),
        (11, "кредитов", "вернулось", "символов"),
        (12, "кредитов", "вернулось", "символов"),
        (14, "кредитов", "вернулось", "символов"),
        (21, "кредит", "вернулся", "символ"),
        (22, "кредита", "вернулись", "символа"),
        (101, "кредит", "вернулся", "символ"),
        (111, "кредитов", "вернулось", "символов"),
        (112, "кредитов", "вернулось", "символов"),
        (121, "кредит", "вернулся", "символ"),
    ],
)
def test_russian_numbers_agree_with_their_words(n: int, credits: str, returned: str, characters: str) -> None:
    # Given a number
    # When it is said with a word, alone or inside another text
    # Then the word has the right form and never stands on the next line
    assert texts.say("credits", "ru", n=n) == f"{n}\u00a0{credits}"
    assert f"{n}\u00a0{credits}" in texts.say("ask-count", "ru", balance=n)
    assert texts.say("returned", "ru", n=n).endswith(returned)
    assert texts.say("characters", "ru", n=n) == f"{n}\u00a0{characters}"


@pytest.mark.parametrize(
    ("n", "said"), [(0, "0\u00a0credits"), (1, "1\u00a0credit"), (2, "2\u00a0credits"), (21, "21\u00a0credits")]
)
def test_english_numbers_agree_with_their_words(n: int, said: str) -> None:
    # Given a number; when it is said in English; then the word has the right form
    assert texts.say("credits", "en", n=n) == said


def test_a_missing_key_or_value_is_an_error_and_not_a_hole_in_a_message() -> None:
    # Given a key that is not there, and one whose value is not given
    # When either is said
    # Then it fails at once
    with pytest.raises(LookupError):
        texts.say("no-such-text", "ru")
    with pytest.raises(LookupError):
        texts.say("welcome-gift", "ru")


def test_an_unknown_language_is_russian() -> None:
    # Given a language we don't speak; when something is said; then it is said in Russian
    assert texts.say("button-back", "de") == texts.say("button-back", "ru")


def test_html_is_escaped_once() -> None:
    # Given a text with a person's words in it
    inner = texts.say("template-ugc", "ru")
    # When it becomes a part of another text
    text = texts.say("summary", "ru", description="a < b & <i>", template=inner)
    # Then the words are escaped, once
    assert "a &lt; b &amp; &lt;i&gt;" in text and "&amp;lt;" not in text


def _strings(tree: ast.AST) -> set[str]:
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def _sources() -> dict[str, ast.Module]:
    paths = [*(ROOT / "handlers").glob("*.py"), ROOT / "neurocards" / "cards.py"]
    return {path.name: ast.parse(path.read_text(encoding="utf-8")) for path in paths}


def _calls() -> list[tuple[str, str, set[str | None]]]:
    """Every text asked for in the code by its full name: (where, key, names of the values)."""
    found: list[tuple[str, str, set[str | None]]] = []
    for name, tree in _sources().items():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            function = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            place = {"say": 0, "tell": 0, "answer": 1}.get(function)
            if place is None or len(node.args) <= place:
                continue
            values = {keyword.arg for keyword in node.keywords} - {"instead_of", "reply_to", "alert"}
            keys = [text for text in _strings(node.args[place]) if "-" in text[:-1]]
            found.extend((f"{name}:{node.lineno}", key, values) for key in keys)
    return found


def test_the_code_asks_for_texts_that_exist_with_the_values_they_need() -> None:
    # Given every text the code names
    calls = [call for call in _calls() if call[1] not in FAMILIES]
    assert len(calls) > 60
    for where, key, values in calls:
        # When it is compared with the texts
        # Then it is there, and gets what it needs (None: values passed on as **values)
        assert key in MESSAGES, f"{where} asks for {key}"
        assert None in values or MESSAGES[key] <= values, f"{where} says {key} without {MESSAGES[key] - values}"


def test_no_text_is_left_over() -> None:
    # Given every string in the code that could be a key
    named = set().union(*map(_strings, _sources().values()), texts.UNITS)
    # When the texts are looked through
    unused = [key for key in MESSAGES if key not in named and not key.startswith(FAMILIES)]
    # Then each is said somewhere
    assert unused == []


def test_russian_typography() -> None:
    # Given all Russian texts
    for key in MESSAGES:
        text = texts.say(key, "ru", **_sample(key)).replace(html.escape(NASTY, quote=False), "x")
        # When they are looked through
        # Then dashes never begin a line, quotes are «ёлочки», and no gender is given away
        assert " —" not in text, key
        assert '"' not in text and "“" not in text, key
        assert not re.search(r"(?i)\b(принял|взял|отправил|сделал|получил|понял|ждал|рада?)\b", text), key


@given(st.text(max_size=300))
def test_cleaned_text_can_be_kept_and_shown(text: str) -> None:
    # Given anything a person can send
    # When it is cleaned
    cleaned = texts.clean(text)
    # Then PostgreSQL and Telegram can take it, and cleaning again changes nothing
    cleaned.encode("utf-8")
    assert "\x00" not in cleaned and cleaned == cleaned.strip()
    assert texts.clean(cleaned) == cleaned


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("a\x00b\x07c", "abc"),
        ("\ud83d обрывок", "обрывок"),
        ("abc\u202edef", "abcdef"),
        ("שלום עולם", "שלום עולם"),
        ("👨‍👩‍👧 <b>&", "👨‍👩‍👧 <b>&"),
        ("один\r\n\r\n\r\n\r\nдва\tтри", "один\n\nдва три"),
        ("  \u200b\ufeff \x00 ", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_what_cleaning_keeps(typed: str | None, kept: str) -> None:
    # Given something typed; when it is cleaned; then words stay and what can't be seen or kept goes
    assert texts.clean(typed) == kept


@given(st.text(max_size=200), st.integers(min_value=1, max_value=100))
def test_cut_text_fits_and_is_whole(text: str, limit: int) -> None:
    # Given any text and room
    # When it is cut
    cut = texts.cut(text, limit)
    # Then it fits by Telegram's measure, and is the text itself or its beginning
    assert texts.units(cut) <= limit
    assert cut == text or (cut.endswith("…") and text.startswith(cut[:-1]))


def test_an_emoji_is_two_units_and_never_halved() -> None:
    # Given emoji, which Telegram counts as two
    assert texts.units("🎬a") == 3
    # When the room ends in the middle of one
    # Then it goes as a whole, and nothing joins on to what is gone
    assert texts.cut("🎬🎬🎬", 4) == "🎬…"
    assert texts.cut("👨‍👩‍👧 семья", 4) == "👨…"


def test_a_title_is_the_first_line() -> None:
    # Given a description of several lines; when its title is taken; then it is the first, cut short
    assert texts.title("Чашка\nфарфор") == "Чашка"
    assert texts.units(texts.title("ч" * 100)) == 40
    assert texts.title("Чашка для капучино, тёмный фарфор, матовый", 32) == "Чашка для капучино, тёмный…"
