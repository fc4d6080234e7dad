"""The whole service at a glance, for the operator's phone: what waits, what the last day brought, keys, people."""

from contextlib import closing
from dataclasses import dataclass
from typing import Any

from neurocards import clock, gauges, keys, monitoring, outages, service
from neurocards.db import db

# Of what is over, and of people; how things stand now is told by the gauges. Each query gives one row; times are in real seconds.
_FAILED = """SELECT coalesce(jsonb_object_agg(failure_category, n), '{}') FROM (
    SELECT failure_category, count(*) AS n FROM jobs
    WHERE status = 'failed' AND finished_at > now() - interval '1 day' GROUP BY 1) AS failed"""
_DAY = """SELECT
    (SELECT count(*) FROM orders WHERE created_at > now() - interval '1 day'),
    (SELECT count(*) FROM jobs WHERE status = 'done' AND finished_at > now() - interval '1 day'),
    (SELECT count(*) FROM ledger_entries WHERE kind = 'refund' AND created_at > now() - interval '1 day'),
    (SELECT extract(epoch FROM avg(finished_at - created_at))::float FROM jobs
     WHERE status = 'done' AND finished_at > now() - interval '1 day')"""
_PEOPLE = (
    """SELECT count(*), count(*) FILTER (WHERE reachable), count(*) FILTER (WHERE banned_at IS NOT NULL) FROM users"""
)


@dataclass(frozen=True)
class Overview:
    """`queue` is that of /queue_stats, `shortage` of workers a key of monitoring.ADVICE. Of the last 24 hours: `orders`, `done`, `failed`
    by category, `refunds`, and `took`, the mean seconds from order to video. `outbox` and `inbox`: (rows, seconds the oldest waits),
    `keys`: (in use, configured), `people`: (all, reachable, banned), `paused`: providers that are down, `held`: jobs that wait
    until a provider may be asked."""

    queue: dict[str, Any]
    shortage: str
    stages: dict[str, int]
    orders: int
    done: int
    refunds: int
    took: float | None
    failed: dict[str, int]
    outbox: tuple[int, float]
    inbox: tuple[int, float]
    keys: tuple[int, int]
    people: tuple[int, int, int]
    paused: list[str]
    held: int
    closed: bool


def overview(workers_configured: int | None) -> Overview:
    """Everything as it is now."""
    queue = monitoring.queue_stats(workers_configured)
    with db:
        orders, done, refunds, took = _row(_DAY)
        waiting = [row for kind, row in gauges.untold().items() if kind != "broadcast"]
        known = [key for key in keys.overview() if key.configured]
        stages = gauges.stages()
        return Overview(
            queue=queue,
            shortage=monitoring.shortage(queue["queue"]["queued"], queue["avg_wait_minutes"]),
            stages={state: row[0] for state, row in stages.items()},
            orders=orders,
            done=done,
            refunds=refunds,
            took=None if took is None else clock.unscaled(took),
            failed=_row(_FAILED)[0],
            outbox=(sum(count for count, _ in waiting), max((oldest for _, oldest in waiting), default=0.0)),
            inbox=gauges.unanswered(),
            keys=(sum(key.state != "quarantined" for key in known), len(known)),
            people=_row(_PEOPLE),
            paused=outages.down(),
            held=sum(row[1] for row in stages.values()),
            closed=service.closed(),
        )


def key_rows() -> list[keys.KeyRow]:
    """Every key, the configured ones first."""
    with db:
        return keys.overview()


def _row(query: str) -> Any:
    with closing(db.execute_sql(query)) as cursor:
        return cursor.fetchone()
