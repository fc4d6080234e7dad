"""schema.sql is the authority: models mirror it, migrations lead to it, and it refuses what can't be true."""

import re
from pathlib import Path
from urllib.parse import urlsplit

import peewee
import psycopg2
import pytest
from playhouse.migrations import Runner
from playhouse.reflection import Introspector

from neurocards.db import db
from neurocards.migrate import MIGRATIONS, SCHEMA, migrate
from neurocards.models import TABLES, Job, JobEvent, LedgerEntry, Order, ProviderAttempt, User
from sandbox.databases import empty_database
from tests.conftest import jobs_of

COLUMNS = """
    SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns
    WHERE table_schema = 'public' AND table_name <> 'schema_migration' ORDER BY 1, ordinal_position"""
CONSTRAINTS = """
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text <> 'schema_migration'
    ORDER BY 1, 2"""
INDEXES = """
    SELECT tablename, indexname, indexdef FROM pg_indexes
    WHERE schemaname = 'public' AND tablename <> 'schema_migration' ORDER BY 1, 2"""
TRIGGERS = "SELECT tgrelid::regclass::text, tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1, 2"
# What a Peewee column may be in PostgreSQL's words.
TYPES = {
    "BIGINT": {"bigint"}, "INT": {"integer"}, "BIGSERIAL": {"bigint"}, "INTEGER": {"integer"}, "SMALLINT": {"smallint"},
    "TEXT": {"text"}, "BYTEA": {"bytea"}, "SERIAL": {"integer"},
    "BOOL": {"boolean"}, "BLOB": {"bytea"}, "UUID": {"uuid"}, "NUMERIC": {"numeric"}, "DECIMAL": {"numeric"}, "JSONB": {"jsonb"},
    "DOUBLE PRECISION": {"double precision"}, "DOUBLE": {"double precision"},
    "DATETIME": {"timestamp with time zone"}, "TIMESTAMPTZ": {"timestamp with time zone", "ARRAY"},
}  # fmt: skip


def fingerprint(url: str) -> dict[str, list[tuple]]:
    """Everything about a database that could differ."""
    connection = psycopg2.connect(url)
    try:
        with connection.cursor() as cursor:
            return {
                name: _rows(cursor, query)
                for name, query in (("c", COLUMNS), ("k", CONSTRAINTS), ("i", INDEXES), ("t", TRIGGERS))
            }
    finally:
        connection.close()


def _rows(cursor, query: str) -> list[tuple]:
    cursor.execute(query)
    return cursor.fetchall()


@pytest.fixture
def empty_url(database_server):
    """A database with nothing in it."""
    with empty_database(database_server) as url:
        yield url


def test_an_upgraded_database_equals_a_fresh_one(migrated_url, empty_url):
    # Given a database brought up by every numbered migration instead of schema.sql
    other = peewee.PostgresqlDatabase(
        empty_url.rsplit("/", 1)[1], host="127.0.0.1", port=urlsplit(empty_url).port, user=urlsplit(empty_url).username
    )
    with other:
        Runner(other, str(MIGRATIONS)).up()
    # Then it has the same columns, constraints, indexes and triggers as a fresh one
    assert fingerprint(empty_url) == fingerprint(migrated_url)


def test_migrating_again_changes_nothing(migrated_url):
    # Given an up-to-date database
    before = fingerprint(migrated_url)
    # When it is migrated twice more
    applied = [migrate(), migrate()]
    # Then nothing was applied and nothing differs
    assert applied == [[], []]
    assert fingerprint(migrated_url) == before


def test_models_have_the_tables_columns_types_and_nullability_of_the_schema(clean_db):
    with db:
        introspector = Introspector.from_database(db)
        tables = set(introspector.introspect().model_names)
        facts = {(table, column): (kind, nullable == "YES") for table, column, kind, nullable, _ in _columns()}
    # Given the columns of all models
    modelled = {(m._meta.table_name, f.column_name): f for m in TABLES for f in m._meta.sorted_fields}
    # Then both sides have the same tables and columns
    assert {table for table, _ in modelled} == tables - {"schema_migration"}
    assert set(modelled) == set(facts)
    # And each column has a fitting type and the same nullability
    for name, field in modelled.items():
        target = field.rel_field if isinstance(field, peewee.ForeignKeyField) else field
        kind = "BIGINT" if target.field_type.upper() == "BIGAUTO" else target.field_type.upper()
        assert facts[name][0] in TYPES[kind], (name, kind)
        assert facts[name][1] == field.null, name


def _columns():
    return db.execute_sql(COLUMNS).fetchall()


def test_models_know_the_uniqueness_of_the_schema(clean_db):
    # Given the unique columns of the schema, partial indexes aside
    declared = {
        (table, tuple(re.search(r"\((.*?)\)", rule)[1].split(", ")))
        for table, _, rule in _constraints()
        if rule.startswith("UNIQUE")
    }
    # When the models' own are collected
    single = {(m._meta.table_name, (f.column_name,)) for m in TABLES for f in m._meta.sorted_fields if f.unique}
    several = {
        (m._meta.table_name, tuple(m._meta.fields[n].column_name for n in names))
        for m in TABLES
        for names, unique in m._meta.indexes
        if unique
    }
    # Then they agree
    assert single | several == declared


def _constraints():
    with db:
        return db.execute_sql(CONSTRAINTS).fetchall()


def test_every_constraint_and_index_is_explained_or_named():
    # Given the schema's partial unique indexes
    text = SCHEMA.read_text()
    names = re.findall(r"CREATE UNIQUE INDEX (\w+)", text)
    # Then each name says the rule it keeps
    assert set(names) == {"one_live_attempt_per_job", "one_debit_per_job", "one_settlement_per_job"}
    assert Path(SCHEMA).name == "schema.sql"


REFUSED = {
    "a negative balance": lambda job: User.update(credits=-1).where(User.id == job.user_id),
    "done without a finish time": lambda job: Job.update(status="done", stage=None).where(Job.id == job.id),
    "a finish time while queued": lambda job: Job.update(finished_at=peewee.SQL("now()")).where(Job.id == job.id),
    "a stage while queued": lambda job: Job.update(stage="script").where(Job.id == job.id),
    "half a claim": lambda job: Job.update(status="processing", stage="script", claimed_by="me").where(
        Job.id == job.id
    ),
    "a second debit": lambda job: LedgerEntry.insert(
        user=job.user_id, job=job.id, kind="debit", amount=-1, reason="x", actor="x"
    ),
    "a debit that gives": lambda job: LedgerEntry.insert(
        user=job.user_id, job=job.id, kind="debit", amount=1, reason="x", actor="x"
    ),
    "a changed entry": lambda job: LedgerEntry.update(amount=5),
    "a deleted entry": lambda job: LedgerEntry.delete(),
    "a grant for a job": lambda job: LedgerEntry.insert(
        user=job.user_id, job=job.id, kind="grant", amount=1, reason="x", actor="x"
    ),
    "an impossible move": lambda job: JobEvent.insert(
        job=job.id, from_status="done", to_status="queued", reason="x", actor="x"
    ),
    "submit without a prompt": lambda job: Job.update(status="processing", stage="submit").where(Job.id == job.id),
    "deliver without a result": lambda job: Job.update(status="processing", stage="deliver", prompt="p").where(
        Job.id == job.id
    ),
    "failed without a category": lambda job: Job.update(status="failed", finished_at=peewee.SQL("now()")).where(
        Job.id == job.id
    ),
    "a running attempt without a task": lambda job: ProviderAttempt.insert(
        job=job.id, n=1, nonce="n", key="k", model="m", state="running"
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_the_database_refuses(what, ordered):
    # Given a paid order with one queued job
    job = jobs_of(ordered())[0]
    # When something that can't be true is written, Then the database refuses
    with pytest.raises((peewee.IntegrityError, peewee.InternalError)), db:
        REFUSED[what](job).execute()


def test_the_database_refuses_a_second_settlement_and_a_second_live_attempt(ordered):
    job = jobs_of(ordered())[0]
    entry = {"user": job.user_id, "job": job.id, "reason": "x", "actor": "x"}
    attempt = {"job": job.id, "key": "k", "model": "m"}
    # Given a captured job with a live attempt
    with db:
        LedgerEntry.insert(kind="capture", amount=0, **entry).execute()
        ProviderAttempt.insert(n=1, nonce="a", **attempt).execute()
    # Then neither a refund nor another live attempt can be written
    with pytest.raises(peewee.IntegrityError), db:
        LedgerEntry.insert(kind="refund", amount=1, **entry).execute()
    with pytest.raises(peewee.IntegrityError), db:
        ProviderAttempt.insert(n=2, nonce="b", **attempt).execute()


def test_an_order_has_one_row_for_a_draft_and_version(ordered):
    order = ordered()
    with pytest.raises(peewee.IntegrityError), db:
        Order.create(
            user=7, chat_id=7, draft_key=order.draft_key, photo=order.photo_id, description="x", template="ad", count=1
        )
