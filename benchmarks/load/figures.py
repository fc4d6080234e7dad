"""What a run came to: throughput and latency by stage from the rows, errors from rows and logs, cost from the process table."""

import itertools
import json
import os
import subprocess
from collections import Counter
from collections.abc import Iterator
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

# Seconds that each job spent in each state, all its stays in it together.
STAYS = """
    SELECT state, array_agg(seconds) FROM (
        SELECT job_id, state, sum(seconds)::float8 AS seconds FROM (
            SELECT job_id, coalesce(to_stage, to_status) AS state,
                   extract(epoch FROM lead(at) OVER (PARTITION BY job_id ORDER BY id) - at) AS seconds
            FROM job_events WHERE job_id > %s) AS stays
        WHERE seconds IS NOT NULL GROUP BY job_id, state) AS sums
    GROUP BY state"""
WHOLE = "SELECT extract(epoch FROM finished_at - created_at)::float8 FROM jobs WHERE status = 'done' AND id > %s"
STATES = ("queued", "script", "submit", "render", "deliver")
SPAN = """
    SELECT count(*) FILTER (WHERE status = 'done'), extract(epoch FROM max(finished_at) - min(created_at))::float8,
           extract(epoch FROM max(created_at) - min(created_at))::float8 FROM jobs WHERE id > %s"""
CREATES = "SELECT extract(epoch FROM started_at)::float8 FROM provider_attempts WHERE job_id > %s ORDER BY started_at"
ENDINGS = "SELECT status, count(*) FROM jobs WHERE id > %s GROUP BY status"
FAILED_FOR = (
    "SELECT concat_ws(' ', failure_category, failure_subtype), count(*) FROM jobs WHERE status = 'failed' GROUP BY 1"
)
MONEY = "SELECT kind, count(*), sum(amount)::int FROM ledger_entries GROUP BY kind"
OUTBOX = "SELECT count(*) FROM outbox WHERE sent_at IS NULL"


def throughput(database: str, after: int = 0) -> Figures:
    """Orders with jobs above `after` that were delivered, from the first confirm to the last delivery, and how evenly KIE was asked."""
    done, seconds, ordered_in = query(database, SPAN, after)[0]
    return {
        "delivered": done,
        "ordered_within_s": round(ordered_in, 1),
        "seconds_to_the_last_delivery": round(seconds, 1),
        "orders_per_second": round(done / max(seconds, 0.001), 2),
        "creates": creates(database, after),
    }


def creates(database: str, after: int = 0) -> Figures:
    """The rate at which KIE was asked between the first and the last create, and the longest pause."""
    times = [at for (at,) in query(database, CREATES, after)]
    if len(times) < 2:
        return {"n": len(times)}
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    return {
        "n": len(times),
        "per_second": round(len(gaps) / max(times[-1] - times[0], 0.001), 3),
        "longest_gap_s": round(max(gaps), 2),
        "last_after_s": round(times[-1] - times[0], 1),
    }


def latency_by_stage(database: str, after: int = 0) -> Figures:
    """Milliseconds that the orders spent in each state, and from confirm to delivery."""
    stays = dict(query(database, STAYS, after))
    figures = {state: percentiles(stays[state]) for state in STATES if stays.get(state)}
    whole = [seconds for (seconds,) in query(database, WHOLE, after)]
    return figures | ({"confirm to delivery": percentiles(whole)} if whole else {})


def cost(usage: Usage, orders: int) -> Figures:
    """CPU milliseconds an order by part, the stand-ins' and the driver's apart; memory and open files of each instance."""
    each = {part: round(1000 * seconds / max(orders, 1), 1) for part, seconds in usage.cpu.items()}
    return {
        "cpu_ms_an_order": {part: each.get(part, 0.0) for part in PRODUCT},
        "cpu_ms_an_order_in_all": round(1000 * usage.product_cpu() / max(orders, 1), 1),
        "cpu_ms_an_order_of_the_test": {part: each.get(part, 0.0) for part in ("sandbox", DRIVER)},
        "cores_busy": round(usage.product_cpu() / usage.seconds, 2),
        "cores_busy_with_the_test": round(sum(usage.cpu.values()) / usage.seconds, 2),
        "memory_mb": {name: [round(span.start), round(span.highest), round(span.end)] for name, span in usage.memory.items()},
        "open_files": {name: [int(span.start), int(span.highest), int(span.end)] for name, span in usage.files.items()},
    }  # fmt: skip


def errors(database: str, logs: Path | None, client: SandboxClient | None, after: int = 0) -> Figures:
    """Orders that failed and why, lines of the logs that are errors or warnings, refusals by KIE, promises that are broken."""
    figures: Figures = {
        "failed": dict(query(database, FAILED_FOR, after)),
        **dict(_log_lines(logs) if logs else ()),
        "outbox_open": query(database, OUTBOX)[0][0],
        "broken_promises": broken_promises(database),
    }
    if client:
        accounts = client.kie("GET", "accounts")["accounts"].values()
        figures["kie_429"] = sum(account["refused_429"] for account in accounts)
    return figures


def broken_promises(database: str) -> list[str]:
    """Names of the audit's invariants that don't hold."""
    db.connect(database)
    try:
        return [violation.invariant.name for violation in audit()]
    finally:
        db.db.close_all()


def money(database: str, after: int = 0) -> Figures:
    """Orders by how they ended, and the ledger by kind: how many entries, and their sum in credits."""
    return {
        "endings": dict(query(database, ENDINGS, after)),
        "ledger": {kind: [count, total] for kind, count, total in query(database, MONEY)},
    }


def _log_lines(folder: Path) -> Iterator[tuple[str, dict[str, int]]]:
    """Lines of each level that somebody should read, by their first words."""
    lines = [line for path in sorted(folder.glob("run_*.log")) for line in _records(path)]
    for name, levels in (("errors", ("error", "critical")), ("warnings", ("warning",))):
        words = Counter(" ".join(str(line.get("event")).split()[:6]) for line in lines if line.get("level") in levels)
        yield name, dict(words.most_common(10))


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


def keep(name: str, figures: Figures) -> Path:
    """Writes the result beside the others and returns where."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(figures, ensure_ascii=False, indent=1) + "\n")
    return path
