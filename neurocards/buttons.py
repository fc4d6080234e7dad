"""Callback data: what a pressed button says. `v1:<action>[:<argument>...]`, at most Telegram's 64 bytes.

Buttons outlive releases and can be forged, so reading is strict: whatever is not in the table below is nobody's button.
Ids say which row is meant, not who may touch it; `orders` checks the owner.
"""

import re
from dataclasses import dataclass

Button = tuple[str, str]
Rows = list[list[Button]]

VERSION = "v1"
MAX_BYTES = 64
BIGGEST_ID = 2**63 - 1  # PostgreSQL's bigint; beyond it a forged id would be an error and not just unknown

COUNTS = (1, 3, 5)
TEMPLATES = ("ugc", "ad", "own")
CHIPS = ("lively", "calm", "closeup", "home", "outdoors", "nopeople")
# An operator's screen opens in a message of its own, or in place of the one under the button.
PLACES = ("new", "same")
GIFTS = (1, 5)
CASTS = ("test", "start", "drop", "stop", "look")
STEPS = ("photo", "description", "template", "wishes", "prompt", "count", "confirm")

_ID = r"[1-9][0-9]{0,18}"
_PRINT = r"[0-9a-f]{8}"


def _one_of(*words: object) -> str:
    return "|".join(str(word) for word in words)


GRAMMAR: dict[str, tuple[str, ...]] = {
    # of a draft: its id first, so that a button of an older draft is known as stale
    "go": (_ID, _one_of(*STEPS)),  # to a question, as far as the answers reach
    "template": (_ID, _one_of(*TEMPLATES)),
    "wish": (_ID, _one_of(*CHIPS), "0|1"),  # says what to become, not "the other": a double tap changes nothing
    "skip": (_ID,),
    "count": (_ID, _one_of(*COUNTS)),
    "run": (_ID, _ID),  # with the version that was shown
    "replace": (_ID,),  # the photo, by the one just sent
    "drop": (_ID,),
    # of an order
    "cancel": (_ID,),
    "again": (_ID,),
    "wishes": (_ID,),
    "restyle": (_ID,),
    "rephoto": (_ID,),
    # of a job
    "video": (_ID,),
    "file": (_ID,),
    # of nothing
    "older": (_ID,),  # than this job
    "newest": (),
    "new": (),
    # of operators; whether it is one who presses is looked at again
    "op-stats": (_one_of(*PLACES),),
    "op-keys": (_one_of(*PLACES),),
    "op-user": (_ID, _one_of(*PLACES)),
    "op-job": (_ID, _one_of(*PLACES)),
    "op-give": (_ID, _one_of(*GIFTS)),  # to a person
    "op-bar": (_ID, "0|1"),  # a person: keep out or let in
    "op-hurry": (_ID,),  # a job
    "op-refund": (_ID,),
    "op-yes": (_ID,),  # to what was asked
    "op-no": (_ID,),
    "op-orders": ("0|1",),  # take them or not
    "op-lock": (_PRINT,),
    "op-release": (_PRINT,),
    "op-cast": (_ID, _one_of(*CASTS)),  # a broadcast
}
_SHAPES = {
    action: re.compile(":".join((VERSION, action, *(f"({argument})" for argument in arguments))))
    for action, arguments in GRAMMAR.items()
}


@dataclass(frozen=True)
class Press:
    """A button understood: the action and its arguments as they stand in the data."""

    action: str
    arguments: tuple[str, ...] = ()

    @property
    def id(self) -> int:
        """The id it starts with: of a draft, an order or a job, by the action."""
        return int(self.arguments[0])

    @property
    def last(self) -> str:
        """The word or number it ends with."""
        return self.arguments[-1]


def data(action: str, *arguments: object) -> str:
    """Callback data for a button. Raises ValueError for what `parse` would not read back."""
    text = ":".join((VERSION, action, *(str(argument) for argument in arguments)))
    if parse(text) is None:
        raise ValueError(text)
    return text


def parse(text: str | None) -> Press | None:
    """What a pressed button says; None for data that is missing, forged, or of another version."""
    if not text or len(text.encode(errors="replace")) > MAX_BYTES:
        return None
    shape = _SHAPES.get(text.split(":", 2)[1]) if text.startswith(VERSION + ":") else None
    match = shape.fullmatch(text) if shape else None
    if match is None or any(part.isdigit() and int(part) > BIGGEST_ID for part in match.groups()):
        return None
    return Press(text.split(":")[1], match.groups())
