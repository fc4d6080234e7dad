"""Processes that die, are told to stop, or hang, in every stage of an order: each order still ends, once."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg2
import pytest

from sandbox.client import SandboxClient
from sandbox.customer import Customer
from sandbox.local import ROOT, Child, Local
from tests.acceptance.books import (
    assert_asked_once_each,
    assert_balanced,
    attempts,
    creates,
    money,
    now,
    the_job,
    videos,
)
from tests.acceptance.conftest import Query, eventually, start
from tests.acceptance.dialogue import reach

# Liveness is not scaled: a worker is taken for dead after 15 real seconds, within which an order's deadline of an hour must not pass.
SCALE = 60
# Longer than any test: what hangs, hangs until its process is gone.
HOLD = 100
# Enough threads for one worker to have all the orders of a test in its hands.
THREADS = ("--threads", "10")

Act = Callable[[], object]


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory, database_server: str, redis_url: str) -> Iterator[Local]:
    """A system whose renders are quick."""
    folder, scale = tmp_path_factory.mktemp("crashes"), {"TIME_SCALE": str(SCALE)}
    for system in start(folder, database_server, redis_url, worker_options=THREADS, **scale):
        with SandboxClient(system.sandbox.url) as client:
            client.kie("PUT", "settings", render_seconds=20)
        yield system


@pytest.fixture(autouse=True)
def whole_again(system: Local, rows: Query) -> Iterator[None]:
    """After each test the books balance, and bot and worker run for the next one."""
    yield
    assert_balanced(rows)
    for child in system.children:
        if not child.running:
            child.start()


@pytest.fixture
def second_worker(system: Local) -> Iterator[Child]:
    """Another worker instance beside the first, alive and following."""
    child = Child("worker-2", [str(ROOT / "run_workers.py"), *THREADS], system.environment, system.folder)
    eventually(lambda: "ready for action" in child.tail(), 30)
    yield child
    child.stop()


def held(client: SandboxClient, service: str, endpoint: str, kind: str, act: Act) -> None:
    """Does something that makes a process call a vendor, and returns when that call is held up for good."""
    before = now(client)
    client.fault(service, endpoint, kind, seconds=HOLD)
    act()
    eventually(lambda: any(f"fault {kind}" in entry["note"] for entry in client.journal(before, service, endpoint)), 20)


def ready(client: SandboxClient) -> Customer:
    """A customer with everything but the confirm."""
    customer = Customer(client.user())
    reach(customer, "confirm")
    return customer


def confirm(customer: Customer) -> Act:
    return lambda: customer.tap("Запустить")


# Workers --------------------------------------------------------------------------------------------------------------


@pytest.mark.timeout(150)
def test_orders_in_every_stage_survive_the_death_of_their_worker(client, rows, system, request):
    # Given a worker, the leader besides, that holds an order in each stage, and another worker
    names = ["sent", "sending", "fetching", "checking", "created", "creating", "uploading", "writing"]
    orders = {name: ready(client) for name in names}
    for name, service, endpoint, kind in [
        ("sent", "telegram", "sendVideo", "late_reply"),
        ("sending", "telegram", "sendVideo", "hang"),
        ("fetching", "kie", "files", "hang"),
        ("checking", "kie", "recordInfo", "hang"),
        ("created", "kie", "createTask", "late_reply"),
        ("creating", "kie", "createTask", "hang"),
        ("uploading", "kie", "file-stream-upload", "hang"),
        ("writing", "openai", "chat/completions", "hang"),
    ]:
        held(client, service, endpoint, kind, confirm(orders[name]))
    waiting = ready(client)
    request.getfixturevalue("second_worker")
    # When it is killed, and one more order comes
    system.child("run_workers").kill()
    killed = time.monotonic()
    waiting.tap("Запустить")
    # Then that one is served at once by the other worker
    eventually(lambda: the_job(rows, waiting)["status"] == "done", 30)
    print(f"an order after the crash: {time.monotonic() - killed:.1f} s")
    # And every other order is taken back and delivered
    for name, customer in orders.items():
        eventually(lambda customer=customer: the_job(rows, customer)["finished_at"], 60)
        print(f"{name}: {time.monotonic() - killed:.1f} s")
        job = the_job(rows, customer)
        assert (name, job["status"], money(rows, job)) == (name, "done", ["debit", "capture"])
        reasons = rows("SELECT reason FROM job_events WHERE job_id = %s AND reason LIKE 'its worker died%%'", job["id"])
        assert len(reasons) == 1
        assert len(videos(customer)) == 1 or (name == "sent" and len(videos(customer)) == 2)
    # And no attempt asked for two tasks; only the request that never arrived needed another attempt
    assert_asked_once_each(entry for entry in creates(client) if "callBackUrl" in entry["request"])
    made = {name: len(attempts(rows, the_job(rows, customer))) for name, customer in orders.items()}
    assert made == dict.fromkeys(names, 1) | {"creating": 2}


@pytest.mark.timeout(60)
def test_processes_told_to_stop_are_gone_in_ten_seconds_and_leave_nothing_undone(client, rows, system, request):
    # Given a worker and a bot in the midst of calls that will not end
    orders = [ready(client) for _ in range(3)]
    held(client, "telegram", "sendVideo", "hang", confirm(orders[0]))
    held(client, "kie", "recordInfo", "hang", confirm(orders[1]))
    held(client, "openai", "chat/completions", "hang", confirm(orders[2]))
    asking = client.user()
    held(client, "telegram", "sendMessage", "hang", lambda: asking.say("/help"))
    request.getfixturevalue("second_worker")
    # When both are told to stop
    with ThreadPoolExecutor(2) as threads:
        took = list(threads.map(seconds_to_stop, system.children))
    # Then they are gone in time
    print("gone after", took)
    assert max(took) < 10
    # And the orders are free again at once: the other worker delivers them, and no crash is counted
    for customer in orders:
        eventually(lambda customer=customer: the_job(rows, customer)["finished_at"], 20)
        job = the_job(rows, customer)
        assert (job["status"], job["reclaims"], len(videos(customer))) == ("done", 0, 1)
        assert money(rows, job) == ["debit", "capture"]
    # And the next bot gives the answer
    system.child("run_bot").start()
    asking.wait("/balance", 20)


def seconds_to_stop(child: Child) -> float:
    began = time.monotonic()
    child.stop()
    return time.monotonic() - began


# The bot --------------------------------------------------------------------------------------------------------------


def test_a_killed_bot_goes_on_with_the_dialogue_where_it_was(anna, system):
    # Given a customer in the midst of the questions
    reach(anna, "description")
    # When the bot is killed, and the customer writes and waits
    system.child("run_bot").kill()
    anna.user.say("Чашка, 200 мл")
    system.child("run_bot").start()
    # Then the answer is the next question
    anna.answer = anna.user.wait("Какое видео", 20)


def test_a_bot_killed_in_the_midst_of_a_confirm_takes_the_order_once(client, rows, system):
    # Given a confirm that hangs in the database, before it is committed
    customer = ready(client)
    with closing(psycopg2.connect(system.environment["DATABASE_URL"])) as other, other.cursor() as cursor:
        cursor.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
        customer.user.tap(customer.answer, "Запустить")
        eventually(lambda: rows("SELECT 1 FROM pg_locks WHERE NOT granted"))
        # When the bot is killed there and started again
        system.child("run_bot").kill()
        system.child("run_bot").start()
        other.rollback()
    # Then there is one order, paid for once, and it is delivered
    eventually(lambda: rows("SELECT 1 FROM orders WHERE user_id = %s", customer.user.id), 20)
    eventually(lambda: the_job(rows, customer)["status"] == "done", 30)
    assert len(rows("SELECT 1 FROM orders WHERE user_id = %s", customer.user.id)) == 1
    assert money(rows, the_job(rows, customer)) == ["debit", "capture"]


def test_a_bot_killed_right_after_a_confirm_does_not_take_it_again(client, rows, system):
    # Given a confirm that is committed, and a bot that is killed before it could say so
    customer = ready(client)
    held(client, "telegram", "answerCallbackQuery", "hang", lambda: customer.user.tap(customer.answer, "Запустить"))
    system.child("run_bot").kill()
    # Then the workers deliver without the bot
    eventually(lambda: the_job(rows, customer)["status"] == "done", 30)
    # And when the bot is back it handles that tap once more, and it is still the same order
    system.child("run_bot").start()
    eventually(lambda: not rows("SELECT 1 FROM inbox WHERE handled_at IS NULL"), 20)
    assert len(rows("SELECT 1 FROM orders WHERE user_id = %s", customer.user.id)) == 1
    assert rows("SELECT credits FROM users WHERE id = %s", customer.user.id) == [{"credits": 4}]
