"""Somebody who asks for everything is told so once, in their language, and nobody else notices."""

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
