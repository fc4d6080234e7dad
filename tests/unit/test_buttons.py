"""Callback data: what is written is read back; whatever was not written by us is nobody's button."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import handlers
from handlers import keyboards, states
from handlers.questions import not_enough, question
from handlers.states import Step
from neurocards import buttons, orders, texts
from neurocards.errors import NotEnoughCredits
from neurocards.models import Draft

BIG = buttons.BIGGEST_ID
EXAMPLES = {
    "go": (BIG, "description"),
    "template": (BIG, "own"),
    "wish": (BIG, "outdoors", 1),
    "count": (BIG, 5),
    "run": (BIG, BIG),
    "newest": (),
    "new": (),
    "op-stats": ("same",),
    "op-keys": ("same",),
    "op-user": (BIG, "same"),
    "op-job": (BIG, "same"),
    "op-give": (BIG, 5),
    "op-bar": (BIG, 1),
    "op-orders": (1,),
    "op-lock": ("0a1b2c3d",),
    "op-release": ("0a1b2c3d",),
    "op-cast": (BIG, "start"),
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
    # Given the grammar and the handlers' three tables
    tables = (handlers.OF_DRAFT, handlers.OTHERS, handlers.operator.BUTTONS)
    # When they are compared
    # Then each action is answered, by one of them
    assert set().union(*tables) == buttons.GRAMMAR.keys()
    assert sum(map(len, tables)) == len(buttons.GRAMMAR)


def test_the_words_of_the_grammar_are_those_of_the_product() -> None:
    # Given the words buttons may carry
    # When they are compared with what orders, questions and texts know
    # Then they are the same
    assert buttons.COUNTS == orders.COUNTS
    assert tuple(Step) == buttons.STEPS
    for language in texts.LANGUAGES:
        assert all(texts.say(f"chip-{name}", language) for name in buttons.CHIPS)
        assert all(texts.say(f"template-{name}", language) for name in buttons.TEMPLATES)


ANSWERS: dict[str, Any] = {
    "photo_id": 1,
    "description": "Ч" * 2000,
    "template": "ugc",
    "wishes": "Дома; 😀<b>",
    "count": 3,
}


@pytest.mark.parametrize("language", texts.LANGUAGES)
@pytest.mark.parametrize("step", list(Step))
@pytest.mark.parametrize("answered", [True, False])
def test_every_question_has_a_way_on_and_a_way_out(step: Step, language: str, answered: bool) -> None:
    # Given a draft at some question, reached for the first time or come back to
    answers = dict(ANSWERS, template="own" if step is Step.PROMPT else "ugc")
    if not answered:
        way = states.way(answers)
        answers = {states.ANSWERS[earlier]: answers[states.ANSWERS[earlier]] for earlier in way[: way.index(step)]}
    draft = Draft(id=BIG, version=BIG, state=step, data=answers)
    # When it is asked
    screen = question(draft, language, 7)
    # Then every button can be read and is of this draft, the last row leads back and out, and the text fits with notes
    presses = [buttons.parse(data) for row in screen.buttons for _, data in row]
    assert all(press is not None and press.id == BIG for press in presses)
    assert presses[-1] == buttons.Press("drop", (str(BIG),))
    assert step is Step.PHOTO or "go" in {press.action for press in presses if press}
    assert texts.units(screen.text) < 1500
    assert all(len(row) <= 2 and texts.units(label) <= 40 for row in screen.buttons for label, _ in row)


@pytest.mark.parametrize(
    ("data", "wanted", "opened"),
    [
        ({}, "confirm", Step.PHOTO),
        ({"photo_id": 1}, "photo", Step.PHOTO),
        ({"photo_id": 1}, "count", Step.DESCRIPTION),
        (ANSWERS, "template", Step.TEMPLATE),
        (ANSWERS, "prompt", Step.WISHES),
        (dict(ANSWERS, template="own"), "wishes", Step.PROMPT),
        (ANSWERS, "confirm", Step.CONFIRM),
        (dict(ANSWERS, wishes=""), "confirm", Step.CONFIRM),
    ],
)
def test_a_question_opens_only_after_those_before_it(data: dict[str, Any], wanted: str, opened: Step) -> None:
    # Given some answers; when a question is wanted; then it opens, or the first one before it that has no answer
    assert states.reachable(data, wanted) is opened


def test_chips_and_own_words_live_side_by_side() -> None:
    # Given a chip and words of one's own
    wishes = keyboards.with_own_words(keyboards.with_chip("", "home", on=True, language="ru"), "в лучах света", "ru")
    assert wishes == "Дома; в лучах света"
    # When another chip comes, the first goes, and the words are replaced
    wishes = keyboards.with_chip(wishes, "calm", on=True, language="ru")
    wishes = keyboards.with_chip(wishes, "calm", on=True, language="ru")
    wishes = keyboards.with_chip(wishes, "home", on=False, language="ru")
    # Then each keeps to itself, and a chip pressed twice is there once
    assert wishes == "в лучах света; Спокойно"
    assert keyboards.with_own_words(wishes, "ночью", "ru") == "Спокойно; ночью"
    assert keyboards.own_words(wishes, "ru") == "в лучах света"


@pytest.mark.parametrize(("balance", "counts"), [(0, []), (1, [1]), (4, [1, 3])])
def test_without_enough_credits_there_is_a_retry_and_what_is_affordable(balance: int, counts: list[int]) -> None:
    # Given a confirm that could not be paid
    press = buttons.Press("run", ("8", "4"))
    # When the refusal is shown
    screen = not_enough(press, NotEnoughCredits(balance, 5), "ru", "@help")
    # Then the same confirm can be pressed again, fewer videos are offered if they can be paid, and support is named
    pressed = [data for row in screen.buttons for _, data in row]
    assert pressed == ["v1:run:8:4", *(f"v1:count:8:{count}" for count in counts), "v1:go:8:count", "v1:drop:8"]
    assert "@help" in screen.text and "5\u00a0кредитов" in screen.text


def test_the_catch_all_is_last() -> None:
    # Given the list of what answers what
    *_, (handler, filters) = handlers.MESSAGES
    # When its end is looked at
    # Then it is the one that takes anything, and no other does
    assert handler is handlers.unexpected.anything and filters.keys() == {"func"}
    assert all("func" not in filters for _, filters in handlers.MESSAGES[:-1])
