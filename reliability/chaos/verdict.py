"""What a rehearsal that has settled came to: the three books compared, the audit, and figures."""

from collections.abc import Sequence
from contextlib import closing
from typing import Any

import psycopg2

from benchmarks.crowd import query
from neurocards import db
from neurocards.audit import audit
from neurocards.reconciliation import Entry, Match, match, read_books, read_journal
from reliability.chaos.system import System

Figures = dict[str, Any]

# Whatever is still to be done for anybody: updates to handle, videos to make, notices to send.
UNFINISHED = """
    SELECT (SELECT count(*) FROM jobs WHERE finished_at IS NULL) + (SELECT count(*) FROM inbox WHERE handled_at IS NULL)
         + (SELECT count(*) FROM outbox WHERE kind = 'notice' AND sent_at IS NULL AND error IS NULL)"""
ORDERS = "SELECT count(*), count(*) - count(DISTINCT user_id) FROM orders"
STATUSES = "SELECT status, count(*) FROM jobs GROUP BY status"
REFUNDED_FOR = (
    "SELECT concat_ws(' ', failure_category, failure_subtype), count(*) FROM jobs WHERE status = 'failed' GROUP BY 1"
)
SET_ASIDE = "SELECT error FROM inbox WHERE error IS NOT NULL"


def judge(system: System, shoppers: int) -> Figures:
    """The figures of a run; `violations` names whom a promise was broken to, and is empty otherwise."""
    journal, statuses = read_journal(system.journal), dict(query(system.database, STATUSES))
    found = compare(system.database, journal)
    orders, extra = query(system.database, ORDERS)[0]
    broken = broken_promises(system.database)
    unplaced = shoppers - (orders - extra)
    # Everybody wanted one order: a second one is somebody who didn't learn of the first.
    ours = {name: (count,) for name, count in (("unplaced_orders", unplaced), ("extra_orders", extra)) if count}
    return {
        "orders": orders,
        "jobs": sum(statuses.values()),
        "delivered": statuses.get("done", 0),
        "refunded": statuses.get("failed", 0),
        "refunded_for": dict(query(system.database, REFUNDED_FOR)),
        "cancelled": statuses.get("cancelled", 0),
        "lost": len(found.lost_orders) + unplaced,
        "double_charges": len(found.double_charges) + extra,
        "double_refunds": len(found.double_refunds),
        **windows(found, journal),
        "audit": sorted(broken),
        "violations": {**found.violations, **broken, **ours},
        "set_aside": [error for (error,) in query(system.database, SET_ASIDE)],
    }


def compare(database: str, journal: Sequence[Entry]) -> Match:
    """Our books and the vendors'."""
    with closing(psycopg2.connect(database)) as connection, connection.cursor() as cursor:
        return match(read_books(cursor), journal)


def windows(found: Match, journal: Sequence[Entry]) -> Figures:
    """What went through the two windows, and how often a vendor opened them."""
    return {
        "tasks": found.tasks,
        "orphan_tasks": len(found.orphan_tasks),
        "duplicate_tasks": len(found.double_paid_jobs),
        "videos": found.videos,
        "duplicate_videos": len(found.duplicate_videos),
        "late_videos": len(found.late_videos),
        "unsent_videos": len(found.unsent_videos),
        "unanswered": {
            "createTask": len(denied(journal, "createTask")),
            "sendVideo": len(denied(journal, "sendVideo")),
        },
    }


def denied(journal: Sequence[Entry], endpoint: str) -> list[Entry]:
    """Calls that a vendor left unanswered, or whose answer didn't arrive whole or said no to what was done."""
    faults = ("fault lost_reply", "fault truncate", "fault false_error", "fault hang")
    return [
        entry for entry in journal if entry["endpoint"] == endpoint and any(name in entry["note"] for name in faults)
    ]


def broken_promises(database: str) -> dict[str, tuple[Any, ...]]:
    """The audit's invariants that don't hold, with the ids that break them."""
    db.connect(database)
    try:
        return {violation.invariant.name: violation.ids for violation in audit()}
    finally:
        db.db.close_all()


def spread(seconds: Sequence[float]) -> dict[str, float]:
    """p50, p99 and the largest; zeros when there are none."""
    ordered = sorted(seconds) or [0.0]
    at = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    return {name: round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 1) for name, share in at.items()}
