"""What the bot's process tells Telegram and the operators of how its updates come."""

from collections.abc import Iterator

import pytest

import run_bot
from neurocards.clients import telegram
from neurocards.db import db
from neurocards.models import Outgoing
from sandbox.client import SandboxClient
from sandbox.server import Sandbox
from tests import canaries
from tests.integration.conftest import OPERATOR, settings_with

ELSEWHERE = "http://127.0.0.1:9/other-program"


@pytest.fixture
def client() -> Iterator[SandboxClient]:
    """A Telegram of this test's own."""
    with Sandbox() as sandbox, SandboxClient(sandbox.url) as client:
        yield client


@pytest.mark.parametrize("secretive", [False, True], ids=["the address is known", "nobody tells the address"])
def test_the_address_of_a_webhook_that_is_taken_off_is_logged(client, caplog, secretive):
    # Given a webhook that somebody has set
    bot = telegram.connect(canaries.BOT_TOKEN, client.url)
    telegram.set_webhook(bot, ELSEWHERE, "the-secret-of-others")
    if secretive:
        client.fault(
            "telegram", "getWebhookInfo", "http", status=400, body='{"ok":false,"error_code":400,"description":"no"}'
        )
    # When a bot begins to poll
    run_bot.take_webhook_off(bot)
    # Then it is gone, and the log knows where updates went
    assert bot.get_webhook_info().url == ""
    assert (ELSEWHERE in caplog.text) is not secretive
    # And there is nothing to log when there was none
    caplog.clear()
    run_bot.take_webhook_off(bot)
    assert caplog.text == ""


def test_operators_hear_once_a_day_that_another_program_polls(clean_db):
    for _ in range(3):
        run_bot.tell_of_conflict(settings_with())
    with db:
        assert [(row.chat_id, row.payload) for row in Outgoing.select()] == [(OPERATOR, {"what": "token_shared"})]
