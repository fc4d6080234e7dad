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


def progress_bar() -> Progress:
    """How far a run is, for a terminal."""
    return Progress(TextColumn("{task.description:>10}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())


def folder() -> Path:
    """A new folder for a run's logs."""
    return Path(tempfile.mkdtemp(prefix="neurocards-load-"))


def play(system: System, jobs: int, within: float, patience: float, telegram_limit: bool = True) -> figures.Figures:
    """Prepares `jobs` orders, has them confirmed `within` seconds, waits for the last delivery, and returns all figures.

    With `telegram_limit` the stand-in refuses more than 30 messages a second, as Telegram does.
    """
    before = figures.circumstances()
    with progress_bar() as progress:
        crowd = rush.prepare(system.client, system.database, jobs, progress)
        if telegram_limit:
            system.client.settings(rate_limit={"enabled": True})
        with Meter() as meter:
            late = rush.confirm(crowd, within, progress)
            rush.watched(system, jobs, progress, patience + SLACK)
    return {
        **before,
        **system.about(),
        "jobs": jobs,
        "throughput": figures.throughput(system.database),
        "latency_ms_by_stage": figures.latency_by_stage(system.database),
        "bot_latency_ms": percentiles(rush.answers(crowd)),
        "cost": figures.cost(meter.usage, jobs),
        "errors": figures.errors(system.database, system.folder, system.client),
        "money": figures.money(system.database),
        "latest_tap_late_s": round(late, 2),
    }
