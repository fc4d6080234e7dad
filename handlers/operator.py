"""The operator's commands and buttons. `handlers` hands them only what an operator sent from their private chat.

What can't be done is raised as DeedRefused by the domain, and said in one place, `handlers.operator.refused`.
"""

import re
from collections.abc import Callable

from telebot.types import CallbackQuery, Message

from handlers import broadcasting, panels
from handlers.talk import Talk, pressed_message
from neurocards import inbox, lookup, operators, overview, service
from neurocards.buttons import Press
from neurocards.cards import Screen
from neurocards.db import db
from neurocards.errors import DeedRefused
from neurocards.texts import clean

_PERSON = r"(?P<who>[0-9]{1,18}|@[A-Za-z0-9_]{4,32})"
# What follows each command; anything else gets its usage.
SHAPES = {
    "user": re.compile(_PERSON),
    "grant": re.compile(rf"{_PERSON}\s+(?P<amount>[+-]?[0-9]{{1,6}})(\s+(?P<reason>.{{1,200}}))?", re.DOTALL),
    "ban": re.compile(rf"{_PERSON}(\s+(?P<reason>.{{1,200}}))?", re.DOTALL),
    "unban": re.compile(_PERSON),
    # A job's number, or the code that a customer reads in the notice of a failure: order and job.
    "job": re.compile(r"(№|#)?([0-9]{1,18}-)?(?P<job>[0-9]{1,18})"),
}


def menu(talk: Talk, _message: Message) -> None:
    """/admin: what an operator can do."""
    talk.tell("op-menu")


def stats(talk: Talk, _message: Message) -> None:
    """/stats: the service at a glance."""
    talk.show(_stats(talk))


def _stats(talk: Talk) -> Screen:
    return panels.stats(overview.overview(talk.context.settings.workers_configured), talk.language)


def user(talk: Talk, message: Message) -> None:
    """/user ID or @name: who that is."""
    talk.show(_known(talk, _person(_arguments("user", message))))


def _known(talk: Talk, user_id: int) -> Screen:
    return panels.person(lookup.person(user_id), talk.language)


def grant(talk: Talk, message: Message) -> None:
    """/grant ID N [reason]: asks whether to."""
    given = _arguments("grant", message)
    talk.show(_grant_question(talk, _person(given), int(given["amount"]), given["reason"] or ""))


def _grant_question(talk: Talk, user_id: int, amount: int, reason: str = "") -> Screen:
    asked = operators.ask_grant(talk.user_id, user_id, amount, reason)
    found = lookup.person(user_id).user
    values = {"user": str(user_id), "name": found.first_name or "?", "balance": found.credits, "credits": abs(amount)}
    text = talk.say("op-ask-grant" if amount > 0 else "op-ask-take", **values)
    return panels.asked(text, talk.say("op-button-yes"), asked, talk.language)


def ban(talk: Talk, message: Message) -> None:
    """/ban ID [reason]: keeps a person out."""
    given = _arguments("ban", message)
    user_id = _person(given)
    operators.ban(talk.user_id, user_id, given["reason"] or "", talk.context.settings.admins)
    talk.show(_known(talk, user_id))


def unban(talk: Talk, message: Message) -> None:
    """/unban ID: lets a person in again."""
    user_id = _person(_arguments("unban", message))
    operators.unban(talk.user_id, user_id)
    talk.show(_known(talk, user_id))


def job(talk: Talk, message: Message) -> None:
    """/job N: a job's story."""
    talk.show(panels.job(lookup.story(int(_arguments("job", message)["job"])), talk.language))


def keys(talk: Talk, _message: Message) -> None:
    """/keys: how the provider's keys fare."""
    talk.show(_keys(talk))


def _keys(talk: Talk) -> Screen:
    return panels.keys(overview.key_rows(), talk.language)


def pause(talk: Talk, _message: Message) -> None:
    """/pause and /resume: whether orders are taken; the button under it changes that."""
    talk.show(_orders(talk))


def _orders(talk: Talk) -> Screen:
    with db:
        return panels.orders(service.closed(), talk.language)


class Usage(Exception):
    """A command came without what it needs; the text is the command's name."""


def _arguments(command: str, message: Message) -> re.Match[str]:
    match = SHAPES[command].fullmatch("".join(clean(message.text).split(maxsplit=1)[1:]))
    if match is None:
        raise Usage(command)
    return match


def _person(given: re.Match[str]) -> int:
    who = given["who"]
    found = inbox.sender_named(who[1:]) if who.startswith("@") else int(who)
    if found is None:
        raise DeedRefused("no_name")
    return found


def refused(talk: Talk, message: Message, command: Callable[[Talk, Message], None]) -> None:
    """Runs a command; what it lacks or can't do is said."""
    try:
        command(talk, message)
    except Usage as usage:
        talk.tell(f"op-usage-{usage}")
    except DeedRefused as error:
        talk.tell(f"toast-refused-{error.reason}", **error.values)


# Buttons ----------------------------------------------------------------------------------------------------------------


def pressed(talk: Talk, call: CallbackQuery, press: Press) -> None:
    """An operator's button; what can't be done (any more) is said and changes nothing."""
    try:
        BUTTONS[press.action](talk, call, press)
    except DeedRefused as error:
        talk.answer(call, f"toast-refused-{error.reason}", alert=True, **error.values)


def look(talk: Talk, call: CallbackQuery, press: Press) -> None:
    """A screen, opened anew or in its place."""
    screen = SCREENS[press.action](talk, press)
    talk.answer(call)
    talk.show(screen, instead_of=pressed_message(call) if press.last == "same" else None)


def give(talk: Talk, call: CallbackQuery, press: Press) -> None:
    """«+1», «+5»: asks whether to."""
    _asked(talk, call, _grant_question(talk, press.id, int(press.last)))


def _asked(talk: Talk, call: CallbackQuery, screen: Screen) -> None:
    # The tap is answered first: whoever sees it unanswered taps again.
    talk.answer(call)
    talk.show(screen)


def bar(talk: Talk, call: CallbackQuery, press: Press) -> None:
    """Keeps the person out, or lets them in."""
    if press.last == "1":
        operators.ban(talk.user_id, press.id, "", talk.context.settings.admins)
    else:
        operators.unban(talk.user_id, press.id)
    _done(talk, call, _known(talk, press.id))


def hurry(talk: Talk, call: CallbackQuery, press: Press) -> None:
    """«Повторить сейчас», «Проверить сейчас»."""
    operators.hurry(talk.user_id, press.id)
    _done(talk, call, panels.job(lookup.story(press.id), talk.language))


def refund(talk: Talk, call: CallbackQuery, press: Press) -> None:
    """«Вернуть кредит»: asks whether to."""
    asked = operators.ask_refund(talk.user_id, press.id)
    key = "op-ask-goodwill" if lookup.story(press.id).job.status == "done" else "op-ask-refund"
    text = talk.say(key, job=str(press.id))
    _asked(talk, call, panels.asked(text, talk.say("op-button-yes"), asked, talk.language))


def yes(talk: Talk, call: CallbackQuery, press: Press) -> None:
    """Does what was asked, once."""
    moved = operators.agree(talk.user_id, press.id)
    _done(talk, call, _keys(talk) if moved is None else panels.moved(moved, talk.language))


def no(talk: Talk, call: CallbackQuery, press: Press) -> None:
    """Leaves things as they are, for good: a yes after it comes too late, as it does after a yes."""
    operators.decline(talk.user_id, press.id)
    talk.answer(call)
    talk.tell("op-nothing-done", instead_of=pressed_message(call))


def orders(talk: Talk, call: CallbackQuery, press: Press) -> None:
    """Takes orders, or no more; the button says which, so that two taps are one."""
    if press.last == "1":
        operators.open_orders(talk.user_id)
    else:
        operators.close_orders(talk.user_id)
    _done(talk, call, _orders(talk))


def lock(talk: Talk, call: CallbackQuery, press: Press) -> None:
    """«В карантин»: asks whether to."""
    asked, last = operators.ask_lock(talk.user_id, press.last)
    text = talk.say("op-ask-lock-last" if last else "op-ask-lock", fingerprint=press.last)
    _asked(talk, call, panels.asked(text, talk.say("op-button-yes"), asked, talk.language))


def release(talk: Talk, call: CallbackQuery, press: Press) -> None:
    """Puts a key back to work."""
    operators.release_key(talk.user_id, press.last)
    _done(talk, call, _keys(talk))


def _done(talk: Talk, call: CallbackQuery, screen: Screen) -> None:
    talk.answer(call, "toast-done")
    talk.show(screen, instead_of=pressed_message(call))


SCREENS: dict[str, Callable[[Talk, Press], Screen]] = {
    "op-stats": lambda talk, _press: _stats(talk),
    "op-keys": lambda talk, _press: _keys(talk),
    "op-user": lambda talk, press: _known(talk, press.id),
    "op-job": lambda talk, press: panels.job(lookup.story(press.id), talk.language),
}
COMMANDS: dict[str, Callable[[Talk, Message], None]] = {
    "stats": stats,
    "user": user,
    "grant": grant,
    "ban": ban,
    "unban": unban,
    "job": job,
    "keys": keys,
    "pause": pause,
    "resume": pause,
    "broadcast": broadcasting.compose,
}
BUTTONS: dict[str, Callable[[Talk, CallbackQuery, Press], None]] = {
    **dict.fromkeys(SCREENS, look),
    "op-give": give,
    "op-bar": bar,
    "op-hurry": hurry,
    "op-refund": refund,
    "op-yes": yes,
    "op-no": no,
    "op-orders": orders,
    "op-lock": lock,
    "op-release": release,
    "op-cast": broadcasting.pressed,
}
