"""Whatever nothing else answers. Each gets a word on what arrived and the open question again: there is no dead end."""

from telebot.types import CallbackQuery, Message

from handlers.keyboards import edited_rows
from handlers.states import Step, open_step
from handlers.talk import Talk
from neurocards.cards import Screen

KINDS = {
    "sticker": "sticker", "dice": "sticker",
    "voice": "voice", "audio": "voice",
    "video": "video", "video_note": "video", "animation": "video",
    "location": "location", "venue": "location",
    "contact": "contact",
}  # fmt: skip


def anything(talk: Talk, message: Message) -> None:
    """A message that answers no question."""
    draft = talk.begin_draft()
    album = message.media_group_id
    if (album and album == draft.data.get("album")) or talk.heard(draft, message):
        return
    if album:  # of videos or songs: one word for all of it
        draft = talk.keep(draft, state=open_step(draft), album=album)
    if message.content_type == "text":
        note = "unexpected-text-photo" if open_step(draft) is Step.PHOTO else "unexpected-text"
    else:
        note = f"unexpected-{KINDS.get(message.content_type, 'other')}"
    talk.ask(draft, talk.say(note))


def unknown_command(talk: Talk, _message: Message) -> None:
    """A command there is not."""
    talk.ask(talk.begin_draft(), talk.say("unknown-command"))


def edited(talk: Talk, message: Message) -> None:
    """An edited message: edits aren't read. If it had answered the open draft, a button leads to that question."""
    if message.content_type == "location":
        return  # a live location moves by edits, many a minute
    draft = talk.draft()
    said: dict[str, int] = draft.data.get("said", {}) if draft else {}
    step = next((step for step, message_id in said.items() if message_id == message.message_id), None)
    if draft and step:
        screen = Screen(talk.say(f"edited-{step}"), edited_rows(draft, step, talk.language))
    else:
        screen = Screen(talk.say("edited-other"))
    talk.show(screen, reply_to=message.message_id)


def unknown_button(talk: Talk, call: CallbackQuery) -> None:
    """Callback data that no button of this version carries."""
    talk.answer(call, "toast-unknown", alert=True)
