"""Webhook mode: several bot processes behind a proxy, and changes between polling and the webhook while people write."""

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress

import pytest
import requests

from sandbox.client import SandboxClient
from sandbox.customer import Customer
from sandbox.local import ROOT, Child, Local, free_port
from sandbox.proxy import Proxy
from tests.acceptance.books import assert_balanced
from tests.acceptance.conftest import Query, eventually, start
from tests.acceptance.dialogue import complete, reach

SECRET = "the-secret-of-this-rehearsal"


@pytest.fixture(scope="module")
def proxy() -> Iterator[Proxy]:
    """What stands before the bots."""
    with Proxy() as proxy:
        yield proxy


@pytest.fixture(scope="module")
def system(tmp_path_factory, database_server: str, redis_url: str, proxy: Proxy) -> Iterator[Local]:
    """A system in webhook mode, its first bot behind the proxy."""
    settings = {
        "BOT_MODE": "webhook",
        "PUBLIC_BASE_URL": proxy.url,
        "WEBHOOK_SECRET_TOKEN": SECRET,
    }
    for system in start(tmp_path_factory.mktemp("webhook"), database_server, redis_url, **settings):
        proxy.ports.append(system.port)
        yield system


@pytest.fixture
def another_bot(system: Local) -> Iterator[type]:
    """A factory of further bot processes, on ports of their own; `settings` differ from the first one's."""
    bots: list[Child] = []

    def make(port: int, **settings: str) -> Child:
        environment = {**system.environment, "PORT": str(port), **settings}
        bots.append(Child(f"bot-{len(bots) + 2}", [str(ROOT / "run_bot.py")], environment, system.folder))
        return bots[-1]

    yield make
    for bot in bots:
        bot.stop()


@pytest.fixture
def customers(client: SandboxClient):
    """A factory of people before their confirm."""

    def make(count: int) -> list[Customer]:
        people = [Customer(client.user()) for _ in range(count)]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda person: reach(person, "count"), people))
        return people

    return make


def everybody_orders(people: list[Customer]) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda person: complete(person, "count"), people))


def start_again(system: Local) -> None:
    """Starts the first bot and waits until it answers: the tests after this one may come in any order."""
    system.child("run_bot").start()
    eventually(lambda: answers(system.port), 30)


def answers(port: int) -> bool:
    """Whether a bot's HTTP server is up on this port."""
    with suppress(requests.ConnectionError):
        return requests.get(f"http://127.0.0.1:{port}/healthz", timeout=5).ok
    return False


def all_delivered(rows: Query) -> bool:
    return not rows("SELECT id FROM jobs WHERE status <> 'done'")


def assert_no_update_lost_or_doubled(rows: Query) -> None:
    assert (
        rows("SELECT update_id, error FROM inbox WHERE handled_at IS NULL OR error IS NOT NULL OR attempts > 1") == []
    )


def test_two_bots_behind_a_proxy_serve_everybody_once(system, proxy, another_bot, customers, rows):
    # Given two bot processes, of which the proxy asks one after the other
    port = free_port()
    second = another_bot(port)
    eventually(lambda: "stands by" in second.tail(), 30)
    proxy.ports.append(port)
    # When people order
    people = customers(6)
    everybody_orders(people)
    # Then both took updates, each was handled once, and every order is delivered once
    assert proxy.answered == {system.port, port}
    eventually(lambda: all_delivered(rows), 60)
    assert_no_update_lost_or_doubled(rows)
    assert_balanced(rows)
    # And when the one that handles is killed while people write, the other goes on with what it had
    people = customers(4)
    system.child("run_bot").kill()
    proxy.ports.remove(system.port)
    everybody_orders(people)
    eventually(lambda: all_delivered(rows), 60)
    assert rows("SELECT update_id FROM inbox WHERE handled_at IS NULL OR error IS NOT NULL") == []
    proxy.ports.remove(port)
    proxy.ports.append(system.port)
    second.stop()
    start_again(system)


def test_no_update_is_lost_while_the_mode_changes(system, another_bot, customers, rows):
    # Given people in the midst of an order with a bot in webhook mode
    people = customers(4)
    # When a polling bot is started beside it
    polling = another_bot(free_port(), BOT_MODE="polling")
    # Then it waits for its turn, and takes nothing away from the first
    eventually(lambda: "stands by" in polling.tail(), 30)
    # And when the first is told to stop while people go on, the second takes over, and back again
    ordering = threading.Thread(target=everybody_orders, args=(people,))
    ordering.start()
    system.child("run_bot").stop()
    ordering.join(60)
    assert not ordering.is_alive()
    people = customers(4)
    ordering = threading.Thread(target=everybody_orders, args=(people,))
    ordering.start()
    polling.stop()
    start_again(system)
    ordering.join(60)
    # Then everybody has their order, and every update was handled
    assert not ordering.is_alive()
    eventually(lambda: all_delivered(rows), 60)
    assert rows("SELECT update_id FROM inbox WHERE handled_at IS NULL OR error IS NOT NULL") == []
    assert_balanced(rows)


def test_strangers_who_hold_connections_open_shut_nobody_out(system):
    # Given many connections that begin a request and never end it
    begun = b"POST /telegram/webhook HTTP/1.1\r\nHost: bot\r\nContent-Length: 1000\r\n\r\n{"
    with ExitStack() as connections:
        for _ in range(150):
            connection = connections.enter_context(socket.create_connection(("127.0.0.1", system.port), timeout=5))
            connection.sendall(begun)
        # Then others are answered
        assert requests.get(f"http://127.0.0.1:{system.port}/healthz", timeout=5).ok
        answer = requests.post(f"http://127.0.0.1:{system.port}/telegram/webhook", json={}, timeout=5)
        assert answer.status_code == 403
