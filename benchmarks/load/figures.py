"""What a run came to: throughput and latency by stage from the rows, errors from rows and logs, cost from the process table."""

import itertools
import json
import os
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks.crowd import percentiles, query
from benchmarks.load.usage import DRIVER, PRODUCT, Usage
from neurocards import db
from neurocards.audit import audit
from sandbox.client import SandboxClient
from sandbox.local import ROOT

Figures = dict[str, Any]

RESULTS = Path(__file__).resolve().parent.parent / "results"

# The jobs that a run is about, and what their people are told of them.
OURS = """
    WITH ours AS (SELECT * FROM jobs WHERE id > %s AND user_id >= %s),
    told AS (SELECT * FROM outbox
        WHERE kind = 'card' AND split_part(key, ':', 2) IN (SELECT order_id::text FROM ours)
           OR kind = 'notice' AND split_part(key, ':', 2) IN (SELECT id::text FROM ours))
    """
# Seconds that each job spent in each state, all its stays in it together.
STAYS = """
    SELECT state, array_agg(seconds) FROM (
        SELECT job_id, state, sum(seconds)::float8 AS seconds FROM (
            SELECT job_id, coalesce(to_stage, to_status) AS state,
                   extract(epoch FROM lead(at) OVER (PARTITION BY job_id ORDER BY id) - at) AS seconds
            FROM job_events WHERE job_id IN (SELECT id FROM ours)) AS stays
        WHERE seconds IS NOT NULL GROUP BY job_id, state) AS sums
    GROUP BY state"""
WHOLE = "SELECT extract(epoch FROM finished_at - created_at)::float8 FROM ours WHERE status = 'done'"
STATES = ("queued", "script", "submit", "render", "deliver")
SPAN = """
    SELECT count(*) FILTER (WHERE status = 'done'), coalesce(extract(epoch FROM max(finished_at) - min(created_at)), 0)::float8,
           coalesce(extract(epoch FROM max(created_at) - min(created_at)), 0)::float8,
           coalesce(extract(epoch FROM (SELECT max(sent_at) FROM told) - min(created_at)), 0)::float8 FROM ours"""
CREATES = """
    SELECT extract(epoch FROM started_at)::float8 FROM provider_attempts WHERE job_id IN (SELECT id FROM ours) ORDER BY started_at"""
ENDINGS = "SELECT status, count(*) FROM ours GROUP BY status"
FAILED_FOR = (
    "SELECT concat_ws(' ', failure_category, failure_subtype), count(*) FROM ours WHERE status = 'failed' GROUP BY 1"
)
MONEY = (
    "SELECT kind, count(*), sum(amount)::int FROM ledger_entries WHERE job_id IN (SELECT id FROM ours) GROUP BY kind"
)
UNSENT = "SELECT count(*) FROM told WHERE sent_at IS NULL AND error IS NULL"


@dataclass(frozen=True)
class Orders:
    """Those of a run: jobs numbered above `after`, of people numbered from `people` on. What else is in the database is not looked at."""

    database: str
    after: int = 0
    people: int = 0

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of one query over `ours`, the jobs, and `told`, the outbox's rows about them."""
        return query(self.database, OURS + sql, self.after, self.people)


def throughput(orders: Orders) -> Figures:
    """Those that were delivered, from the first confirm to the last delivery and the last message, and how evenly KIE was asked."""
    done, seconds, ordered_in, told_in = orders.query(SPAN)[0]
    return {
        "delivered": done,
        "ordered_within_s": round(ordered_in, 1),
        "seconds_to_the_last_delivery": round(seconds, 1),
        "seconds_to_the_last_message": round(told_in, 1),
        "orders_per_second": round(done / max(seconds, 0.001), 2),
        "creates": creates(orders),
    }


def creates(orders: Orders) -> Figures:
    """The rate at which KIE was asked between the first and the last create, and the longest pause."""
    times = [at for (at,) in orders.query(CREATES)]
    if len(times) < 2:
        return {"n": len(times)}
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    return {
        "n": len(times),
        "per_second": round(len(gaps) / max(times[-1] - times[0], 0.001), 3),
        "longest_gap_s": round(max(gaps), 2),
        "last_after_s": round(times[-1] - times[0], 1),
    }


def latency_by_stage(orders: Orders) -> Figures:
    """Milliseconds that the orders spent in each state, and from confirm to delivery."""
    stays = dict(orders.query(STAYS))
    figures = {state: percentiles(stays[state]) for state in STATES if stays.get(state)}
    whole = [seconds for (seconds,) in orders.query(WHOLE)]
    return figures | ({"confirm to delivery": percentiles(whole)} if whole else {})


def cost(usage: Usage, orders: Orders, count: int) -> Figures:
    """CPU milliseconds an order by part, the stand-ins' and the driver's apart; memory and open files of each instance.

    `cores_busy` is of the whole run, the wait for the last renders and messages included; `cores_busy_while_creating` is of the time
    until the last create.
    """
    each = {part: round(1000 * seconds / max(count, 1), 1) for part, seconds in usage.cpu.items()}
    created = [at for (at,) in orders.query(CREATES)]
    return {
        "cpu_ms_an_order": {part: each.get(part, 0.0) for part in PRODUCT},
        "cpu_ms_an_order_in_all": round(1000 * usage.product_cpu() / max(count, 1), 1),
        "cpu_ms_an_order_of_the_test": {part: each.get(part, 0.0) for part in ("sandbox", DRIVER)},
        "cores_busy": round(usage.product_cpu() / usage.seconds, 2),
        "cores_busy_while_creating": round(usage.cores_until(created[-1]), 2) if created else None,
        "cores_busy_with_the_test": round(sum(usage.cpu.values()) / usage.seconds, 2),
        "memory_mb": {name: [round(span.start), round(span.highest), round(span.end)] for name, span in usage.memory.items()},
        "open_files": {name: [int(span.start), int(span.highest), int(span.end)] for name, span in usage.files.items()},
    }  # fmt: skip


def errors(orders: Orders, logs: Path | None, aborted: str = "") -> Figures:
    """Why the run was not played to its end, orders that failed and why, lines of the logs that are errors or warnings, messages that
    are unsent, promises that are broken (these of the whole database)."""
    return {
        **({"aborted": aborted} if aborted else {}),
        "failed": dict(orders.query(FAILED_FOR)),
        **(log_lines(logs) if logs else {}),
        "outbox_open": orders.query(UNSENT)[0][0],
        "broken_promises": broken_promises(orders.database),
    }


def refused(client: SandboxClient | None) -> int:
    """How often the stand-in for KIE has answered 429 so far."""
    accounts = client.kie("GET", "accounts")["accounts"].values() if client else ()
    return sum(account["refused_429"] for account in accounts)


def wrong(run: Figures) -> str:
    """What a run found to be wrong, in a line; empty when nothing is."""
    delivered, errors = run["throughput"]["delivered"], run["errors"]
    found = [f"{delivered} of {run['jobs']} orders were delivered"] if delivered != run["jobs"] else []
    found += [f"{name}: {errors[name]}" for name in ("aborted", "errors", "broken_promises") if errors.get(name)]
    return "; ".join(found)


def broken_promises(database: str) -> list[str]:
    """Names of the audit's invariants that don't hold."""
    db.connect(database)
    try:
        return [violation.invariant.name for violation in audit()]
    finally:
        db.db.close_all()


def money(orders: Orders) -> Figures:
    """How they ended, and their ledger by kind: how many entries, and the sum in credits."""
    return {
        "endings": dict(orders.query(ENDINGS)),
        "ledger": {kind: [count, total] for kind, count, total in orders.query(MONEY)},
    }


def log_lines(folder: Path) -> dict[str, dict[str, int]]:
    """Lines of each level that somebody should read, by their first words."""
    lines = [line for path in sorted([*folder.glob("run_*.log"), *folder.glob("bot-*.log")]) for line in _records(path)]
    found: dict[str, dict[str, int]] = {}
    for name, levels in (("errors", ("error", "critical")), ("warnings", ("warning",))):
        words = Counter(" ".join(str(line.get("event")).split()[:6]) for line in lines if line.get("level") in levels)
        found[name] = dict(words.most_common(10))
    return found


def _records(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(errors="replace") as lines:
        for line in lines:
            try:
                record = json.loads(line)
            except ValueError:
                # What Python itself prints on its way down is no JSON.
                record = {"level": "critical", "event": line.strip()} if line.startswith("Traceback") else None
            if isinstance(record, dict):
                yield record


def circumstances() -> Figures:
    """Without which a figure means nothing: commit, cores, load before the run."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    return {
        "commit": commit or None,
        "cores": psutil.cpu_count(),
        "load_average": [round(load, 2) for load in os.getloadavg()],
    }


def keep(name: str, figures: Figures) -> None:
    """Writes the result to its file; what that has by other names than those of `figures` stays, for a partial run."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(known | figures, ensure_ascii=False, indent=1) + "\n")
