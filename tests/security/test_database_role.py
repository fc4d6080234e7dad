"""The role of bot and workers may write rows and nothing else: no history is rewritten with it, no table changed, no trigger taken off."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import psycopg2.errors
import pytest

from neurocards import db as database
from neurocards import ledger, maintenance, orders, privileges
from neurocards.audit import audit
from neurocards.db import db
from neurocards.errors import ConfigurationMistake
from neurocards.keys import KeyPool
from neurocards.leadership import HANDLER, Lock
from neurocards.migrate import migrate
from neurocards.models import TABLES
from sandbox.databases import outside_transaction
from sandbox.services import APPLICATION
from tests.conftest import as_application, jobs_of

ROOT = Path(__file__).parents[2]
OURS_ONLY = pytest.mark.skipif(bool(os.environ.get("DATABASE_URL")), reason="a given server has no second role")

FORBIDDEN = (
    "UPDATE ledger_entries SET amount = 1000",
    "DELETE FROM ledger_entries",
    "TRUNCATE ledger_entries",
    "TRUNCATE ledger_entries CASCADE",
    "ALTER TABLE ledger_entries DISABLE TRIGGER ALL",
    "ALTER TABLE ledger_entries DISABLE TRIGGER ledger_entries_are_append_only",
    "DROP TRIGGER ledger_entries_are_append_only ON ledger_entries",
    "CREATE TRIGGER mine BEFORE INSERT ON ledger_entries FOR EACH ROW EXECUTE FUNCTION refuse_ledger_change()",
    "CREATE OR REPLACE FUNCTION refuse_ledger_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "DROP FUNCTION refuse_ledger_change() CASCADE",
    "CREATE RULE mine AS ON INSERT TO ledger_entries DO INSTEAD NOTHING",
    "ALTER TABLE ledger_entries ALTER COLUMN amount DROP NOT NULL",
    "ALTER TABLE ledger_entries DROP CONSTRAINT amount_has_the_sign_of_its_kind",
    "ALTER TABLE ledger_entries OWNER TO CURRENT_USER",
    "DROP TABLE ledger_entries",
    "DROP INDEX one_settlement_per_job",
    "SELECT setval(pg_get_serial_sequence('ledger_entries', 'id'), 1)",
    "SET session_replication_role = 'replica'",
    "UPDATE job_events SET reason = 'x'",
    "DELETE FROM job_events",
    "TRUNCATE jobs CASCADE",
    "DELETE FROM jobs",
    "DELETE FROM orders",
    "DELETE FROM users",
    "DELETE FROM photos",
    "DELETE FROM provider_attempts",
    "DELETE FROM api_keys",
    "ALTER TABLE users DROP CONSTRAINT users_credits_check",
    "CREATE TABLE mine (n integer)",
    "CREATE TEMPORARY TABLE users (n integer)",
    "CREATE VIEW mine AS SELECT 1",
    "CREATE SCHEMA mine",
    "CREATE EXTENSION dblink",
    "CREATE FUNCTION mine() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    "CREATE ROLE mine SUPERUSER",
    "CREATE DATABASE mine",
    "ALTER ROLE CURRENT_USER SUPERUSER",
    "GRANT neurocards TO CURRENT_USER",
    "SET ROLE neurocards",
    "SET SESSION AUTHORIZATION neurocards",
    "SELECT * FROM schema_migration",
    "DELETE FROM schema_migration",
    "COPY users TO PROGRAM 'cat'",
    "COPY users FROM '/etc/passwd'",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT lo_import('/etc/passwd')",
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'neurocards' AND pid <> pg_backend_pid()",
    "ALTER SYSTEM SET fsync = off",
    "LOCK TABLE ledger_entries IN ACCESS EXCLUSIVE MODE",
    "ALTER DATABASE neurocards SET search_path = mine",
)


@pytest.fixture
def application(clean_db: str) -> str:
    """The address of the test's database for the role of bot and workers, which a migration has granted what it needs."""
    migrate(APPLICATION)
    return as_application(clean_db)


@pytest.fixture
def as_the_application(application: str, clean_db: str) -> Iterator[None]:
    """Our own `db` under that role."""
    db.close_all()
    database.connect(application, pool_size=30)
    yield
    db.close_all()
    database.connect(clean_db, pool_size=30)


@OURS_ONLY
@pytest.mark.parametrize("statement", FORBIDDEN)
def test_it_may_not(application, ordered, statement):
    # Given a ledger with entries, and jobs
    ordered()
    before = dump(application)
    # When the role of bot and workers tries, Then the server refuses
    run_refused(application, statement)
    assert dump(application) == before


def run_refused(url: str, statement: str) -> None:
    connection = psycopg2.connect(url)
    try:
        connection.autocommit = not statement.startswith("LOCK")
        with connection.cursor() as cursor, pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute(statement)
    finally:
        connection.close()


def dump(url: str) -> list[tuple]:
    connection = psycopg2.connect(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT * FROM ledger_entries ORDER BY id")
            entries = cursor.fetchall()
            cursor.execute("SELECT * FROM job_events ORDER BY id")
            return entries + cursor.fetchall()
    finally:
        connection.close()


@OURS_ONLY
def test_all_that_is_done_now_and_then_it_may(as_the_application, ordered):
    """What the acceptance tests, which run under this role too, don't come by: the nightly audit, pruning, keys, corrections."""
    # Given an order, made under this role
    job = jobs_of(ordered())[0]
    privileges.check()
    # Then an operator may correct the balance, and the nightly jobs may run
    with db:
        assert ledger.grant(job.user_id, 3, "a gift", "operator")
    KeyPool([("one", "key-a")]).enrol()
    maintenance.prune()
    assert audit() == []
    assert orders.balance(job.user_id) == 7
    # And it takes part in who leads
    lock = Lock(HANDLER)
    assert lock.held()
    lock.release()


@OURS_ONLY
def test_granting_again_changes_nothing_and_takes_away_what_was_added(clean_db, application):
    granted = grants(clean_db)
    # Given a right that somebody gave by hand
    outside_transaction(clean_db, f"GRANT UPDATE, DELETE ON ledger_entries TO {APPLICATION}")
    outside_transaction(clean_db, "GRANT DELETE ON ledger_entries TO PUBLIC")
    assert grants(clean_db) != granted
    # When migrations run again, Then it is gone
    migrate(APPLICATION)
    migrate(APPLICATION)
    assert grants(clean_db) == granted


def grants(url: str) -> list[tuple]:
    connection = psycopg2.connect(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT relname, relacl::text FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1"
            )
            return cursor.fetchall()
    finally:
        connection.close()


def test_every_table_is_thought_of():
    assert set(privileges.NEEDED) == {model._meta.table_name for model in TABLES}
    # And what may be added to but not changed is exactly the money, the history, and what operators did
    unchanging = {name for name, may in privileges.NEEDED.items() if "UPDATE" not in may}
    assert unchanging == {"ledger_entries", "job_events", "operator_actions"}


@OURS_ONLY
@pytest.mark.parametrize(
    ("role", "complaint"), [("nobody_here", "no role nobody_here"), ("neurocards", "could still change tables")]
)
def test_a_role_that_would_not_be_held_is_refused(clean_db, role, complaint):
    before = grants(clean_db)
    # When APP_ROLE is a name of nobody, or the owner itself
    with pytest.raises(ConfigurationMistake, match=complaint):
        migrate(role)
    # Then that is said, and nothing was changed
    assert grants(clean_db) == before


@OURS_ONLY
def test_a_grant_that_was_forgotten_is_said_at_the_start(as_the_application, clean_db):
    # Given a migration that was run without APP_ROLE: a new table is nobody's but the owner's
    outside_transaction(clean_db, f"REVOKE ALL ON pauses FROM {APPLICATION}")
    try:
        # When bot or worker looks whether it can begin, Then one line says what is missing and what to do
        with pytest.raises(privileges.NotGranted) as refused:
            privileges.check()
        line = database.in_a_line(refused.value)
        assert "neurocards_app lacks" in line and "INSERT on pauses" in line and "APP_ROLE=neurocards_app" in line
        assert "\n" not in line and "SELECT on jobs" not in line
    finally:
        migrate_as_owner(clean_db)


def migrate_as_owner(url: str) -> None:
    environment = {"PATH": os.environ["PATH"], "DATABASE_URL": url, "APP_ROLE": APPLICATION}
    subprocess.run(
        [sys.executable, "-m", "neurocards", "migrate"],
        check=True,
        cwd=ROOT,
        env=environment,
        capture_output=True,
        timeout=60,
    )


@OURS_ONLY
@pytest.mark.parametrize(
    ("settings", "status", "complaint"),
    [
        ({}, 1, "permission denied"),
        ({"APP_ROLE": "nobody_here"}, 2, "there is no role nobody_here"),
        ({"APP_ROLE": "Robert'); DROP TABLE users"}, 2, "APP_ROLE is malformed"),
    ],
)
def test_a_migration_that_cannot_be_is_one_line(application, clean_db, settings, status, complaint):
    # When migrations are run by the wrong role, or for an impossible one
    url = clean_db if settings else application
    environment = {"PATH": os.environ["PATH"], "DATABASE_URL": url, **settings}
    command = [sys.executable, "-m", "neurocards", "migrate"]
    done = subprocess.run(command, check=False, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    # Then one line says so
    assert done.returncode == status
    assert complaint in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_the_system_under_test_runs_under_this_role():
    # What all acceptance tests start
    source = (ROOT / "tests" / "acceptance" / "conftest.py").read_text()
    assert re.search(r"as_application\(owner_url\)", source)
    assert urlsplit(as_application("postgresql://neurocards@127.0.0.1:5/x")).username == APPLICATION
