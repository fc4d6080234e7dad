"""The rows of buttons under each question."""

from collections.abc import Sequence

from handlers.states import ANSWERS, Draft, Step, before, first_open, open_step
from neurocards.buttons import CHIPS, COUNTS, TEMPLATES, Button, Rows, data
from neurocards.orders import price
from neurocards.texts import say

SEPARATOR = "; "


def question_rows(draft: Draft, language: str) -> Rows:
    """What can be pressed at the draft's open question: its answers, then the ways on, back and out."""
    answers = {Step.TEMPLATE: _templates, Step.WISHES: _wishes, Step.COUNT: _counts, Step.CONFIRM: _launch}
    choose = answers.get(open_step(draft))
    return [*(choose(draft, language) if choose else []), *_onward(draft, language), _backward(draft, language)]


def _templates(draft: Draft, language: str) -> Rows:
    chosen = draft.data.get("template")
    labels = {name: _marked(say(f"button-template-{name}", language), name == chosen, language) for name in TEMPLATES}
    return [[(label, data("template", draft.id, name))] for name, label in labels.items()]


def _wishes(draft: Draft, language: str) -> Rows:
    chosen = chips_in(draft.data.get("wishes", ""), language)
    chips = [_chip(draft, name, name in chosen, language) for name in CHIPS]
    label = "button-next" if draft.data.get("wishes") else "button-skip"
    return [*_in_pairs(chips), [(say(label, language), data("skip", draft.id))]]


def _chip(draft: Draft, name: str, chosen: bool, language: str) -> Button:
    return _marked(say(f"chip-{name}", language), chosen, language), data("wish", draft.id, name, 0 if chosen else 1)


def _counts(draft: Draft, language: str) -> Rows:
    chosen = draft.data.get("count")
    return [[count_button(draft.id, count, language, chosen=count == chosen)] for count in COUNTS]


def count_button(draft_id: int, count: int, language: str, chosen: bool = False) -> Button:
    """A number of videos with its price."""
    label = say("button-count", language, count=count, price=price(count))
    return _marked(label, chosen, language), data("count", draft_id, count)


def _launch(draft: Draft, language: str) -> Rows:
    # The version of this very rendering: a summary that no longer shows what would be ordered can't be confirmed.
    return [[(say("button-run", language, price=price(draft.data["count"])), data("run", draft.id, draft.version))]]


def _onward(draft: Draft, language: str) -> Rows:
    step = open_step(draft)
    answered = step in (Step.PHOTO, Step.DESCRIPTION, Step.PROMPT) and ANSWERS[step] in draft.data
    return [[(say("button-keep", language), data("go", draft.id, first_open(draft.data)))]] if answered else []


def _backward(draft: Draft, language: str) -> list[Button]:
    earlier = before(draft.data, open_step(draft))
    back = [(say("button-back", language), data("go", draft.id, earlier))] if earlier else []
    return [*back, (say("button-drop", language), data("drop", draft.id))]


def replace_rows(draft: Draft, language: str) -> Rows:
    """Whether the photo just sent takes the old one's place."""
    return [
        [(say("button-replace", language), data("replace", draft.id))],
        [(say("button-keep-photo", language), data("go", draft.id, open_step(draft)))],
    ]


def chips_in(wishes: str, language: str) -> list[str]:
    """Names of the chips whose words stand in the wishes."""
    parts = wishes.split(SEPARATOR)
    return [name for name in CHIPS if say(f"chip-{name}", language) in parts]


def own_words(wishes: str, language: str) -> str:
    """The wishes without the chips."""
    ready = {say(f"chip-{name}", language) for name in CHIPS}
    return SEPARATOR.join(part for part in wishes.split(SEPARATOR) if part not in ready)


def with_chip(wishes: str, name: str, on: bool, language: str) -> str:
    """The wishes with that chip's words in or out, whichever they were before."""
    words = say(f"chip-{name}", language)
    parts = [part for part in wishes.split(SEPARATOR) if part and part != words]
    return SEPARATOR.join([*parts, str(words)] if on else parts)


def with_own_words(wishes: str, text: str, language: str) -> str:
    """The chosen chips and `text`, in place of earlier words of the person's own."""
    return SEPARATOR.join([*(str(say(f"chip-{name}", language)) for name in chips_in(wishes, language)), text])


def continue_rows(draft: Draft, language: str) -> Rows:
    """Go on with what is half made, or start anew."""
    return [[(say("button-continue", language), data("go", draft.id, open_step(draft)))], *new_rows(language)]


def new_rows(language: str) -> Rows:
    """A new video."""
    return [[(say("button-new", language), data("new"))]]


def edited_rows(draft: Draft, step: str, language: str) -> Rows:
    """To the question whose answer was edited."""
    return [[(say(f"button-change-{step}", language), data("go", draft.id, step))]]


def cancel_rows(order_ids: Sequence[int], language: str) -> Rows:
    """An order to be cancelled a row; the newest ten are plenty."""
    labels = {order_id: say("button-cancel-order", language, order=str(order_id)) for order_id in order_ids[:10]}
    return [[(label, data("cancel", order_id))] for order_id, label in labels.items()]


def _marked(label: str, chosen: bool, language: str) -> str:
    return say("button-chosen", language, label=label) if chosen else label


def _in_pairs(row: list[Button]) -> Rows:
    return [row[start : start + 2] for start in range(0, len(row), 2)]
