"""The whole system as its own processes: bot and one worker instance, started by their commands, on a database of their own.

One system serves all tests of a run; each test brings its own customers, so that none disturbs another.
"""

import itertools
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import psycopg2.extras
import pytest

from sandbox.client import SandboxClient
from sandbox.customer import Customer
from sandbox.databases import empty_database
from sandbox.local import Local
from tests import canaries
from tests.conftest import as_application

# A render of 150 s takes 1.5 s, a retry after 30 to 120 s comes after 0.3 to 1.2 s.
TIME_SCALE = 100.0
OPERATOR = 424242

# Systems side by side must not take each other's messages, not even those of another xdist process on a given Redis.
# A server has sixteen; the first is for tests without processes.
_first = 7 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
_redis_databases = (1 + number % 15 for number in itertools.count(_first))


def start(
    folder: Path, database_server: str, redis_url: str, worker_options: Sequence[str] = (), **settings: str
) -> Iterator[Local]:
    """A system on an empty database; `settings` are further environment variables."""
    with empty_database(database_server) as owner_url:
        environment = _environment(owner_url, redis_url, settings)
        local = Local(
            folder, time_scale=float(settings.get("TIME_SCALE", TIME_SCALE)), prepared_video=True, settings=environment,
            worker_options=worker_options, owner_url=owner_url if environment["DATABASE_URL"] != owner_url else "",
        )  # fmt: skip
        with local:
            with SandboxClient(local.sandbox.url) as client:
                client.user(id=OPERATOR, first_name="Оператор").say("/start")
            yield local
        canaries.check(folder, local.environment, owner_url)


def _environment(owner_url: str, redis_url: str, settings: Mapping[str, str]) -> dict[str, str]:
    # On a given server bot and workers use its one role; on ours one that may do only what they need.
    application_url = owner_url if os.environ.get("DATABASE_URL") else canaries.with_password(as_application(owner_url))
    return {
        **canaries.SETTINGS,
        "DATABASE_URL": application_url,
        "REDIS_URL": urlsplit(redis_url)._replace(path=f"/{next(_redis_databases)}").geturl(),
        "ADMIN_IDS": str(OPERATOR),
        "WELCOME_CREDITS": "5",
        **settings,
    }


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory, database_server: str, redis_url: str) -> Iterator[Local]:
    """The system that most tests share."""
    yield from start(tmp_path_factory.mktemp("system"), database_server, redis_url)


@pytest.fixture
def client(system: Local) -> Iterator[SandboxClient]:
    """The sandbox's control; faults a test leaves armed are taken off."""
    with SandboxClient(system.sandbox.url) as client:
        yield client
        client.clear_faults()


@pytest.fixture
def anna(client: SandboxClient) -> Customer:
    """Someone the bot has never seen, with five welcome credits to come."""
    return Customer(client.user())


Query = Callable[..., list[dict]]


@pytest.fixture
def rows(system: Local) -> Query:
    """Asks the system's database: `rows("SELECT ... WHERE user_id = %s", anna.user.id)`."""
    return lambda sql, *values: ask(system.environment["DATABASE_URL"], sql, *values)


@pytest.fixture
def records(rows: Query, anna: Customer):
    """What the database holds of Anna."""
    from tests.acceptance.dialogue import Records  # which needs this file

    return Records(rows, anna.user)


def ask(url: str, sql: str, *values: object) -> list[dict]:
    """Rows of one query as dictionaries."""
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
            cursor.execute(sql, values)
            return [dict(row) for row in cursor.fetchall()]
    finally:
        connection.close()


def eventually(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Waits until the condition holds, for what has no event of its own. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"still not so after {seconds} s")
        time.sleep(0.05)
