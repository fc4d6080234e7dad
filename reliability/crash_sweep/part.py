"""One part of a sweep: a process of its own that plays some of the scenarios, on servers of its own."""

import argparse
import gc
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from reliability.crash_sweep import failpoints, forked
from reliability.crash_sweep.failpoints import SIDES
from reliability.crash_sweep.processes import warm_up
from reliability.crash_sweep.scenarios import SCENARIOS, Scenario
from reliability.crash_sweep.stage import EMPTY, Kill, Stage
from reliability.crash_sweep.testbed import OPERATOR, Testbed
from reliability.crash_sweep.verdicts import Outcome, extra, violations, window

FIRST_CUSTOMER = 5000


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


def play_part(listener: Connection, options: argparse.Namespace, names: Sequence[str], folder: Path) -> None:
    """What a part's process does."""
    Part(listener, options).sweep(names, folder)
