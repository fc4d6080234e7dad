"""One rush from its start to its figures: what the stress test, the peak and the comparison of workers are made of."""

import tempfile
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.crowd import percentiles
from benchmarks.load import figures, rush
from benchmarks.load.system import System
from benchmarks.load.usage import Meter

# Orders end by their deadline, an hour of the product's time; a dead worker may have to be noticed first.
SLACK = 120.0
ELSEWHERE = {"not measured": "a deployment's processes are not ours to look into; /metrics has them"}


def progress_bar() -> Progress:
    """How far a run is, for a terminal."""
    return Progress(TextColumn("{task.description:>10}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())


def folder() -> Path:
    """A new folder for a run's logs."""
    return Path(tempfile.mkdtemp(prefix="neurocards-load-"))


def play(target: rush.Target, jobs: int, within: float, patience: float) -> figures.Figures:
    """Has `jobs` orders confirmed `within` seconds, waits for the last delivery and message, and returns all figures.

    They are had of a run that does not come to its end, too: `errors` says why in `aborted`.
    """
    before, refused = {**figures.circumstances(), **target.about()}, figures.refused(target.client)
    with progress_bar() as progress:
        target.prepare(jobs, progress)
        with Meter() as meter:
            late = target.confirm(jobs, within, progress)
            aborted = rush.watched(target, jobs, progress, patience + SLACK)
    orders = target.orders
    return {
        **before,
        "jobs": jobs,
        "latest_tap_late_s": round(late, 2),
        "throughput": figures.throughput(orders),
        "latency_ms_by_stage": figures.latency_by_stage(orders),
        "bot_latency_ms": {name: percentiles(found) for name, found in rush.answers(target.crowd).items() if found},
        "cost": figures.cost(meter.usage, orders, jobs) if isinstance(target, System) else ELSEWHERE,
        "errors": {
            **figures.errors(orders, target.folder, aborted),
            "kie_429": figures.refused(target.client) - refused,
        },
        "money": figures.money(orders),
    }
