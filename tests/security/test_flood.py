"""Somebody who asks for everything is told so once, in their language, and nobody else notices; a group asks for little."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import handlers
import run_bot
from neurocards import orders
from neurocards.clients import telegram
from neurocards.flood import BUDGET, Flood
from sandbox.client import SandboxClient
from sandbox.server import Sandbox
from tests import canaries
from tests.integration.conftest import settings_with


@pytest.fixture
def client(clean_db: str, idle_broker: Any) -> Iterator[SandboxClient]:
    """A Telegram of this test's own."""
    with Sandbox() as sandbox, SandboxClient(sandbox.url) as client:
        yield client


@pytest.fixture
def answer(client: SandboxClient) -> Callable[[], None]:
    """Has the bot answer whatever waits."""
    bot, flood, offset = telegram.connect(canaries.BOT_TOKEN, client.url), Flood(), 0
    handlers.register(bot, handlers.Context(settings_with()))

    def answer_all() -> None:
        nonlocal offset
        while updates := telegram.get_updates(bot, offset, 0):
            offset = updates[-1]["update_id"] + 1
            for update in updates:
                run_bot.admit(flood, bot, update)

    return answer_all


def test_too_much_is_said_once_in_the_language_the_person_chose(client, answer):
    # Given somebody whose Telegram is Russian, and who chose English
    anna, boris = client.user(language_code="ru"), client.user()
    anna.say("/start")
    answer()
    orders.set_language(anna.id, "en")
    # When they ask for far too much
    for _ in range(BUDGET + 10):
        anna.say("/balance")
    answer()
    # Then they are told once, after what the budget had paid for
    said = [message.text for message in anna.chat() if message.from_bot]
    assert sum("more than I can keep up with" in text for text in said) == 1
    assert len(said) == BUDGET + 1
    # And another person is answered
    boris.say("/start")
    answer()
    assert boris.chat()[-1].from_bot


def test_a_press_too_many_is_told_on_the_button_and_no_button_spins(client, answer):
    # Given somebody with a button before them and a budget all spent
    anna = client.user(language_code="ru")
    anna.say("/help")
    answer()
    menu = anna.chat()[-1]
    for _ in range(BUDGET - 1):
        anna.say("/balance")
    answer()
    # When they press it three times
    before = len(anna.chat())
    for _ in range(3):
        anna.tap(menu, data=menu.buttons[0][0][1])
    answer()
    # Then each press is answered, the first in words, and nothing is written into the chat
    texts = [call.get("text") for call in asked(client, "answerCallbackQuery")]
    assert len(texts) == 3
    assert "Подождите минуту" in texts[0]
    assert texts[1:] == [None, None]
    assert len(anna.chat()) == before


def test_in_a_group_only_what_is_meant_for_the_bot_is_answered(client, answer):
    # Given a group in which the bot is an administrator, and so is shown every word
    bot = client.call("GET", f"/bot{canaries.BOT_TOKEN}/getMe")["result"]
    ours = {"message_id": 1, "date": 1, "chat": GROUP, "from": bot, "text": "I only work in private chats"}
    to_others = [
        {"text": "привет"},
        {"text": "/ban @somebody"},
        {"text": f"/start@not_{bot['username']}"},
        {"caption": "фото"},
    ]
    to_us = [
        {"text": "/start"},
        {"text": f"/help@{bot['username'].upper()}"},
        {"text": f"@{bot['username']}, ты тут?"},
        {"text": "а почему?", "reply_to_message": ours},
    ]
    # When people talk there, Then the bot says where it works to those who spoke to it
    for said in to_others:
        client.raw_update({"message": in_group(**said)})
    answer()
    assert asked(client, "sendMessage") == []
    for said in to_us:
        client.raw_update({"message": in_group(**said)})
    answer()
    assert len(asked(client, "sendMessage")) == len(to_us)


GROUP = {"id": -1001, "type": "supergroup", "title": "Продавцы"}


def in_group(**said: Any) -> dict[str, Any]:
    return {"message_id": 2, "date": 1, "chat": GROUP, "from": {"id": 5, "is_bot": False, "first_name": "Анна"}, **said}


def asked(client: SandboxClient, method: str) -> list[dict[str, Any]]:
    """What the bot has asked of a method of Telegram's."""
    return [entry["request"] for entry in client.journal(service="telegram", endpoint=method)]
