"""Callback data: what is written is read back; whatever was not written by us is nobody's button."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import handlers
from handlers.states import Step
from neurocards import buttons, orders, texts

BIG = buttons.BIGGEST_ID
EXAMPLES = {
    "go": (BIG, "description"),
    "template": (BIG, "own"),
    "wish": (BIG, "outdoors", 1),
    "count": (BIG, 5),
    "run": (BIG, BIG),
    "newest": (),
    "new": (),
}


@pytest.mark.parametrize("action", sorted(buttons.GRAMMAR))
def test_what_is_written_is_read_back(action: str) -> None:
    # Given the longest arguments an action can have
    arguments = EXAMPLES.get(action, (BIG,))
    # When a button is written and pressed
    written = buttons.data(action, *arguments)
    press = buttons.parse(written)
    # Then it fits into Telegram's 64 bytes and says what it said
    assert len(written.encode()) <= 64
    assert press == buttons.Press(action, tuple(map(str, arguments)))


@pytest.mark.parametrize(
    "forged",
    [
        None, "", ":", "v1", "v1:", "v1::", "v2:new", "v1:new:", "v1:new:1", "v1:nothing:1", "V1:new", " v1:new",
        "v1:new\n", "v1:run:1", "v1:run:1:1:1", "v1:run:0:1",
        "v1:run:01:1", "v1:run:-1:1", "v1:run:1e3:1", "v1:run:٣:1",
        f"v1:video:{BIG + 1}", "v1:video:99999999999999999999", "v1:count:1:2", "v1:count:1:50", "v1:go:1:nowhere",
        "v1:wish:1:calm:2", "v1:video:1;DROP TABLE users", "v1:file:" + "1" * 60, "🎬" * 20, "v1:again:\x001", "\ud83d",
    ],
)  # fmt: skip
def test_forged_data_is_nobodys_button(forged: str | None) -> None:
    # Given data that no button of ours carries; when it is pressed; then it means nothing
    assert buttons.parse(forged) is None


@given(st.text(max_size=80))
def test_any_text_can_be_pressed(text: str) -> None:
    # Given any text at all
    # When it is pressed as it is and behind our version
    # Then nothing breaks, and what is read can be written again
    for pressed in (text, f"v1:{text}"):
        press = buttons.parse(pressed)
        assert press is None or buttons.data(press.action, *press.arguments) == pressed


@pytest.mark.parametrize("arguments", [("run", 1), ("count", 1, 2), ("nothing",), ("video", BIG + 1), ("go", 1, "a:b")])
def test_a_button_that_could_not_be_read_is_not_written(arguments: tuple[object, ...]) -> None:
    # Given arguments outside the grammar; when a button is made of them; then that is a fault of ours and raises
    with pytest.raises(ValueError, match="v1:"):
        buttons.data(*arguments)  # type: ignore[arg-type]


def test_every_button_has_its_answer() -> None:
    # Given the grammar and the handlers' two tables
    # When they are compared
    # Then each action is answered, by one of them
    assert handlers.OF_DRAFT.keys() | handlers.OTHERS.keys() == buttons.GRAMMAR.keys()
    assert not handlers.OF_DRAFT.keys() & handlers.OTHERS.keys()


def test_the_words_of_the_grammar_are_those_of_the_product() -> None:
    # Given the words buttons may carry
    # When they are compared with what orders, questions and texts know
    # Then they are the same
    assert buttons.COUNTS == orders.COUNTS
    assert tuple(Step) == buttons.STEPS
    for language in texts.LANGUAGES:
        assert all(texts.say(f"chip-{name}", language) for name in buttons.CHIPS)
        assert all(texts.say(f"template-{name}", language) for name in buttons.TEMPLATES)


def test_the_catch_all_is_last() -> None:
    # Given the list of what answers what
    *_, (handler, filters) = handlers.MESSAGES
    # When its end is looked at
    # Then it is the one that takes anything, and no other does
    assert handler is handlers.unexpected.anything and filters.keys() == {"func"}
    assert all("func" not in filters for _, filters in handlers.MESSAGES[:-1])
