"""Arriving, help, language, and whether the person can be reached at all."""

import logging
import re
from collections.abc import Collection

from telebot import TeleBot
from telebot.apihelper import ApiTelegramException
from telebot.types import CallbackQuery, ChatMemberUpdated, Message
from telebot.util import extract_command

from handlers.keyboards import continue_rows, new_rows
from handlers.states import Draft, Step
from handlers.talk import Talk, pressed_message
from neurocards import drafts, orders
from neurocards.buttons import Press
from neurocards.cards import Screen
from neurocards.texts import Html, say, title

log = logging.getLogger(__name__)


def start(talk: Talk, _message: Message) -> None:
    """/start: welcomes and asks for a photo; with an order half made, asks whether to go on with it."""
    draft = talk.begin_draft()
    if "photo_id" in draft.data:
        talk.show(Screen(_unfinished(talk, draft), continue_rows(draft, talk.language)))
    else:
        balance = [] if talk.new else [talk.say("welcome-balance", balance=talk.credits)]
        talk.ask(talk.keep(draft, state=Step.PHOTO), talk.say("welcome"), *balance)


def _unfinished(talk: Talk, draft: Draft) -> Html:
    described = draft.data.get("description")
    return talk.say("welcome-continue-title", title=title(described)) if described else talk.say("welcome-continue")


def begin_anew(talk: Talk, call: CallbackQuery, _press: Press) -> None:
    """«Новое видео»: whatever was half made is dropped."""
    talk.answer(call)
    left, message_id = talk.draft(), pressed_message(call)
    drafts.clear(talk.chat_id, talk.user_id)
    talk.ask(talk.keep(None, state=Step.PHOTO), instead_of=message_id)
    talk.close(left, besides=message_id)


def show_help(talk: Talk, _message: Message) -> None:
    """/help: the way to a video, the commands, the support contact."""
    text = talk.say("help", support=talk.context.settings.support_contact)
    talk.show(Screen(text, new_rows(talk.language)))


def switch_language(talk: Talk, _message: Message) -> None:
    """/language: the other one of the two, from the next word on."""
    talk.language = "ru" if talk.language == "en" else "en"
    orders.set_language(talk.user_id, talk.language)
    draft = talk.draft()
    if draft:
        talk.ask(draft, talk.say("language-set"))
    else:
        talk.tell("language-set")


def addressed(message: Message, bot: TeleBot, commands: Collection[str]) -> bool:
    """Whether a message of a group is meant for the bot: one of its commands, its name, or a reply to what it said."""
    text, replied = message.text or message.caption or "", message.reply_to_message
    if replied and replied.from_user and replied.from_user.id == bot.bot_id:
        return True
    if extract_command(text) in commands and "@" not in text.split()[0]:
        return True
    # (its name is Telegram's to tell, and is asked for only when there is one in the text)
    return "@" in text and re.search(rf"@{bot.user.username}\b", text, re.IGNORECASE) is not None


def in_group(message: Message, bot: TeleBot) -> None:
    """A group: the bot says where it works. Nothing is kept."""
    _tell_group(message, bot)


def membership(update: ChatMemberUpdated, bot: TeleBot) -> None:
    """The bot was blocked, unblocked, or taken into a group."""
    present = update.new_chat_member.status in ("member", "administrator")
    if update.chat.type == "private":
        orders.set_reachable(update.from_user.id, present)
    elif present and update.chat.type != "channel":
        _tell_group(update, bot)


def _tell_group(update: Message | ChatMemberUpdated, bot: TeleBot) -> None:
    language = orders.suggested_language(update.from_user.language_code if update.from_user else None)
    try:
        bot.send_message(update.chat.id, say("group", language))
    except ApiTelegramException as error:
        # Many groups don't let a bot write, and nothing hangs on this message.
        log.info("a group could not be told: %s", error.description)
