"""One person's turn: who writes, in which language, and the few ways to answer them.

Telegram's refusals that change nothing for the person end here; any other error travels to whoever pumps the updates.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from telebot import TeleBot
from telebot.apihelper import ApiTelegramException
from telebot.types import CallbackQuery, Message, ReplyParameters

from handlers.questions import question
from handlers.states import Draft, Step, first_open
from neurocards import drafts, orders
from neurocards.cards import Screen
from neurocards.clients.telegram import download_file, keyboard
from neurocards.config import Settings
from neurocards.texts import Html, clean, say


@dataclass(frozen=True)
class Context:
    """What handlers need besides the bot: the settings, and the one slow thing they do.

    `download(bot, file_id, limit_bytes)` raises BadPhoto: 'too_big' or 'unreachable'.
    """

    settings: Settings
    download: Callable[[TeleBot, str, int], bytes] = download_file


@dataclass
class Talk:
    """A turn in a private chat. `new` is true when this person was never seen before; `credits` are those at its start; `barred`: an
    operator keeps this person out."""

    bot: TeleBot
    context: Context
    chat_id: int
    user_id: int
    language: str
    credits: int
    new: bool
    barred: bool = False

    @classmethod
    def begin(cls, update: Message | CallbackQuery, bot: TeleBot, context: Context) -> "Talk":
        """Meets the person behind a message or a pressed button."""
        person = update.from_user
        name, gift = clean(person.first_name), context.settings.welcome_credits
        met = orders.meet(person.id, name, person.language_code, gift)
        barred = met.user.banned_at is not None
        return cls(bot, context, person.id, person.id, met.user.language, met.user.credits, met.new, barred)

    def say(self, key: str, **values: str | int) -> Html:
        """A text in the person's language."""
        return say(key, self.language, **values)

    # The draft --------------------------------------------------------------------------------------------------------

    def draft(self) -> Draft | None:
        """The person's open draft."""
        return drafts.find(self.chat_id, self.user_id)

    def keep(self, draft: Draft | None, *, state: str, **answers: Any) -> Draft:
        """Writes answers (None removes one) and opens the question `state`; with no draft in a new one.

        Raises StaleButton when the draft has ended meanwhile. The update is then tried again, and finds what there is now.
        """
        return drafts.save(self.chat_id, self.user_id, of=draft.id if draft else None, state=state, **answers)

    def advance(self, draft: Draft, **answers: Any) -> Draft:
        """Writes answers and opens the first question that has none."""
        merged = {key: value for key, value in {**draft.data, **answers}.items() if value is not None}
        return self.keep(draft, state=first_open(merged), **answers)

    def begin_draft(self) -> Draft:
        """The open draft, or a new one that waits for a photo."""
        return self.draft() or self.keep(None, state=Step.PHOTO)

    def heard(self, draft: Draft, message: Message, *notes: str) -> bool:
        """Whether this very message was taken before and its answer lost: then the open question is asked again, after `notes`."""
        if draft.data.get("heard") != message.message_id:
            return False
        self.ask(draft, *notes)
        return True

    def ask(self, draft: Draft, *notes: str, instead_of: int | None = None) -> None:
        """Asks the draft's open question after `notes`, in the message `instead_of` or a new one; older buttons go."""
        # Whoever begins with a photo and not with /start is told of the gift all the same.
        gift = [self.say("welcome-gift", credits=self.credits)] if self.new else []
        screen = question(draft, self.language, self.credits)
        shown = self.show(Screen("\n\n".join((*notes, *gift, screen.text)), screen.buttons), instead_of=instead_of)
        self.close(draft, besides=shown)
        if draft.data.get("asked") != shown:
            drafts.asked_in(draft.id, shown)

    # What the person sees ---------------------------------------------------------------------------------------------

    def show(self, screen: Screen, *, instead_of: int | None = None, reply_to: int | None = None) -> int:
        """Puts the screen into an existing message, or sends it when that can't be; returns the message's id."""
        markup = keyboard(screen.buttons)
        if instead_of is not None and self._edited(instead_of, screen.text, markup):
            return instead_of
        reply = ReplyParameters(reply_to, allow_sending_without_reply=True) if reply_to else None
        sent = self.bot.send_message(self.chat_id, screen.text, reply_markup=markup, reply_parameters=reply)
        return int(sent.message_id)

    def tell(self, key: str, *, instead_of: int | None = None, reply_to: int | None = None, **values: str | int) -> int:
        """As `show`, for a text without buttons."""
        return self.show(Screen(self.say(key, **values)), instead_of=instead_of, reply_to=reply_to)

    def close(self, draft: Draft | None, besides: int | None = None) -> None:
        """Takes the buttons off the draft's last question, unless it stood in the message `besides`."""
        asked = draft.data.get("asked") if draft else None
        if asked is not None and asked != besides:
            self.strip(asked)

    def strip(self, message_id: int) -> None:
        """Takes the buttons off a message."""
        _bearing(lambda: self.bot.edit_message_reply_markup(self.chat_id, message_id, reply_markup=None))

    def _edited(self, message_id: int, text: str, markup: Any) -> bool:
        return _bearing(lambda: self.bot.edit_message_text(text, self.chat_id, message_id, reply_markup=markup))

    def answer(self, call: CallbackQuery, key: str | None = None, *, alert: bool = False, **values: str | int) -> None:
        """Ends the button's spinner, with a line of text if there is something to say. Too late is no loss."""
        text = self.say(key, **values) if key else None
        _bearing(lambda: self.bot.answer_callback_query(call.id, text, show_alert=alert))


def _bearing(call: Callable[[], Any]) -> bool:
    """Makes a call that Telegram may refuse: false if it did, true if it was made or there was nothing to change."""
    try:
        call()
    except ApiTelegramException as error:
        if error.error_code != 400:
            raise
        return "message is not modified" in error.description
    return True


def pressed_message(call: CallbackQuery) -> int | None:
    """The id of the message under the pressed button, if Telegram still knows one."""
    return call.message.message_id if call.message else None
