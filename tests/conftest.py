"""Real PostgreSQL and Valkey for every test; only what is beyond the network is a stand-in.

With DATABASE_URL or REDIS_URL in the environment those servers are used and nothing is started; a scratch database is made on the
given server and dropped at the end.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import dramatiq
import pytest

from neurocards import db as database
from neurocards import dispatch, drafts, orders
from neurocards.db import db
from neurocards.migrate import migrate
from neurocards.models import TABLES, Job, Order
from sandbox.databases import empty_database
from sandbox.services import APPLICATION, Postgres, Valkey
from tests import canaries
from tests.canaries import pytest_runtest_makereport

__all__ = ["pytest_runtest_makereport"]  # a hook: pytest finds it by its name

ROOT = Path(__file__).parent.parent
PICTURE = ROOT / "sandbox" / "photos" / "coffee.jpg"


@pytest.fixture(scope="session")
def database_server() -> Iterator[str]:
    """The address of a PostgreSQL server."""
    if given := os.environ.get("DATABASE_URL"):
        yield given
        return
    with Postgres(ROOT / "var", durable=False) as server:
        yield server.url


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The address of a Redis or Valkey server."""
    if given := os.environ.get("REDIS_URL"):
        yield given
        return
    with Valkey(ROOT / "var") as server:
        yield server.url


@pytest.fixture(scope="session")
def scratch_url(database_server: str) -> Iterator[str]:
    """The address of an empty database of this run's own."""
    with empty_database(database_server) as url:
        yield url


@pytest.fixture(scope="session")
def migrated_url(scratch_url: str) -> Iterator[str]:
    """The scratch database with its tables, and our `db` pointed at it."""
    database.connect(scratch_url, pool_size=30)
    migrate()
    yield scratch_url
    db.close_all()


@pytest.fixture
def clean_db(migrated_url: str) -> Iterator[str]:
    """Empty tables, in which no secret is left behind."""
    names = ", ".join(model._meta.table_name for model in TABLES)
    with db:
        db.execute_sql(f"TRUNCATE {names} RESTART IDENTITY CASCADE")
    yield migrated_url
    assert list(canaries.in_rows(migrated_url, canaries.STATIC)) == []


def as_application(url: str) -> str:
    """The same database of our own server for the role of bot and workers."""
    parts = urlsplit(url)
    return parts._replace(netloc=f"{APPLICATION}@{parts.hostname}:{parts.port}").geturl()


@pytest.fixture(scope="session")
def idle_broker(redis_url: str) -> Iterator[dramatiq.Broker]:
    """A broker whose messages nobody reads."""
    broker = dispatch.make_broker(redis_url, [])
    dramatiq.set_broker(broker)
    yield broker
    broker.close()


@pytest.fixture
def person(clean_db: str, idle_broker: dramatiq.Broker):
    """A factory of people with a balance."""

    def make(user_id: int = 7, credits: int = 5, language: str = "ru") -> int:
        orders.meet(user_id, "Анна", language, credits)
        return user_id

    return make


@pytest.fixture
def ordered(person):
    """A factory of placed orders; messages for them go to a broker nobody listens to."""

    def make(user_id: int = 7, count: int = 1, template: str = "ugc", credits: int = 5) -> Order:
        person(user_id, credits)
        draft = ready_draft(user_id, count, template)
        return orders.place(user_id, user_id, draft.id, draft.version, 100)

    return make


def ready_draft(user_id: int = 7, count: int = 1, template: str = "ugc"):
    """A draft that only waits for the confirm."""
    photo = orders.save_photo(user_id, b"jpeg", 720, 1280)
    product = {"photo_id": photo, "description": "Кружка", "template": template, "wishes": "уют", "count": count}
    return drafts.save(user_id, user_id, state="confirm", **product)


def jobs_of(order: Order) -> list[Job]:
    """The order's jobs as they are now, by number."""
    with db:
        return list(Job.select().where(Job.order == order.id).order_by(Job.number))
