"""The steps between photo and launch: words that were typed, answers that were pressed."""

from telebot.types import CallbackQuery, Message

from handlers.keyboards import with_chip, with_own_words
from handlers.states import Draft, Step, open_step, reachable
from handlers.talk import Talk, pressed_message
from neurocards import drafts
from neurocards.buttons import Press
from neurocards.texts import Html, clean, units

# Characters an answer may have: (least, most).
LIMITS = {Step.DESCRIPTION: (3, 2000), Step.WISHES: (1, 500), Step.PROMPT: (10, 2000)}
# Telegram's apps cut a long text into messages of 4096 units; the last may be short enough to pass for an answer.
FULL_MESSAGE = 4000
SAME_TEXT_SECONDS = 2


def complaint(talk: Talk, step: Step, text: str) -> Html | None:
    """What is wrong with a cleaned answer's length; None when nothing is."""
    least, most = LIMITS[step]
    if not text:
        return talk.say("text-empty")
    if len(text) < least:
        return talk.say("text-short", n=len(text), min=least)
    return talk.say("text-long", n=len(text), max=most) if len(text) > most else None


def said(draft: Draft, step: Step, message_id: int) -> dict[str, int]:
    """Which message answered which question, for the day that message is edited."""
    return {**draft.data.get("said", {}), step.value: message_id}


# Typed ----------------------------------------------------------------------------------------------------------------


def typed(talk: Talk, message: Message) -> None:
    """A text at a step that waits for one: description, wishes or the person's own prompt."""
    draft = talk.begin_draft()
    if talk.heard(draft, message):
        return
    step, text = open_step(draft), clean(message.text)
    if step is Step.WISHES and text:
        text = with_own_words(draft.data.get("wishes", ""), text, talk.language)
    if _too_long(talk, draft, message, step, text):
        return
    problem = complaint(talk, step, text)
    if problem:
        talk.ask(draft, problem)
        return
    answers = {"description" if step is Step.DESCRIPTION else "wishes": text}
    talk.ask(talk.advance(draft, heard=message.message_id, said=said(draft, step, message.message_id), **answers))


def _too_long(talk: Talk, draft: Draft, message: Message, step: Step, text: str) -> bool:
    """Whether the text, with those it goes on with, is longer than an answer may be; says so once for all."""
    most = LIMITS[step][1]
    at, before = draft.data.get("long", (0, 0))
    goes_on = message.date - at <= SAME_TEXT_SECONDS
    length = len(text) + (before if goes_on else 0)
    if length <= most:
        return False
    cut_off = units(message.text) >= FULL_MESSAGE
    draft = talk.keep(draft, state=step, long=[message.date, length] if cut_off else None)
    note = talk.say("text-long", n=length, max=most)
    talk.ask(draft, note, instead_of=draft.data.get("asked") if goes_on else None)
    return True


# Pressed: each gets the draft the button belongs to -------------------------------------------------------------------


def go(talk: Talk, call: CallbackQuery, press: Press, draft: Draft) -> None:
    """To another question, back or on."""
    talk.ask(talk.keep(draft, state=reachable(draft.data, press.last)), instead_of=pressed_message(call))


def template(talk: Talk, call: CallbackQuery, press: Press, draft: Draft) -> None:
    """A template. An own prompt is no wish and a wish no prompt: switching between them forgets the words."""
    before = draft.data.get("template")
    forget = {"wishes": None} if before and (before == "own") != (press.last == "own") else {}
    talk.ask(talk.advance(draft, template=press.last, **forget), instead_of=pressed_message(call))


def wish(talk: Talk, call: CallbackQuery, press: Press, draft: Draft) -> None:
    """One of the ready wishes, on or off; the question stays open."""
    if reachable(draft.data, Step.WISHES) is not Step.WISHES:
        talk.ask(draft, instead_of=pressed_message(call))
        return
    wishes = with_chip(draft.data.get("wishes", ""), press.arguments[1], press.last == "1", talk.language)
    talk.ask(talk.keep(draft, state=Step.WISHES, wishes=wishes), instead_of=pressed_message(call))


def skip(talk: Talk, call: CallbackQuery, _press: Press, draft: Draft) -> None:
    """On from the wishes with those that are there, or none."""
    if reachable(draft.data, Step.WISHES) is Step.WISHES:
        draft = talk.advance(draft, wishes=draft.data.get("wishes", ""))
    talk.ask(draft, instead_of=pressed_message(call))


def count(talk: Talk, call: CallbackQuery, press: Press, draft: Draft) -> None:
    """How many videos."""
    talk.ask(talk.advance(draft, count=int(press.last)), instead_of=pressed_message(call))


def drop(talk: Talk, call: CallbackQuery, _press: Press, draft: Draft) -> None:
    """Forgets the draft."""
    drafts.clear(talk.chat_id, talk.user_id)
    talk.close(draft, besides=talk.tell("dropped", instead_of=pressed_message(call)))
