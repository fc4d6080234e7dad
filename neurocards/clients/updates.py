"""What an update must look like for us to answer it: the parts that handlers read, with their types.

Telegram keeps to its own documentation. What doesn't is refused once, here, with a reason, and no handler has to expect it.
"""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from telebot import types

from neurocards.errors import NeurocardsError

_BIGGEST = 2**63 - 1

Id = Annotated[int, Field(ge=-_BIGGEST, le=_BIGGEST)]
Number = Annotated[int, Field(ge=0, le=_BIGGEST)]
# Kept, or sent back, and never shown: PostgreSQL and HTTP don't take every character.
Opaque = Annotated[str, Field(pattern=r"^[!-~]{1,512}$")]


class _Part(BaseModel):
    # A default stands for a field that is left out; null never does.
    model_config = ConfigDict(strict=True, extra="ignore")


class _Person(_Part):
    id: Id
    first_name: str
    language_code: str = ""


class _Chat(_Part):
    id: Id
    type: str


class _Size(_Part):
    file_id: Opaque
    width: Number
    height: Number
    file_size: Number = 0


class _Document(_Part):
    file_id: Opaque
    file_name: str = ""
    mime_type: str = ""
    file_size: Number = 0


class _Button(_Part):
    text: str
    callback_data: str = ""


class _Markup(_Part):
    inline_keyboard: list[list[_Button]] = []


class _Message(_Part):
    message_id: Id
    date: Number
    chat: _Chat
    sender: _Person | None = Field(None, alias="from")
    text: str = ""
    caption: str = ""
    media_group_id: Opaque = "-"
    photo: list[_Size] = Field([], min_length=1)
    document: _Document = _Document(file_id="-")
    reply_markup: _Markup = _Markup()


class _Press(_Part):
    id: Opaque
    sender: _Person = Field(alias="from")
    message: _Message | None = None
    data: str = ""


class _Standing(_Part):
    status: str


class _Membership(_Part):
    chat: _Chat
    sender: _Person = Field(alias="from")
    new_chat_member: _Standing


class _Update(_Part):
    message: _Message | None = None
    edited_message: _Message | None = None
    callback_query: _Press | None = None
    my_chat_member: _Membership | None = None


class Unreadable(NeurocardsError):
    """An update that can't be answered. The text says why, without the update's contents."""


def readable(update: dict[str, Any]) -> dict[str, Any]:
    """The update, once it is sure that handlers can rely on it. Raises Unreadable."""
    try:
        known = _Update.model_validate(update)
    except ValidationError as error:
        wrong = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part)[:40] for part in wrong["loc"])
        raise Unreadable(f"unreadable: {place}: {wrong['msg']}") from None
    for message in (known.message, known.edited_message):
        if message and message.chat.type == "private" and message.sender is None:
            raise Unreadable("unreadable: a private message of nobody")
    _check_with_library(update)
    return update


def _check_with_library(update: dict[str, Any]) -> None:
    try:
        types.Update.de_json(update)
    except Exception as error:  # noqa: BLE001  see below
        # The library reads far more of an update than we do, and raises whatever it meets: KeyError, TypeError, ValueError …
        raise Unreadable(f"unreadable: the library says {type(error).__name__}: {error}"[:200]) from None
