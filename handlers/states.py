"""The questions of an order: which come when, and which one is open.

Telebot's states are these words, kept in the draft's row.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Protocol


class Step(StrEnum):
    """The question that is open. Wishes and prompt are the same place on the way: the template decides between them."""

    PHOTO = "photo"
    DESCRIPTION = "description"
    TEMPLATE = "template"
    WISHES = "wishes"
    PROMPT = "prompt"
    COUNT = "count"
    CONFIRM = "confirm"


# Under which key of the draft's data each answer is kept. An own prompt takes the place of the wishes, as in the order.
ANSWERS = {
    Step.PHOTO: "photo_id",
    Step.DESCRIPTION: "description",
    Step.TEMPLATE: "template",
    Step.WISHES: "wishes",
    Step.PROMPT: "wishes",
    Step.COUNT: "count",
}

Data = Mapping[str, Any]


class Draft(Protocol):
    """What the conversation knows of a draft's row; `version` rises with every write."""

    @property
    def id(self) -> int: ...
    @property
    def version(self) -> int: ...
    @property
    def state(self) -> str | None: ...
    @property
    def data(self) -> dict[str, Any]: ...


def open_step(draft: Draft) -> Step:
    """The draft's open question; a draft begins with the photo."""
    return Step(draft.state or Step.PHOTO)


def way(data: Data) -> tuple[Step, ...]:
    """The questions of this draft, first to last."""
    words = Step.PROMPT if data.get("template") == "own" else Step.WISHES
    return (Step.PHOTO, Step.DESCRIPTION, Step.TEMPLATE, words, Step.COUNT, Step.CONFIRM)


def first_open(data: Data) -> Step:
    """The first question without an answer; the confirmation when all are answered."""
    return next((step for step in way(data)[:-1] if ANSWERS[step] not in data), Step.CONFIRM)


def reachable(data: Data, wanted: str) -> Step:
    """The wanted question, or the first open one before it. Wishes and prompt stand for each other."""
    steps = way(data)
    place = steps.index(Step(wanted)) if wanted in steps else steps.index(Step.TEMPLATE) + 1
    return min(steps[place], first_open(data), key=steps.index)


def before(data: Data, step: str) -> Step | None:
    """The question before `step`; None for the first."""
    steps = way(data)
    place = steps.index(reachable(data, step))
    return steps[place - 1] if place else None
