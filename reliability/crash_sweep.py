"""Kills the product before and after every I/O call of everything it does, lets it start again, and checks that no promise broke.

    python -m reliability.crash_sweep [--only SCENARIO] [--point K] [--side before|after] [--every N] [--jobs N]

The last line is one JSON object; the exit status is 1 when there was a violation.
"""

import argparse
import gc
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress, TaskID

from reliability import failpoints, forked
from reliability.failpoints import SIDES
from reliability.processes import warm_up
from reliability.scenarios import SCENARIOS, Scenario
from reliability.stage import EMPTY, Kill, Stage
from reliability.testbed import OPERATOR, Testbed
from reliability.verdicts import Outcome, extra, violations, window

FIRST_CUSTOMER = 5000
# More would share the machine with the servers.
MOST_JOBS = 4


@dataclass
class Tally:
    """What was found so far."""

    points: dict[str, int] = field(default_factory=dict)
    runs: int = 0
    violations: int = 0
    duplicates: Counter[str] = field(default_factory=lambda: Counter(create=0, send=0))

    def add(self, other: "Tally") -> None:
        """Counts what another part found."""
        self.points |= other.points
        self.runs += other.runs
        self.violations += other.violations
        self.duplicates.update(other.duplicates)

    def report(self, seconds: float) -> dict[str, Any]:
        """The figures as they are printed, scenarios in the order of their table."""
        scenarios = {name: self.points[name] for name in SCENARIOS if name in self.points}
        return {
            "points": sum(scenarios.values()), "runs": self.runs, "violations": self.violations,
            "duplicates": dict(self.duplicates), "scenarios": scenarios, "seconds": round(seconds),
        }  # fmt: skip


@dataclass(frozen=True)
class Point:
    """So far has a scenario come: `done` of `total` runs."""

    scenario: str
    done: int
    total: int


# One part of a sweep: a process that plays some of the scenarios ----------------------------------------------------------


class Part:
    """Sweeps scenarios one after another and tells `listener`: Points, violations as texts, in the end its Tally."""

    def __init__(self, listener: Connection, options: argparse.Namespace) -> None:
        self._listener = listener
        self._options = options
        self._tally = Tally()

    def sweep(self, names: Sequence[str], folder: Path) -> None:
        """All runs of all the scenarios, on servers of its own."""
        folder.mkdir()
        with Testbed(folder) as testbed:
            testbed.make(EMPTY)
            warm_up()
            gc.freeze()
            for name in names:
                stage = Stage(testbed, name, SCENARIOS[name], FIRST_CUSTOMER + list(SCENARIOS).index(name))
                try:
                    self._scenario(stage, name)
                except forked.ChildFailed as failure:
                    self._violation(f"{name}: {failure}")
                stage.close()
        self._listener.send(self._tally)

    def _scenario(self, stage: Stage, name: str) -> None:
        stage.prepare()
        steps, whole = stage.run(None)
        names = [step.name for step in steps if step.side == failpoints.BEFORE]
        self._tally.points[name] = len(names)
        for broken in violations(whole, SCENARIOS[name].ends, None):
            self._violation(f"{name} without a crash: {broken}")
        kills = list(_kills(len(names), self._options))
        for done, (k, side) in enumerate(kills, start=1):
            for broken in self._judged(stage, (k, side), whole, SCENARIOS[name]):
                self._violation(f"{name} {k} {side} {names[k - 1]}: {broken}")
            self._listener.send(Point(name, done, len(kills)))

    def _judged(self, stage: Stage, kill: Kill, whole: Outcome, scenario: Scenario) -> list[str]:
        """What one killed run broke; a duplicate of an open window is counted and no violation."""
        self._tally.runs += 1
        try:
            steps, outcome = stage.run(kill)
        except forked.ChildFailed as failure:
            return [str(failure)]
        # A vendor's failure may strike once: the operators can't hear of it from a process that died before it wrote it down.
        unheard = str(OPERATOR) if scenario.faults else ""
        found = violations(outcome, scenario.ends, whole, unheard)
        opened = window(steps)
        for kind, count in extra(outcome, whole).items():
            self._tally.duplicates[kind] += count
            if count and opened != kind:
                found.append(f"{count} more of '{kind}', and its window was not open")
        if not found:
            stage.forget(kill)
        return found

    def _violation(self, text: str) -> None:
        self._tally.violations += 1
        self._listener.send(text)


def _kills(points: int, options: argparse.Namespace) -> Iterator[Kill]:
    for k in range(1, points + 1):
        chosen = k == options.point if options.point else (k - 1) % options.every == 0
        for side in SIDES:
            if chosen and options.side in (None, side):
                yield k, side


# All parts ----------------------------------------------------------------------------------------------------------------


def _start(names: Sequence[str], options: argparse.Namespace, folder: Path) -> Connection:
    # Spawned: a part forks its children from a process without threads.
    context = multiprocessing.get_context("spawn")
    hears, tells = context.Pipe(duplex=False)
    context.Process(target=_run_part, args=(tells, options, names, folder)).start()
    tells.close()
    return hears


def _run_part(tells: Connection, options: argparse.Namespace, names: Sequence[str], folder: Path) -> None:
    Part(tells, options).sweep(names, folder)


def _hear(parts: list[Connection], progress: Progress) -> Tally:
    """Shows what the parts tell until all have ended; one that ends without its tally has died, which is a violation."""
    tally, bars = Tally(), dict[str, TaskID]()
    while parts:
        for part in [part for part in parts if part in wait(parts)]:
            told = _told(part)
            if isinstance(told, Point):
                _show(told, bars, progress)
            elif isinstance(told, str):
                print(f"VIOLATION {told}", flush=True)
            else:
                tally.add(told)
                parts.remove(part)
    return tally


def _told(part: Connection) -> Point | str | Tally:
    try:
        told: Point | str | Tally = part.recv()
    except EOFError:
        print("VIOLATION a part of the sweep died", flush=True)
        return Tally(violations=1)
    return told


def _show(point: Point, bars: dict[str, TaskID], progress: Progress) -> None:
    if point.scenario not in bars:
        bars[point.scenario] = progress.add_task(point.scenario, total=point.total)
    progress.update(bars[point.scenario], completed=point.done)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m reliability.crash_sweep", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--only", choices=list(SCENARIOS), action="append", metavar="SCENARIO", help="may be repeated")
    parser.add_argument("--point", type=int, help="this point only")
    parser.add_argument("--side", choices=SIDES, help="this side only")
    parser.add_argument("--every", type=int, default=1, help="each Nth point")
    parser.add_argument("--jobs", type=int, default=min(MOST_JOBS, os.cpu_count() or 1), help="scenarios side by side")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Sweeps and reports; the exit status."""
    options, began = _options(arguments), time.monotonic()
    names = options.only or list(SCENARIOS)
    folder = Path(tempfile.mkdtemp(prefix="neurocards-sweep-"))
    shares = [names[number :: options.jobs] for number in range(options.jobs)]
    parts = [_start(share, options, folder / f"part-{n}") for n, share in enumerate(shares) if share]
    with Progress(console=Console(stderr=True)) as progress:
        tally = _hear(parts, progress)
    if tally.violations:
        print(f"what the violations left: {folder}")
    else:
        shutil.rmtree(folder)
    print(json.dumps(tally.report(time.monotonic() - began)), flush=True)
    return 1 if tally.violations else 0


if __name__ == "__main__":
    sys.exit(main())
