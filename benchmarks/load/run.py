"""One rush from its start to its figures: what the stress test, the peak and the comparison of workers are made of."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.crowd import percentiles
from benchmarks.load import figures, rush
from benchmarks.load.deployment import Deployment
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


def play(
    target: System | Deployment, jobs: int, within: float, patience: float, telegram_limit: bool = True
) -> figures.Figures:
    """Has `jobs` orders confirmed `within` seconds, waits for the last delivery, and returns all figures.

    With `telegram_limit` a stand-in of ours refuses more than 30 messages a second, as Telegram does.
    """
    before, crowd = {**figures.circumstances(), **target.about()}, []
    with progress_bar() as progress:
        if target.client:
            crowd = rush.prepare(target.client, target.database, jobs, progress)
        if telegram_limit and isinstance(target, System):
            target.client.settings(rate_limit={"enabled": True})
        with Meter() as meter:
            late = rush.confirm(crowd, within, progress) if crowd else _placed(target, jobs, within, progress)
            rush.watched(target, jobs, progress, patience + SLACK)
    return {**before, "jobs": jobs, "latest_tap_late_s": round(late, 2), **_figures(target, jobs, crowd, meter)}


def _placed(target: System | Deployment, jobs: int, within: float, progress: Progress) -> float:
    if isinstance(target, System):
        raise TypeError("a system of our own has people who order")
    return target.place(jobs, within, progress)


def _figures(target: System | Deployment, jobs: int, crowd: Sequence[rush.Ready], meter: Meter) -> figures.Figures:
    database, after = target.database, target.newest
    return {
        "throughput": figures.throughput(database, after),
        "latency_ms_by_stage": figures.latency_by_stage(database, after),
        "bot_latency_ms": {name: percentiles(found) for name, found in rush.answers(crowd).items()} if crowd else {},
        "cost": figures.cost(meter.usage, jobs) if isinstance(target, System) else ELSEWHERE,
        "errors": figures.errors(database, target.folder, target.client, after),
        "money": figures.money(database, after),
    }
