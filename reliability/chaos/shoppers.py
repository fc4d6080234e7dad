"""Customers with patience: whatever the bot says, late or twice, they look at the chat and do what it asks for now."""

import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from sandbox.client import ChatMessage, SandboxClient, SandboxRefused, User
from sandbox.customer import PHOTO, TEXT

# How long a customer looks at an unanswered message before doing the same again, and before going away (real seconds).
IMPATIENT_AFTER, GONE_AFTER = 8.0, 300.0
CARD = "Заказ №"


@dataclass(frozen=True)
class Shopper:
    """One person who wants one order of `count` videos. The hasty tap twice to confirm; the fickle then try to cancel."""

    user: User
    count: int = 1
    hasty: bool = False
    fickle: bool = False

    def order(self) -> bool:
        """From /start to the order's card; False when it never came."""
        self.user.say("/start")
        deadline, answered = time.monotonic() + GONE_AFTER, None
        while time.monotonic() < deadline:
            asked = self._asked(answered)
            if asked is not None and CARD in asked.text:
                self._reconsider(asked)
                return True
            with suppress(LookupError, SandboxRefused):  # the message changed between the look and the tap
                self._answer(None if _same(asked, answered) else asked)
            answered = asked
        return False

    def confirm(self, asked: ChatMessage) -> None:
        """Launches the order."""
        for _ in range(1 + self.hasty):
            self.user.tap(asked, "Запустить")

    def _answer(self, asked: ChatMessage | None) -> None:
        if asked is None:
            # Nothing, or the same again: a question that came twice may have a copy nobody listens to. The draft is kept.
            self.user.say("/start")
        else:
            next(act for part, act in DIALOGUE.items() if part in asked.text)(self, asked)

    def _reconsider(self, card: ChatMessage) -> None:
        if self.fickle:
            with suppress(LookupError, SandboxRefused):  # it is being made already: too late
                self.user.tap(card, "Отменить")

    def _asked(self, answered: ChatMessage | None) -> ChatMessage | None:
        """The open question, as soon as it is another than the answered one or when patience ends."""
        deadline = time.monotonic() + IMPATIENT_AFTER
        while True:
            # Events first: what changes after this look ends the wait below.
            events = self.user.events()
            chat = [message for message in reversed(self.user.chat()) if _is_question(message)]
            shown = next((message for message in chat if CARD in message.text), chat[0] if chat else None)
            if time.monotonic() > deadline or (shown and not _same(shown, answered)):
                return shown
            self.user.events(events[-1]["n"] if events else 0, wait=1.0)


def crowd(client: SandboxClient, videos: int, seed: int) -> list[Shopper]:
    """New people who together want so many videos: one in ten wants three, one in ten is hasty, one in twenty fickle."""
    rng = random.Random(seed)  # noqa: S311  a replay is wanted, not a secret
    shoppers: list[Shopper] = []
    while videos > 0:
        count = 3 if videos >= 3 and rng.random() < 0.1 else 1
        shoppers.append(Shopper(client.user(), count, hasty=rng.random() < 0.1, fickle=rng.random() < 0.05))
        videos -= count
    return shoppers


# What the bot asks -> what a customer does; the first that fits.
DIALOGUE: dict[str, Callable[[Shopper, ChatMessage], object]] = {
    "Заменить фото": lambda shopper, asked: shopper.user.tap(asked, "Оставить прежнее"),
    "Есть незаконченный заказ": lambda shopper, asked: shopper.user.tap(asked, "Продолжить"),
    "Проверьте заказ": lambda shopper, asked: shopper.confirm(asked),
    "Сколько видео снять?": lambda shopper, asked: shopper.user.tap(asked, f"{shopper.count} видео"),
    "Есть пожелания?": lambda shopper, asked: shopper.user.tap(asked, "➡️"),
    "Какое видео снять?": lambda shopper, asked: shopper.user.tap(asked, "UGC-блогер"),
    "Опишите товар": lambda shopper, _asked: shopper.user.say(TEXT),
    "Пришлите фото товара": lambda shopper, _asked: shopper.user.photo(PHOTO),
}


def _is_question(message: ChatMessage) -> bool:
    """An order's card too. A question is open as long as it has its buttons."""
    if not message.from_bot or message.kind == "video":
        return False
    return CARD in message.text or (bool(message.buttons) and any(part in message.text for part in DIALOGUE))


def _same(one: ChatMessage | None, other: ChatMessage | None) -> bool:
    return one is not None and other is not None and (one.id, one.text) == (other.id, other.text)
