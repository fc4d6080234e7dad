"""Balance and finished videos."""

from telebot.apihelper import ApiTelegramException
from telebot.types import CallbackQuery, Message

from handlers.talk import Talk, pressed_message
from neurocards import cards, orders
from neurocards.buttons import Press
from neurocards.cards import Screen
from neurocards.clients.telegram import keyboard
from neurocards.errors import BadPhoto

PAGE = 5
# What a bot may fetch back from Telegram.
MAX_FILE_BYTES = 20 * 1024 * 1024


def balance(talk: Talk, _message: Message) -> None:
    """/balance: credits, the last movements, and how to get more."""
    entries, support = orders.entries(talk.user_id), talk.context.settings.support_contact
    talk.show(cards.statement(entries, orders.balance(talk.user_id), talk.language, support))


def history(talk: Talk, _message: Message) -> None:
    """/history: the last finished videos, a button each."""
    _page(talk, None, None)


def newest(talk: Talk, call: CallbackQuery, _press: Press) -> None:
    """Back to the first page."""
    talk.answer(call)
    _page(talk, None, pressed_message(call))


def older(talk: Talk, call: CallbackQuery, press: Press) -> None:
    """The page before the job named by the button."""
    talk.answer(call)
    _page(talk, press.id, pressed_message(call))


def _page(talk: Talk, before: int | None, message_id: int | None) -> None:
    found = orders.history(talk.user_id, before, PAGE + 1)
    screen = cards.history(found[:PAGE], len(found) > PAGE, before is not None, talk.language)
    talk.show(screen, instead_of=message_id)


def video(talk: Talk, call: CallbackQuery, press: Press) -> None:
    """Sends a finished video again: what Telegram keeps, else where the provider left it."""
    job = orders.video(talk.user_id, press.id)
    talk.answer(call)
    caption = cards.video_caption(job.order, job, talk.language, orders.balance(talk.user_id))
    if not any(_sent(talk, source, caption) for source in (job.file_id, job.result_url) if source):
        _lost(talk, cards.video_name(job.order, job))


def _sent(talk: Talk, source: str, caption: Screen) -> bool:
    """Whether Telegram took the file id or address; it refuses those that are gone."""
    try:
        talk.bot.send_video(
            talk.chat_id, source, caption=caption.text, reply_markup=keyboard(caption.buttons), supports_streaming=True
        )
    except ApiTelegramException as error:
        if error.error_code != 400:
            raise
        return False
    return True


def _lost(talk: Talk, name: str) -> None:
    talk.tell("video-lost", video=name, support=talk.context.settings.support_contact)


def file(talk: Talk, call: CallbackQuery, press: Press) -> None:
    """The video as a file, which nobody recompresses; too big to fetch back, a link to where the provider left it."""
    job = orders.video(talk.user_id, press.id)
    talk.answer(call, "toast-file")
    name = cards.video_name(job.order, job)
    try:
        content = talk.context.download(talk.bot, job.file_id, MAX_FILE_BYTES) if job.file_id else b""
    except BadPhoto:
        content = b""
    if content:
        # Telegram would make a playable video of it again: that is what the flag forbids.
        talk.bot.send_document(
            talk.chat_id, content, visible_file_name=f"neurocards-{name}.mp4", disable_content_type_detection=True
        )
    elif job.result_url:
        talk.tell("file-link", video=name, url=job.result_url)
    else:
        _lost(talk, name)
