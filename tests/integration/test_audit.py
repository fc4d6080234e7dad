"""The audit finds each broken promise by its ids, and nothing in a sound database. It works on databases of its own: what it is
to find, the constraints of ours would refuse."""

import re
from collections.abc import Iterator

import pytest

from neurocards import maintenance
from neurocards.audit import INVARIANTS, audit
from neurocards.migrate import SCHEMA
from sandbox.databases import empty_database
from tests.integration.conftest import audited, run

# One delivered job (1), one refunded (2), one rendering (3); each of one user and with all that belongs to it.
WORLD = """
INSERT INTO users (id, credits) VALUES (7, 3);
INSERT INTO ledger_entries (user_id, kind, amount, reason, actor) VALUES (7, 'grant', 5, 'welcome', 'bot');
INSERT INTO photos (id, user_id, jpeg, width, height) VALUES (1, 7, 'x', 1, 1);
INSERT INTO orders (id, user_id, chat_id, draft_key, photo_id, description, template, count)
    SELECT n, 7, 7, 'draft' || n, 1, 'a cup', 'ugc', 1 FROM generate_series(1, 3) AS n;
INSERT INTO jobs (id, order_id, user_id, number, status, stage, prompt, deadline_at, finished_at, failure_category) VALUES
    (1, 1, 7, 1, 'done', NULL, 'p', now() + interval '1 hour', now(), NULL),
    (2, 2, 7, 1, 'failed', NULL, 'p', now() + interval '1 hour', now(), 'TEMPORARY'),
    (3, 3, 7, 1, 'processing', 'render', 'p', now() + interval '1 hour', NULL, NULL);
INSERT INTO ledger_entries (user_id, job_id, kind, amount, reason, actor) VALUES
    (7, 1, 'debit', -1, 'order', 'user:7'), (7, 2, 'debit', -1, 'order', 'user:7'), (7, 3, 'debit', -1, 'order', 'user:7'),
    (7, 1, 'capture', 0, 'delivered', 'w1'), (7, 2, 'refund', 1, 'busy', 'w1');
INSERT INTO job_events (job_id, from_status, from_stage, to_status, to_stage, reason, actor) VALUES
    (1, NULL, NULL, 'queued', NULL, 'ordered', 'u'), (1, 'queued', NULL, 'processing', 'script', 'x', 'w'),
    (1, 'processing', 'script', 'processing', 'submit', 'x', 'w'), (1, 'processing', 'submit', 'processing', 'render', 'x', 'w'),
    (1, 'processing', 'render', 'processing', 'deliver', 'x', 'w'), (1, 'processing', 'deliver', 'done', NULL, 'x', 'w'),
    (2, NULL, NULL, 'queued', NULL, 'ordered', 'u'), (2, 'queued', NULL, 'failed', NULL, 'x', 'w'),
    (3, NULL, NULL, 'queued', NULL, 'ordered', 'u'), (3, 'queued', NULL, 'processing', 'script', 'x', 'w'),
    (3, 'processing', 'script', 'processing', 'submit', 'x', 'w'), (3, 'processing', 'submit', 'processing', 'render', 'x', 'w');
INSERT INTO provider_attempts (job_id, n, nonce, key, model, state, task_id, started_at, finished_at) VALUES
    (1, 1, 'a', 'k', 'm', 'failed', NULL, now() - interval '9 minutes', now() - interval '8 minutes'),
    (1, 2, 'b', 'k', 'm', 'succeeded', 't1', now() - interval '7 minutes', now()),
    (3, 1, 'c', 'k', 'm', 'running', 't3', now(), NULL);
INSERT INTO outbox (key, kind, chat_id) VALUES ('notice:2:failed', 'notice', 7);
"""
BROKEN = {
    "I1": ("UPDATE users SET credits = 4", "users 7"),
    "I2": ("ALTER TABLE users DROP CONSTRAINT users_credits_check; UPDATE users SET credits = -1", "users 7"),
    "I3": ("ALTER TABLE ledger_entries DISABLE TRIGGER USER; DELETE FROM ledger_entries WHERE job_id = 3", "orders 3"),
    "I4": ("ALTER TABLE ledger_entries DISABLE TRIGGER USER; DELETE FROM ledger_entries WHERE kind = 'capture'", "jobs 1"),
    "I5": ("ALTER TABLE ledger_entries DISABLE TRIGGER USER; UPDATE ledger_entries SET amount = 2 WHERE kind = 'refund'", "jobs 2"),
    "I6": ("ALTER TABLE ledger_entries DISABLE TRIGGER ledger_entries_are_append_only", "triggers ledger_entries_are"),
    "I7": ("UPDATE jobs SET deadline_at = now() - interval '16 minutes' WHERE id = 3", "jobs 3"),
    "I8": ("DELETE FROM job_events WHERE job_id = 1 AND to_stage = 'submit'", "jobs 1"),
    "I9": ("UPDATE provider_attempts SET finished_at = now() - interval '6 minutes' WHERE nonce = 'a'", "jobs 1"),
    "I10": ("DELETE FROM outbox", "jobs 2"),
}  # fmt: skip


@pytest.fixture
def world(database_server: str) -> Iterator[str]:
    """The address of a sound little database."""
    with empty_database(database_server) as url:
        run(url, SCHEMA.read_text(encoding="utf-8"))
        run(url, WORLD)
        yield url


def test_a_sound_database_passes(world):
    status, output = audited(world)
    assert status == 0
    assert output.count("holds") == len(INVARIANTS)


@pytest.mark.parametrize("name", BROKEN)
def test_each_broken_promise_is_found_with_its_ids(world, name):
    # Given a database in which one promise is broken, constraints or not
    statements, ids = BROKEN[name]
    run(world, statements)
    # When it is audited
    status, output = audited(world)
    # Then the command fails and names the promise and who breaks it
    assert status == 1
    verdict = next(line for line in output.splitlines() if re.match(rf"{name}\b", line))
    assert f"BROKEN by {ids}" in verdict


def test_there_is_a_case_for_every_invariant():
    assert set(BROKEN) == {invariant.name for invariant in INVARIANTS}


def test_whatever_is_in_the_works_breaks_nothing(ordered, worker, clean_db):
    # Given an order that has just been placed
    ordered(count=3)
    # Then the audit of the running system finds nothing, and tells nobody
    assert audit() == []
    maintenance.audit_books(worker())
    assert audit() == []
