"""Formatted text: what Telegram's HTML mode accepts, what it refuses in which words, and how lengths are counted."""

import contextlib
import html

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.telegram.errors import ApiError
from sandbox.telegram.html_mode import parse_html
from sandbox.telegram.text import caption, message_text, plain, units

SURROGATES = "check for unmatched surrogate code units"
# Any text but lone surrogates, which can't travel in UTF-8.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("<p>x</p>", 'Unsupported start tag "p" at byte offset 0'),
        ("a<br>b", 'Unsupported start tag "br" at byte offset 1'),
        ("я <3", "Unclosed start tag at byte offset 3"),
        ("1 < 2 > 0", 'Unsupported start tag "" at byte offset 2'),
        ("<b>x", 'Can\'t find end tag corresponding to start tag "b"'),
        ("x</b>", "Unexpected end tag at byte offset 1"),
        ("<b>x</i>", 'Unmatched end tag at byte offset 4, expected "</b>", found "</i>"'),
        ("<b><i>x</b></i>", 'Unmatched end tag at byte offset 7, expected "</i>", found "</b>"'),
        ("<b>x</b", "Unclosed end tag at byte offset 4"),
        ("<a href='x", "Unclosed start tag at byte offset 0"),
        ("<a href=x:y>z</a>", "Unexpected end of name token at byte offset 8"),
        ("<b =1>x</b>", 'Empty attribute name in the tag "b" at byte offset 0'),
        ("<span>x</span>", 'Tag "span" must have class "tg-spoiler" at byte offset 0'),
        ("<tg-emoji emoji-id='x'>x</tg-emoji>", "Invalid custom emoji identifier specified"),
        (
            "&#xd800;",
            f"Text contains invalid Unicode characters after decoding HTML entities, {SURROGATES}",
        ),
    ],
)
def test_bad_html_is_refused_in_telegrams_words(source: str, why: str) -> None:
    # When the source is parsed
    with pytest.raises(ApiError) as refused:
        parse_html(source)
    # Then the refusal names the fault and its place in bytes
    assert refused.value.description == f"Bad Request: can't parse entities: {why}"


@pytest.mark.parametrize(
    ("source", "text", "entities"),
    [
        ("<b>жир</b>", "жир", [(0, 3, "bold")]),
        ("<strong>a</strong><EM>b</EM>", "ab", [(0, 1, "bold"), (1, 1, "italic")]),
        ("🎬<u>x</u>", "🎬x", [(2, 1, "underline")]),
        ("<b>a<i>b</i></b>", "ab", [(0, 2, "bold"), (1, 1, "italic")]),
        (
            "<s>a</s><strike>b</strike><del>c</del>",
            "abc",
            [(at, 1, "strikethrough") for at in range(3)],
        ),
        ("<tg-spoiler>a</tg-spoiler><span class='tg-spoiler'>b</span>", "ab", [(0, 1, "spoiler"), (1, 1, "spoiler")]),
        ("<code>x</code><pre>y</pre>", "xy", [(0, 1, "code"), (1, 1, "pre")]),
        ("<blockquote>a</blockquote>", "a", [(0, 1, "blockquote")]),
        ("<blockquote expandable>a</blockquote>", "a", [(0, 1, "expandable_blockquote")]),
        ("<b>x</>", "x", [(0, 1, "bold")]),
        ("<b></b>x", "x", []),
        ("&lt;b&gt; &amp; &quot; &nbsp; &#128512; &#x416;", '<b> & " &nbsp; 😀 Ж', []),
        ("<a>no link</a>", "no link", []),
    ],
)
def test_html_becomes_text_and_entities(source: str, text: str, entities: list[tuple[int, int, str]]) -> None:
    # When the source is parsed
    found, marks = parse_html(source)
    # Then the tags are gone, and offsets count UTF-16 units
    assert (found, [(mark["offset"], mark["length"], mark["type"]) for mark in marks]) == (text, entities)


def test_links_mentions_and_languages_carry_their_argument() -> None:
    # Given a link, a user's link and code with a language
    source = (
        '<a href="https://a.ru/?x=1&amp;y=2">a</a><a href="tg://user?id=42">b</a>'
        '<pre><code class="language-python">c</code></pre>'
    )
    # When it is parsed
    _, marks = parse_html(source)
    # Then each entity says where it leads
    assert [mark["type"] for mark in marks] == ["text_link", "text_mention", "pre"]
    assert (marks[0]["url"], marks[1]["user"], marks[2]["language"]) == ("https://a.ru/?x=1&y=2", {"id": 42}, "python")
    assert not any(key.startswith("_") for mark in marks for key in mark)


@given(TEXTS)
def test_an_escaped_text_comes_back_unchanged(text: str) -> None:
    # Given any text a person may type, escaped as a bot should
    escaped = html.escape(text, quote=False)
    # Then parsing gives it back, without entities
    assert parse_html(escaped) == (text, [])


@given(st.one_of(TEXTS, st.text("<b>/ia ='\"&#x;1", max_size=40)))
def test_whatever_comes_in_is_parsed_or_refused_but_never_breaks(text: str) -> None:
    # Given any text at all, that isn't refused in an orderly way
    with contextlib.suppress(ApiError):
        found, marks = parse_html(text)
        # Then it becomes a text whose entities lie within it
        assert all(mark["offset"] >= 0 and mark["offset"] + mark["length"] <= units(found) for mark in marks)


@given(TEXTS)
def test_units_are_utf16_code_units(text: str) -> None:
    assert units(text) == len(text.encode("utf-16-le")) // 2


@pytest.mark.parametrize(
    ("raw", "mode", "why"),
    [
        ("", "", "message text is empty"),
        (" \n ", "", "text must be non-empty"),
        ("<b> </b>", "HTML", "text must be non-empty"),
        ("я" * 4097, "", "message is too long"),
        ("🎬" * 2049, "HTML", "message is too long"),
        ("x" * 32_769, "", "text is too long"),
        ("x", "BBCode", "unsupported parse_mode"),
    ],
)
def test_a_message_text_must_be_there_and_fit(raw: str, mode: str, why: str) -> None:
    with pytest.raises(ApiError) as refused:
        message_text(raw, mode, "")
    assert refused.value.description == f"Bad Request: {why}"


def test_limits_count_after_parsing() -> None:
    # Given a text of exactly 4096 units under tags, and a caption of 1024
    text = message_text(f"<b>{'я' * 4096}</b>", "html", "")
    below = caption(f"<b>{'я' * 1024}</b>", "HTML", "")
    # Then both fit
    assert (units(text.text), units(below.text)) == (4096, 1024)
    # But one more unit in a caption doesn't
    with pytest.raises(ApiError, match="message caption is too long"):
        caption("я" * 1025, "HTML", "")


def test_white_space_around_is_cut_and_entities_with_it() -> None:
    # Given a text with space around it and a tag that ends in space
    found = message_text(" \n a <b>b </b>\n", "HTML", "")
    # Then the text is trimmed and the entity shortened
    assert (found.text, found.entities) == ("a b", [{"offset": 2, "length": 1, "type": "bold"}])


def test_links_and_commands_are_found_in_plain_text() -> None:
    # Given what a person types
    found = plain("/start см. https://ya.ru/x, @anna_k и #кружка, a@b.ru")
    # Then Telegram marks it, without overlaps
    marked = [(mark["type"], found.text[mark["offset"] : mark["offset"] + mark["length"]]) for mark in found.entities]
    assert marked == [
        ("bot_command", "/start"),
        ("url", "https://ya.ru/x"),
        ("mention", "@anna_k"),
        ("hashtag", "#кружка"),
        ("email", "a@b.ru"),
    ]


def test_given_entities_are_checked() -> None:
    # Given entities instead of a parse mode
    found = message_text("abc", "", '[{"type":"bold","offset":1,"length":9}]')
    # Then they are cut to the text
    assert found.entities == [{"type": "bold", "offset": 1, "length": 2}]
    # And an unknown type is refused
    with pytest.raises(ApiError, match="can't parse MessageEntity: Unsupported type specified"):
        message_text("abc", "", '[{"type":"blink","offset":1,"length":1}]')
