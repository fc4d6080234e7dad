"""The promises, looked at on a live database: ten invariants, each a query for the rows that break it.

Most of them the schema itself refuses to have broken; here they are checked all the same, since a backup may be restored, a
constraint dropped or a row mended by hand. All are read in one snapshot, so that work in progress is no violation.
"""

from contextlib import closing
from dataclasses import dataclass
from typing import Any

from neurocards.db import db

# As many ids as are shown for one invariant.
SHOWN = 20


@dataclass(frozen=True)
class Invariant:
    """`query` selects the ids of what breaks the promise; none is what it should find. `of` says what the ids are."""

    name: str
    promise: str
    of: str
    query: str


@dataclass(frozen=True)
class Violation:
    """A broken promise with the first ids that break it."""

    invariant: Invariant
    ids: tuple[Any, ...]


INVARIANTS = (
    Invariant(
        "I1",
        "a balance is the sum of its entries",
        "users",
        """SELECT u.id FROM users u LEFT JOIN ledger_entries e ON e.user_id = u.id
           GROUP BY u.id HAVING u.credits <> coalesce(sum(e.amount), 0)""",
    ),
    Invariant("I2", "no balance is negative", "users", "SELECT id FROM users WHERE credits < 0"),
    Invariant(
        "I3",
        "a confirm is one order, each of its videos one job and one debit",
        "orders",
        """SELECT o.id FROM orders o LEFT JOIN jobs j ON j.order_id = o.id
           LEFT JOIN ledger_entries e ON e.job_id = j.id AND e.kind = 'debit' AND e.user_id = o.user_id
           GROUP BY o.id HAVING count(DISTINCT j.id) <> o.count OR count(e.id) <> o.count
           UNION SELECT min(id) FROM orders GROUP BY draft_key HAVING count(*) > 1""",
    ),
    Invariant(
        "I4",
        "a job that has ended is captured or refunded, once; an open one is neither",
        "jobs",
        """SELECT j.id FROM jobs j LEFT JOIN ledger_entries e ON e.job_id = j.id GROUP BY j.id
           HAVING count(*) FILTER (WHERE e.kind = 'capture') <> (j.status = 'done')::int
               OR count(*) FILTER (WHERE e.kind = 'refund') <> (j.status IN ('failed', 'cancelled'))::int""",
    ),
    Invariant(
        "I5",
        "a refund gives back what the debit took, to whom, and after it",
        "jobs",
        """SELECT r.job_id FROM ledger_entries r LEFT JOIN ledger_entries d ON d.job_id = r.job_id AND d.kind = 'debit'
           WHERE r.kind = 'refund' AND (d.id IS NULL OR r.amount <> -d.amount OR r.user_id <> d.user_id OR r.id < d.id)""",
    ),
    Invariant(
        "I6",
        "the ledger is append-only",
        "triggers",
        """SELECT 'ledger_entries_are_append_only' WHERE NOT EXISTS (SELECT FROM pg_trigger
           WHERE tgname = 'ledger_entries_are_append_only' AND tgrelid = 'ledger_entries'::regclass AND tgenabled = 'O')""",
    ),
    Invariant(
        "I7",
        "every job goes on: none is open a quarter of an hour past its deadline",
        "jobs",
        """SELECT id FROM jobs WHERE status IN ('queued', 'processing') AND deadline_at < now() - interval '15 minutes'""",
    ),
    Invariant(
        "I8",
        "a job's events are one unbroken line from its order to where it stands, and end once",
        "jobs",
        """SELECT id FROM (
               SELECT j.id, coalesce(j.stage, j.status) AS stands, e.id AS event,
                      coalesce(e.from_stage, e.from_status, 'new') AS came_from, coalesce(e.to_stage, e.to_status) AS went_to,
                      lag(coalesce(e.to_stage, e.to_status), 1, 'new') OVER line AS was,
                      lead(e.id) OVER line AS next
               FROM jobs j LEFT JOIN job_events e ON e.job_id = j.id WINDOW line AS (PARTITION BY j.id ORDER BY e.id)
           ) AS steps
           WHERE event IS NULL OR came_from <> was OR (next IS NULL AND went_to <> stands)""",
    ),
    Invariant(
        "I9",
        "the provider is asked once at a time: no attempt began before the one before it had ended",
        "jobs",
        """SELECT job_id FROM (
               SELECT job_id, started_at, lag(coalesce(finished_at, 'infinity')) OVER (PARTITION BY job_id ORDER BY n) AS ended
               FROM provider_attempts) AS tries
           WHERE ended > started_at
           UNION SELECT j.id FROM jobs j JOIN provider_attempts a ON a.job_id = j.id
           WHERE j.finished_at IS NOT NULL AND a.state IN ('submitting', 'ambiguous', 'running')
           UNION SELECT job_id FROM provider_attempts WHERE state = 'succeeded' GROUP BY job_id HAVING count(*) > 1 AND NOT
               bool_or(EXISTS (SELECT FROM job_events e WHERE e.job_id = provider_attempts.job_id
                               AND e.from_stage = 'deliver' AND e.to_stage = 'submit'))""",
    ),
    Invariant(
        "I10",
        "whoever's video failed is told: the notice is there, and is not an hour late",
        "jobs",
        """SELECT j.id FROM jobs j LEFT JOIN outbox n ON n.key = 'notice:' || j.id || ':failed'
           WHERE j.status = 'failed' AND j.finished_at > now() - interval '6 days'
             AND (n.id IS NULL OR (n.sent_at IS NULL AND n.error IS NULL AND n.due_at < now() - interval '1 hour'))""",
    ),
)


def audit() -> list[Violation]:
    """Checks every invariant in one read-only snapshot of the database; an empty list is what there should be."""
    with db:
        db.execute_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        found = [(invariant, _ids(invariant.query)) for invariant in INVARIANTS]
    return [Violation(invariant, ids) for invariant, ids in found if ids]


def _ids(query: str) -> tuple[Any, ...]:
    with closing(db.execute_sql(query)) as cursor:
        return tuple(sorted({row[0] for row in cursor.fetchmany(SHOWN)}))
