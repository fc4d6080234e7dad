"""The dialogue in steps, for tests that disturb it: get to a step, go on from it, and see that nothing was lost meanwhile."""

import itertools
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from sandbox.client import ChatMessage, User
from sandbox.customer import PHOTO, TEXT, Customer, is_answer
from sandbox.local import ROOT
from tests.acceptance.conftest import Query, eventually

# What each question begins with, and how a customer in a hurry answers it.
QUESTIONS = {
    "photo": "Пришлите фото товара",
    "description": "Опишите товар",
    "template": "Какое видео снять?",
    "wishes": "Есть пожелания?",
    "count": "Сколько видео снять?",
    "confirm": "Проверьте заказ",
}
ANSWERS: dict[str, Callable[[Customer], ChatMessage]] = {
    "photo": lambda customer: customer.send(PHOTO),
    "description": lambda customer: customer.say(TEXT),
    "template": lambda customer: customer.tap("UGC-блогер"),
    "wishes": lambda customer: customer.tap("➡️"),  # «Пропустить», or «Дальше» when there are some
    "count": lambda customer: customer.tap("1 видео"),
    "confirm": lambda customer: customer.tap("Запустить"),
}
STEPS = tuple(QUESTIONS)
ANSWERED = ("photo_id", "description", "template", "wishes", "count")

_message_ids = itertools.count(1)


def reach(customer: Customer, step: str) -> ChatMessage:
    """From /start to the question of `step`."""
    answer = customer.say("/start")
    for earlier in STEPS[: STEPS.index(step)]:
        answer = ANSWERS[earlier](customer)
    assert QUESTIONS[step] in answer.text
    return answer


def complete(customer: Customer, step: str) -> ChatMessage:
    """Answers the open question `step` and all that follow; returns the card of the order."""
    for open_step in STEPS[STEPS.index(step) :]:
        assert customer.answer is not None and QUESTIONS[open_step] in customer.answer.text
        ANSWERS[open_step](customer)
    assert customer.answer is not None and "Заказ №" in customer.answer.text
    return customer.answer


def press(user: User, message: ChatMessage | int, label: str = "", **how: Any) -> dict[str, Any]:
    """Taps a button and returns the answer to the tap: its `text`, and whether it is an `alert`. `how` goes to `User.tap`."""
    seen = user.events()[-1]["n"]
    user.tap(message, label, **how)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        found = user.events(seen, wait=deadline - time.monotonic())
        if answers := [event for event in found if event["kind"] == "callback_answer"]:
            return answers[-1]
        seen = found[-1]["n"] if found else seen
    raise TimeoutError("the tap was not answered")


def send_raw(customer: Customer, **content: Any) -> ChatMessage:
    """Sends a message that no app would let a person send, such as one with a NUL in its text; returns the answer."""
    last = customer.user.chat()[-1].id
    customer.user.raw({"message": raw_message(customer.user, **content)})
    customer.answer = customer.user.wait(lambda shown: shown.id > last and is_answer(shown), 20)
    return customer.answer


def raw_message(user: User, **content: Any) -> dict[str, Any]:
    """A message of the user in their private chat, as the Bot API describes it."""
    person = {"id": user.id, "is_bot": False, "first_name": "Анна", "language_code": "ru"}
    chat = {"id": user.id, "type": "private", "first_name": "Анна"}
    return {"message_id": next(_message_ids), "date": int(time.time()), "from": person, "chat": chat, **content}


def grant(environment: dict[str, str], user_id: int, credits: int) -> None:
    """Gives credits as an operator does."""
    command = [sys.executable, "-m", "neurocards", "credits", "grant", str(user_id), str(credits), "--reason", "оплата"]
    subprocess.run(command, check=True, cwd=ROOT, env=environment, capture_output=True, timeout=60)


class Records:
    """What the database holds of one customer."""

    def __init__(self, rows: Query, user: User) -> None:
        self._rows = rows
        self._user = user

    def draft(self) -> dict[str, Any] | None:
        """The open question with the answers so far; None without a draft."""
        found = self._rows("SELECT state, data FROM drafts WHERE user_id = %s", self._user.id)
        if not found:
            return None
        data = found[0]["data"]
        return {"step": found[0]["state"], **{name: data[name] for name in ANSWERED if name in data}}

    def credits(self) -> int | None:
        """The balance; None for someone the bot has not met."""
        found = self._rows("SELECT credits FROM users WHERE id = %s", self._user.id)
        return found[0]["credits"] if found else None

    def orders(self) -> list[dict[str, Any]]:
        """The customer's orders, oldest first."""
        return self._rows("SELECT * FROM orders WHERE user_id = %s ORDER BY id", self._user.id)

    def everything(self) -> tuple[Any, ...]:
        """What must be the same after something that answers no question."""
        return self.draft(), self.credits(), self.orders()

    def wait_for(self, update_ids: list[int]) -> list[str | None]:
        """Waits until these updates are dealt with; returns for each the reason it was set aside, None for a handled one."""
        query = "SELECT handled_at, error FROM inbox WHERE update_id = ANY(%s) ORDER BY update_id"
        found: list[dict[str, Any]] = []

        def dealt_with() -> bool:
            found[:] = self._rows(query, update_ids)
            return len(found) == len(set(update_ids)) and all(row["handled_at"] for row in found)

        eventually(dealt_with)
        return [row["error"] for row in found]

    def set_aside(self) -> list[str]:
        """Why updates of this customer were set aside."""
        found = self._rows("SELECT error FROM inbox WHERE lane = %s AND error IS NOT NULL", self._user.id)
        return [row["error"] for row in found]

    def check_one_order(self, credits_left: int = 4) -> dict[str, Any]:
        """Asserts that there is one order, paid for once, and that no update was set aside; returns the order."""
        assert len(self.orders()) == 1
        assert self.credits() == credits_left
        assert self.set_aside() == []
        return self.orders()[0]
