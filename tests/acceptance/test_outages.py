"""PostgreSQL or Valkey away: at the start, in the midst of everything, for a while or for a blink. Nothing is lost or doubled."""

from collections.abc import Iterator

import pytest
import redis
import requests

from sandbox.client import SandboxClient
from sandbox.customer import Customer
from sandbox.local import ROOT, Local
from sandbox.services import Services
from tests.acceptance.books import (
    assert_asked_once_each,
    assert_balanced,
    assert_delivered,
    attempts,
    creates,
    now,
    the_job,
)
from tests.acceptance.conftest import Query, eventually, start
from tests.acceptance.dialogue import reach


@pytest.fixture(scope="module")
def services() -> Iterator[Services]:
    """Servers of this module's own, which it may stop and kill."""
    with Services(ROOT / "var", durable=False) as services:
        yield services


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory, services: Services) -> Iterator[Local]:
    """A system on those servers, with threads for several slow calls at once."""
    folder, options = tmp_path_factory.mktemp("outages"), ("--threads", "8")
    yield from start(folder, services.postgres.url, services.valkey.url, worker_options=options)


@pytest.fixture(autouse=True)
def whole_again(services: Services, rows: Query) -> Iterator[None]:
    """After each test both servers run and the books balance."""
    yield
    services.postgres.start()
    services.valkey.start()
    assert_balanced(rows)


def noticed(system: Local, *signs: str) -> None:
    """Waits until bot and worker have each logged what they miss."""
    for child, sign in zip((system.child("run_bot"), system.child("run_workers")), signs, strict=True):
        eventually(lambda child=child, sign=sign: sign in child.tail(200), 20)


def in_every_stage(client: SandboxClient, seconds: float) -> dict[str, Customer]:
    """Orders that are each in the midst of a call that takes `seconds`, and one whose video is being made meanwhile."""
    orders = {name: Customer(client.user()) for name in ("sending", "fetching", "creating", "rendering", "writing")}
    for customer in orders.values():
        reach(customer, "confirm")
    for name, service, endpoint in [
        ("sending", "telegram", "sendVideo"),
        ("fetching", "kie", "files"),
        ("creating", "kie", "createTask"),
        ("writing", "openai", "chat/completions"),
    ]:
        after = now(client)
        client.fault(service, endpoint, "slow", seconds=seconds)
        orders[name].tap("Запустить")
        reached(client, after, name)
    client.fault("kie", "createTask", "duration", seconds=300)
    orders["rendering"].tap("Запустить")
    return orders


# What each order has asked of a vendor last before it comes to its slow call, which is journaled only when it ends.
BEFORE = {"sending": ("kie", "files"), "fetching": ("kie", "recordInfo"), "creating": ("kie", "file-stream-upload")}


def reached(client: SandboxClient, after: int, name: str) -> None:
    if name in BEFORE:
        service, endpoint = BEFORE[name]
        assert client.journal(after, service, endpoint, wait=20)


# At the start ---------------------------------------------------------------------------------------------------------


def test_bot_and_worker_wait_for_both_servers_and_then_work(anna, rows, services, system):
    # Given neither PostgreSQL nor Valkey
    for child in system.children:
        child.stop()
    services.postgres.stop()
    services.valkey.stop()
    # When bot and worker are started
    for child in system.children:
        child.start()
    # Then they live, and say what they wait for; the bot's HTTP side knows as much
    noticed(system, "waiting for PostgreSQL at 127.0.0.1", "PostgreSQL is away")
    eventually(lambda: status_of(system, "healthz") == 200)
    assert status_of(system, "readyz") == status_of(system, "queue_stats") == 503
    # And once both are there, an order goes through
    services.postgres.start()
    services.valkey.start()
    anna.order()
    assert_delivered(rows, anna)


def status_of(system: Local, path: str) -> int:
    try:
        with requests.get(f"http://127.0.0.1:{system.port}/{path}", timeout=10) as answer:
            return answer.status_code
    except requests.ConnectionError:
        return 0


# In the midst ---------------------------------------------------------------------------------------------------------


def test_orders_in_every_stage_outlive_an_outage_of_the_database(client, rows, services, system):
    # Given orders in every stage, and someone in the dialogue
    before = now(client)
    orders = in_every_stage(client, seconds=4)
    talking = Customer(client.user())
    reach(talking, "description")
    # When PostgreSQL goes away for longer than those calls take, and people write meanwhile
    services.postgres.stop()
    talking.user.say("Чашка, 200 мл")
    newcomer = client.user()
    newcomer.say("/start")
    noticed(system, "waiting for PostgreSQL", "PostgreSQL is away")
    eventually(
        lambda: ended(client, before, "telegram", "sendVideo") and ended(client, before, "kie", "createTask"), 20
    )
    services.postgres.start()
    # Then whoever wrote is answered
    talking.user.wait("Какое видео", 30)
    newcomer.wait("Пришлите фото", 30)
    # And every order is delivered by its first attempt: the outage was not theirs to pay for
    for customer in orders.values():
        job = assert_delivered(rows, customer)
        assert [row["state"] for row in attempts(rows, job)] == ["succeeded"]
    assert_asked_once_each(creates(client, before))
    assert len(creates(client, before)) == len(orders)


def ended(client: SandboxClient, after: int, service: str, endpoint: str) -> bool:
    """Whether the slow call has been answered."""
    return any("fault slow" in entry["note"] for entry in client.journal(after, service, endpoint))


def test_orders_in_every_stage_outlive_a_crash_of_the_database(client, rows, services):
    # Given orders in every stage
    before = now(client)
    orders = in_every_stage(client, seconds=2)
    # When PostgreSQL crashes and is back at once, all of its connections gone
    services.postgres.restart(immediate=True)
    # Then every order is delivered, and KIE was asked once for each
    for customer in orders.values():
        job = assert_delivered(rows, customer)
        assert [row["state"] for row in attempts(rows, job)] == ["succeeded"]
    assert len(creates(client, before)) == len(orders)


def test_orders_outlive_an_outage_of_valkey_and_are_taken_during_it(anna, client, rows, services, system):
    # Given an order whose video is being made
    boris = Customer(client.user())
    client.fault("kie", "createTask", "duration", seconds=300)
    boris.order()
    # When Valkey goes away with all its messages, and somebody orders meanwhile
    services.valkey.kill()
    anna.order()
    eventually(lambda: "redis is away" in system.child("run_bot").tail(200))
    assert the_job(rows, anna)["status"] == "queued"
    services.valkey.start()
    # Then both are delivered
    for customer in (anna, boris):
        assert_delivered(rows, customer)


def test_messages_wiped_out_of_valkey_are_sent_again(client, rows, services):
    # Given orders in every stage
    orders = in_every_stage(client, seconds=1)
    # When every message is wiped out
    with redis.Redis.from_url(services.valkey.url) as connection:
        connection.flushall()
    # Then the sweep sends them again, and every order is delivered
    for customer in orders.values():
        assert_delivered(rows, customer)
