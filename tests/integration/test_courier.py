"""Telling people what the outbox holds, before a stand-in for Telegram that loses answers and refuses our token."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from neurocards import broadcasts, clock, courier, outbox
from neurocards.app import App
from neurocards.clients import telegram
from neurocards.db import db
from neurocards.models import Order, Outgoing
from sandbox.client import SandboxClient, User
from sandbox.server import Sandbox
from tests import canaries
from tests.integration.conftest import OPERATOR

LOST = {"kind": "lost_reply", "times": -1}
# What Telegram says to a token that was revoked, to one that never was, and while another bot is at it.
OUR_FAULT = [
    {
        "kind": "http",
        "status": status,
        "body": f'{{"ok": false, "error_code": {status}, "description": "{words}"}}',
        "times": -1,
    }
    for status, words in (
        (401, "Unauthorized"),
        (404, "Not Found"),
        (409, "Conflict: terminated by other getUpdates request"),
    )
]


@pytest.fixture(scope="module")
def server() -> Iterator[Sandbox]:
    """A Telegram of this module's own."""
    with Sandbox() as running:
        yield running


@pytest.fixture
def client(server: Sandbox) -> Iterator[SandboxClient]:
    """Its control, with nothing armed."""
    with SandboxClient(server.url) as client:
        client.clear_faults()
        yield client
        client.clear_faults()


@pytest.fixture
def app(worker, client: SandboxClient) -> App:
    """A worker that speaks to it."""
    return replace(worker(), telegram=telegram.Telegram(telegram.connect(canaries.BOT_TOKEN, client.url)))


@pytest.fixture
def anna(client: SandboxClient, person) -> User:
    """Somebody who can be told."""
    user = client.user(id=7)
    user.say("/start")
    person(7)
    return user


def notice() -> Outgoing:
    with db:
        outbox.notify_once("x", 7, "granted", credits=1)
    return the_row()


def alert() -> Outgoing:
    with db:
        outbox.alert((7,), "provider_down:kie", text="maintenance")
    return the_row()


def copy() -> Outgoing:
    broadcasts.start(OPERATOR, broadcasts.draft(OPERATOR, "Новость").id)
    return the_row()


def the_row() -> Outgoing:
    with db:
        return Outgoing.get()


def told_again(app: App, row: Outgoing) -> None:
    """Its time has come."""
    with db:
        Outgoing.update(due_at=clock.in_real(0)).execute()
    courier.tell(app, row.id)


def received(user: User) -> int:
    return sum(message.from_bot for message in user.chat())


@pytest.mark.parametrize(("make", "most"), [(notice, 2), (alert, 2), (copy, 1)])
def test_what_may_have_arrived_is_not_sent_without_end(app, anna, client, make, most):
    # Given a Telegram that takes messages and loses its answers
    row, before = make(), received(anna)
    client.fault("telegram", "sendMessage", **LOST)
    # When the row's time comes again and again
    for _ in range(5):
        told_again(app, row)
    # Then it was sent once more at most, a broadcast's copy not even that, and is taken for told
    assert received(anna) - before == most
    assert the_row().sent_at is not None


def test_a_card_that_may_have_arrived_is_drawn_once_more_and_again_with_the_next_change(app, ordered, client):
    user = client.user(id=8)
    user.say("/start")
    order: Order = ordered(8)
    row = the_row()
    client.fault("telegram", "sendMessage", **LOST)
    for _ in range(5):
        told_again(app, row)
    assert (received(user), the_row().sent_at is not None) == (2, True)
    # When something happens to the order, and Telegram answers
    client.clear_faults()
    with db:
        outbox.redraw_card(order)
    told_again(app, row)
    with db:
        assert Order.get_by_id(order.id).card_message_id == user.chat()[-1].id


def test_refusals_before_it_do_not_cost_a_message_its_second_chance(app, anna, client):
    # Given a notice that Telegram refused for now, three times
    row = notice()
    client.fault("telegram", "sendMessage", "http", status=502, times=3)
    for _ in range(3):
        told_again(app, row)
    # When then an answer is lost
    client.fault("telegram", "sendMessage", "lost_reply")
    told_again(app, row)
    # Then it is sent once more, and says what it said
    assert the_row().sent_at is None
    told_again(app, row)
    assert the_row().sent_at is not None
    assert "Вам начислено" in anna.chat()[-1].text


def test_the_second_sending_of_an_alert_is_like_the_first(app, anna, client):
    row = alert()
    client.fault("telegram", "sendMessage", "lost_reply")
    told_again(app, row)
    told_again(app, row)
    first, second = [message.text for message in anna.chat() if message.from_bot][-2:]
    assert first == second


@pytest.mark.parametrize("fault", OUR_FAULT, ids=lambda fault: fault["status"])
@pytest.mark.parametrize("make", [notice, alert, copy])
def test_nothing_is_lost_while_telegram_does_not_let_us_in(app, anna, client, make, fault):
    # Given a token that is not let in for a while
    row, before = make(), received(anna)
    client.fault("telegram", "sendMessage", **fault)
    for _ in range(3):
        told_again(app, row)
    # Then the row waits, a minute at least
    waiting = the_row()
    assert (waiting.sent_at, waiting.error) == (None, None)
    with db:
        soon = Outgoing.select().where(Outgoing.due_at < clock.in_real(courier.MENDING_TAKES - 1))
        assert not soon.exists()
    # And is told, once, when that is mended
    client.clear_faults()
    told_again(app, row)
    assert (received(anna) - before, the_row().sent_at is not None) == (1, True)


def test_a_broadcast_rests_as_a_whole_while_telegram_does_not_let_us_in(app, anna, client, person):
    person(8)
    broadcasts.start(OPERATOR, broadcasts.draft(OPERATOR, "Новость").id)
    with db:
        [first] = broadcasts.wake_due(0.1, 15.0)
    client.fault("telegram", "sendMessage", **OUR_FAULT[0])
    courier.tell(app, first)
    # Then the copy that was not even tried waits with the other
    with db:
        assert broadcasts.wake_due(1.0, 15.0) == []
