"""The photo: taken at its own step, offered as a replacement at any other, checked before it is kept."""

from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from telebot.types import CallbackQuery, Message

from handlers.keyboards import replace_rows
from handlers.states import Draft, Step, open_step
from handlers.talk import Talk, pressed_message
from handlers.wizard import complaint, said
from neurocards import orders
from neurocards.buttons import Press
from neurocards.cards import Screen
from neurocards.errors import BadPhoto
from neurocards.media import MAX_PHOTO_BYTES, normalise_photo
from neurocards.texts import Html, clean

# Phones name some pictures so that nobody knows their type: the name decides whether looking is worthwhile.
PICTURE_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".heic", ".heif", ".avif", ".bmp", ".tif", ".tiff"}


@dataclass(frozen=True)
class Sent:
    """A picture a person sent, not looked at yet. It waits in the draft while a replacement is being confirmed."""

    file_id: str
    message_id: int
    caption: str = ""
    album: str | None = None
    refusal: str = ""  # the reason it needs no looking at

    @classmethod
    def of(cls, message: Message) -> "Sent":
        """The picture of a message: the largest size of a photo, or a document."""
        file = max(message.photo, key=lambda size: size.width * size.height) if message.photo else message.document
        refusal = "" if message.photo or _may_be_picture(file) else "not_image"
        if (file.file_size or 0) > MAX_PHOTO_BYTES:
            refusal = "too_big"
        return cls(file.file_id, message.message_id, clean(message.caption), message.media_group_id, refusal)


def _may_be_picture(document: Any) -> bool:
    kind = document.mime_type or ""
    return kind.startswith("image/") or PurePath(document.file_name or "").suffix.lower() in PICTURE_SUFFIXES


def picture(talk: Talk, message: Message) -> None:
    """A photo or a document arrived."""
    draft, sent = talk.begin_draft(), Sent.of(message)
    if sent.album and sent.album == draft.data.get("album"):
        return  # The album's first photo was taken and that was said; the others come as messages of their own.
    if talk.heard(draft, message, talk.say("photo-taken")):
        return
    if open_step(draft) is Step.PHOTO or sent.refusal:
        _take(talk, draft, sent)
    else:
        _offer(talk, draft, sent)


def _offer(talk: Talk, draft: Draft, sent: Sent) -> None:
    draft = talk.keep(
        draft, state=open_step(draft), album=sent.album, pending=[sent.file_id, sent.message_id, sent.caption]
    )
    text = talk.say("photo-replace-both" if sent.caption else "photo-replace")
    shown = talk.show(Screen(text, replace_rows(draft, talk.language)), reply_to=sent.message_id)
    # Nothing is launched while it is open which photo is meant.
    talk.close(draft, besides=shown)


def replace(talk: Talk, call: CallbackQuery, _press: Press, draft: Draft) -> None:
    """The photo sent in the middle of the way is to be the photo."""
    if "pending" in draft.data:
        _take(talk, draft, Sent(*draft.data["pending"]), instead_of=pressed_message(call))
    else:
        talk.ask(draft, instead_of=pressed_message(call))


def _take(talk: Talk, draft: Draft, sent: Sent, instead_of: int | None = None) -> None:
    message_id = instead_of
    try:
        if sent.refusal:
            raise BadPhoto(sent.refusal)
        message_id = talk.tell("photo-looking", instead_of=instead_of)
        photo = normalise_photo(talk.context.download(talk.bot, sent.file_id, MAX_PHOTO_BYTES))
    except BadPhoto as problem:
        draft = talk.keep(draft, state=open_step(draft), album=sent.album)
        talk.ask(draft, talk.say(f"photo-{problem.reason}"), instead_of=message_id)
        return
    photo_id = orders.save_photo(talk.user_id, photo.jpeg, photo.width, photo.height)
    _keep(talk, draft, sent, photo_id, message_id)


def _keep(talk: Talk, draft: Draft, sent: Sent, photo_id: int, message_id: int | None) -> None:
    caption, notes = _described(talk, draft, sent)
    album = sent.album or draft.data.get("album")
    answers = {"photo_id": photo_id, "album": album, "heard": sent.message_id, "pending": None, **caption}
    # Replacing a photo answers no open question, unless the caption does.
    moves = open_step(draft) is Step.PHOTO or (open_step(draft) is Step.DESCRIPTION and caption)
    after = talk.advance(draft, **answers) if moves else talk.keep(draft, state=open_step(draft), **answers)
    talk.ask(after, *notes, instead_of=message_id)


def _described(talk: Talk, draft: Draft, sent: Sent) -> tuple[dict[str, Any], list[Html]]:
    """The answers and notes that a caption brings: a description, or what is wrong with it."""
    album = [talk.say("photo-album")] if sent.album else []
    if not sent.caption:
        return {}, [talk.say("photo-taken"), *album]
    problem = complaint(talk, Step.DESCRIPTION, sent.caption)
    if problem:
        return {}, [talk.say("photo-taken"), *album, problem]
    answers = {"description": sent.caption, "said": said(draft, Step.DESCRIPTION, sent.message_id)}
    return answers, [talk.say("photo-and-description-taken"), *album]
