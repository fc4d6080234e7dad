"""Customers order while everything around them is killed, wiped, refused and forged; then the books are compared.

python -m reliability.chaos --jobs 200 --seed 1 [--time-scale 20] [--workers 2]

What strikes, whom, and after how long depends on the seed alone; in the midst of what it strikes, on the machine. The last line
is one JSON object. The exit status is 1 when an order was lost, somebody paid or was paid back twice, or a promise was broken.
"""

import argparse
import json
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.crowd import query
from neurocards import db
from neurocards.audit import audit
from neurocards.reconciliation import Entry, match, read_books, read_journal
from reliability.chaos.faults import schedule
from reliability.chaos.shoppers import Shopper, crowd
from reliability.chaos.system import System

SHOPPERS_AT_ONCE = 8
# All has an end by an order's deadline; beyond it a dead worker may have to be noticed first (product and real seconds).
DEADLINE, SLACK = 3600.0, 60.0

# Whatever is still to be done for anybody: updates to handle, videos to make, notices to send.
UNFINISHED = """
    SELECT (SELECT count(*) FROM jobs WHERE finished_at IS NULL) + (SELECT count(*) FROM inbox WHERE handled_at IS NULL)
         + (SELECT count(*) FROM outbox WHERE kind = 'notice' AND sent_at IS NULL AND error IS NULL)"""
ORDERS = "SELECT count(*), count(*) - count(DISTINCT user_id) FROM orders"
STATUSES = "SELECT status, count(*) FROM jobs GROUP BY status"
REFUNDED_FOR = (
    "SELECT concat_ws(' ', failure_category, failure_subtype), count(*) FROM jobs WHERE status = 'failed' GROUP BY 1"
)
ENDED_AT = "SELECT extract(epoch FROM finished_at)::float8 FROM jobs WHERE finished_at IS NOT NULL"
SET_ASIDE = "SELECT error FROM inbox WHERE error IS NOT NULL"


class Havoc(threading.Thread):
    """Strikes a system with the faults of a seed until it is told to stop."""

    def __init__(self, system: System, seed: int) -> None:
        super().__init__(name="havoc")
        self._system, self._seed = system, seed
        self._over = threading.Event()
        self._failure: Exception | None = None

    def run(self) -> None:
        """Waits, strikes, and so on."""
        try:
            for fault in schedule(self._seed):
                if self._over.wait(fault.after):
                    return
                self._system.strike(fault)
        except Exception as error:  # noqa: BLE001  the thread's edge: `stop` raises it
            self._failure = error

    def stop(self) -> float:
        """No more faults, armed ones included; returns the time (unix). Raises what kept a fault from being carried out."""
        self._over.set()
        self.join()
        self._system.client.clear_faults()
        if self._failure:
            raise self._failure
        return time.time()


def rehearse(folder: Path, videos: int, seed: int, time_scale: float, workers: int) -> dict[str, Any]:
    """One whole run; returns its figures."""
    began = time.monotonic()
    columns = (TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn())
    with System(folder, time_scale, workers) as system, Progress(*columns, console=Console(stderr=True)) as progress:
        shoppers, havoc = crowd(system.client, videos, seed), Havoc(system, seed)
        havoc.start()
        try:
            place_orders(system, shoppers, progress)
        finally:
            calm_since = havoc.stop()
        settle(system, DEADLINE / time_scale + SLACK, progress)
        figures = judge(system, len(shoppers), calm_since)
    return {**figures, "seconds": round(time.monotonic() - began), "seed": seed, "time_scale": time_scale}


def place_orders(system: System, shoppers: Sequence[Shopper], progress: Progress) -> None:
    """Everybody orders, a few at a time."""
    task = progress.add_task("ordering", total=len(shoppers))
    with ThreadPoolExecutor(SHOPPERS_AT_ONCE) as pool:
        for _ in pool.map(Shopper.order, shoppers):
            progress.update(task, advance=1, description=f"ordering, {system.struck.total()} faults")


def settle(system: System, seconds: float, progress: Progress) -> None:
    """Waits until nothing is left to be done, `seconds` at most."""
    task, deadline, most = progress.add_task("settling"), time.monotonic() + seconds, 0
    while (left := query(system.database, UNFINISHED)[0][0]) and time.monotonic() < deadline:
        most = max(most, left)
        progress.update(task, total=most, completed=most - left)
        time.sleep(0.2)


def judge(system: System, shoppers: int, calm_since: float) -> dict[str, Any]:
    """The figures of a run that has settled; `violations` names whom a promise was broken to, and is empty otherwise."""
    journal, statuses = read_journal(system.journal), dict(query(system.database, STATUSES))
    with closing(psycopg2.connect(system.database)) as connection, connection.cursor() as cursor:
        found = match(read_books(cursor), journal)
    orders, extra = query(system.database, ORDERS)[0]
    broken = broken_promises(system.database)
    unplaced = shoppers - (orders - extra)
    ours = {"unplaced_orders": (unplaced,), "extra_orders": (extra,)}
    return {
        "orders": orders,
        "jobs": sum(statuses.values()),
        "faults": {"all": system.struck.total(), **dict(system.struck.most_common())},
        "leaders_killed": system.leaders_killed,
        "delivered": statuses.get("done", 0),
        "refunded": statuses.get("failed", 0),
        "refunded_for": dict(query(system.database, REFUNDED_FOR)),
        "cancelled": statuses.get("cancelled", 0),
        "lost": len(found.lost_orders) + unplaced,
        "double_charges": len(found.double_charges) + extra,
        "double_refunds": len(found.double_refunds),
        "tasks": found.tasks,
        "orphan_tasks": len(found.orphan_tasks),
        "duplicate_tasks": len(found.double_paid_jobs),
        "videos": found.videos,
        "duplicate_videos": len(found.duplicate_videos),
        "late_videos": len(found.late_videos),
        "unanswered": unanswered(journal),
        "audit": sorted(broken),
        "violations": {**found.violations, **broken, **{name: ids for name, ids in ours.items() if any(ids)}},
        "set_aside": [error for (error,) in query(system.database, SET_ASIDE)],
        "seconds_to_settle": spread([at - calm_since for (at,) in query(system.database, ENDED_AT) if at > calm_since]),
    }


def unanswered(journal: Sequence[Entry]) -> dict[str, int]:
    """How often a vendor did what it was asked and its answer didn't arrive whole: what opens the two windows besides a crash."""
    lost = ("fault lost_reply", "fault truncate")
    calls = Counter(entry["endpoint"] for entry in journal if any(fault in entry["note"] for fault in lost))
    return {endpoint: calls[endpoint] for endpoint in ("createTask", "sendVideo")}


def broken_promises(database: str) -> dict[str, tuple[Any, ...]]:
    """The audit's invariants that don't hold, with the ids that break them."""
    db.connect(database)
    try:
        return {violation.invariant.name: violation.ids for violation in audit()}
    finally:
        db.db.close_all()


def spread(seconds: Sequence[float]) -> dict[str, float]:
    """p50, p99 and the largest, over the jobs that were under way when the faults stopped."""
    ordered = sorted(seconds) or [0.0]
    at = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    marks = {name: round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 1) for name, share in at.items()}
    return {**marks, "jobs": len(seconds)}


def main() -> int:
    """Reads the arguments, runs, prints; 1 when a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m reliability.chaos", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--jobs", type=int, default=200, help="videos ordered in all")
    parser.add_argument("--seed", type=int, default=1, help="what strikes when, and who orders what")
    parser.add_argument("--time-scale", type=float, default=20.0, help="divisor of every delay of product and vendors")
    parser.add_argument("--workers", type=int, default=2, help="worker commands; one of their processes leads")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="neurocards-chaos-"))
    sys.stderr.write(f"logs and journal: {folder}\n")
    figures = rehearse(folder, given.jobs, given.seed, given.time_scale, given.workers)
    print(json.dumps(figures, ensure_ascii=False, default=str))
    return 1 if figures["violations"] else 0


if __name__ == "__main__":
    sys.exit(main())
