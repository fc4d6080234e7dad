"""Customers order while everything around them is killed, frozen, wiped, refused and forged; then the books are compared.

python -m reliability.chaos --jobs 200 --seed 1 [--time-scale 20] [--workers 2]

What strikes, whom, and after how long depends on the seed alone; in the midst of what it strikes, on the machine. The last line
is one JSON object. The exit status is 1 when an order was lost, somebody paid or was paid back twice, or a promise was broken.
"""

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.crowd import query
from reliability.chaos.faults import schedule
from reliability.chaos.shoppers import Shopper, crowd
from reliability.chaos.strikes import Strikes
from reliability.chaos.system import System
from reliability.chaos.verdict import UNFINISHED, Figures, judge, spread

SHOPPERS_AT_ONCE = 8
# All has an end by an order's deadline; beyond it a dead worker may have to be noticed first (product and real seconds).
DEADLINE, SLACK = 3600.0, 60.0
ENDED_AT = "SELECT extract(epoch FROM finished_at)::float8 FROM jobs WHERE finished_at IS NOT NULL"


class Havoc(threading.Thread):
    """Strikes a system with the faults of a seed until it is told to stop."""

    def __init__(self, system: System, seed: int) -> None:
        super().__init__(name="havoc")
        self.strikes = Strikes(system)
        self._seed = seed
        self._over = threading.Event()
        self._failure: Exception | None = None

    def run(self) -> None:
        """Waits, strikes, and so on."""
        try:
            for fault in schedule(self._seed):
                if self._over.wait(fault.after):
                    return
                self.strikes.strike(fault)
        except Exception as error:  # noqa: BLE001  the thread's edge: `stop` raises it
            self._failure = error

    def stop(self) -> float:
        """No more faults, and none that lasts; returns the time (unix). Raises what kept a fault from being carried out."""
        self._over.set()
        self.join()
        self.strikes.end()
        if self._failure:
            raise self._failure
        return time.time()


def rehearse(folder: Path, videos: int, seed: int, time_scale: float, workers: int) -> Figures:
    """One whole run; returns its figures."""
    began = time.monotonic()
    columns = (TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn())
    with System(folder, time_scale, workers) as system, Progress(*columns, console=Console(stderr=True)) as progress:
        shoppers, havoc = crowd(system.client, videos, seed), Havoc(system, seed)
        havoc.start()
        try:
            place_orders(havoc, shoppers, progress)
        finally:
            calm_since = havoc.stop()
        settle(system, DEADLINE / time_scale + SLACK, progress)
        figures = {**judge(system, len(shoppers)), **strikes_and_times(system, havoc.strikes, calm_since)}
    took = round(time.monotonic() - began)
    load = [round(figure, 1) for figure in os.getloadavg()]
    return {**figures, "seconds": took, "seed": seed, "time_scale": time_scale, "load": load}


def place_orders(havoc: Havoc, shoppers: Sequence[Shopper], progress: Progress) -> None:
    """Everybody orders, a few at a time."""
    task = progress.add_task("ordering", total=len(shoppers))
    with ThreadPoolExecutor(SHOPPERS_AT_ONCE) as pool:
        for _ in pool.map(Shopper.order, shoppers):
            progress.update(task, advance=1, description=f"ordering, {havoc.strikes.struck.total()} faults")


def settle(system: System, seconds: float, progress: Progress) -> None:
    """Waits until nothing is left to be done, `seconds` at most."""
    task, deadline, most = progress.add_task("settling"), time.monotonic() + seconds, 0
    while (left := query(system.database, UNFINISHED)[0][0]) and time.monotonic() < deadline:
        most = max(most, left)
        progress.update(task, total=most, completed=most - left)
        time.sleep(0.2)


def strikes_and_times(system: System, strikes: Strikes, calm_since: float) -> Figures:
    """What struck, and how long the jobs took that were under way when it was over."""
    after = [at - calm_since for (at,) in query(system.database, ENDED_AT) if at > calm_since]
    return {
        "faults": {"all": strikes.struck.total(), **dict(strikes.struck.most_common())},
        "leaders_killed": strikes.leaders_killed,
        "seconds_to_settle": {**spread(after), "jobs": len(after)},
    }


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
