"""One part of a sweep: a process of its own that plays scenarios, one after another, on servers of its own."""

import argparse
import gc
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import Any

from reliability.crash_sweep import forked
from reliability.crash_sweep.failpoints import BEFORE, SIDES, Step
from reliability.crash_sweep.processes import warm_up
from reliability.crash_sweep.scenarios import SCENARIOS
from reliability.crash_sweep.stage import EMPTY, Kill, Stage
from reliability.crash_sweep.testbed import Testbed
from reliability.crash_sweep.verdicts import Outcome, duplicates, violations

# What the parts play next; None ends a part.
Names = SimpleQueue[str | None]

FIRST_CUSTOMER = 5000
# Threads may take turns in another order than they did in the whole run: a point that was not reached is tried again.
TRIES = 4


@dataclass
class Tally:
    """What was found so far. `unreached` are runs that never came to the point where they should have been killed."""

    points: dict[str, int] = field(default_factory=dict)
    runs: int = 0
    violations: int = 0
    unreached: list[str] = field(default_factory=list)
    duplicates: Counter[str] = field(default_factory=lambda: Counter(create=0, send=0))

    def add(self, other: "Tally") -> None:
        """Counts what another part found."""
        self.points |= other.points
        self.runs += other.runs
        self.violations += other.violations
        self.unreached += other.unreached
        self.duplicates.update(other.duplicates)

    def report(self, seconds: float) -> dict[str, Any]:
        """The figures as they are printed, scenarios in the order of their table."""
        scenarios = {name: self.points[name] for name in SCENARIOS if name in self.points}
        return {
            "points": sum(scenarios.values()), "runs": self.runs, "violations": self.violations,
            "unreached": len(self.unreached), "unreached_points": self.unreached,
            "duplicates": dict(self.duplicates), "scenarios": scenarios, "seconds": round(seconds),
        }  # fmt: skip


@dataclass(frozen=True)
class Point:
    """So far has a scenario come: `done` of `total` runs."""

    scenario: str
    done: int
    total: int


class Part:
    """Sweeps scenarios and tells `listener`: Points, violations as texts, in the end its Tally."""

    def __init__(self, listener: Connection, options: argparse.Namespace) -> None:
        self._listener = listener
        self._options = options
        self._tally = Tally()

    def sweep(self, names: Names, folder: Path) -> None:
        """All runs of the scenarios that `names` gives out, on servers of its own."""
        folder.mkdir()
        with Testbed(folder) as testbed:
            testbed.make(EMPTY)
            warm_up()
            gc.freeze()
            while name := names.get():
                self._scenario(testbed, name)
        self._listener.send(self._tally)

    def _scenario(self, testbed: Testbed, name: str) -> None:
        number = list(SCENARIOS).index(name)
        stage = Stage(testbed, name, SCENARIOS[name], FIRST_CUSTOMER + number)
        try:
            stage.prepare()
            steps, whole = stage.run(None)
            for broken in violations(whole, SCENARIOS[name].ends, None):
                self._violation(f"{name} without a crash: {broken}")
            points = [step for step in steps if step.side == BEFORE]
            self._tally.points[name] = len(points)
            self._sweep(stage, name, chosen(points, self._options, number), whole)
        except forked.ChildFailed as failure:
            self._violation(f"{name}: {failure}")
        stage.close()

    def _sweep(self, stage: Stage, name: str, steps: Sequence[Step], whole: Outcome) -> None:
        for done, step in enumerate(steps, start=1):
            self._tally.runs += 1
            for broken in self._judged(stage, name, step, whole):
                self._violation(f"{name} {step.k} {step.side} {step.name}: {broken}")
            self._listener.send(Point(name, done, len(steps)))

    def _judged(self, stage: Stage, name: str, step: Step, whole: Outcome) -> list[str]:
        """What the run broke that was killed at `step`. A run that was killed elsewhere keeps its promises, too."""
        kill, scenario = Kill(step.k, step.side), SCENARIOS[name]
        for _ in range(TRIES):
            try:
                steps, outcome = stage.run(kill)
            except forked.ChildFailed as failure:
                return [str(failure)]
            doubled, unexpected = duplicates(steps, outcome, whole, scenario.callbacks)
            found = violations(outcome, scenario.ends, whole, scenario.varying) + unexpected
            self._tally.duplicates.update(doubled)
            if found:
                return found
            stage.forget(kill)
            if steps and steps[-1] == step:
                return []
        self._tally.unreached.append(f"{name} {step.k} {step.side} {step.name}")
        return []

    def _violation(self, text: str) -> None:
        self._tally.violations += 1
        self._listener.send(text)


def chosen(points: Sequence[Step], options: argparse.Namespace, number: int) -> list[Step]:
    """Where to kill: both sides of each point, or what `options` leave of them; at least one.

    Of a sweep in steps of N each scenario, by its `number`, begins elsewhere: what they have in common is met in different places.
    """
    kills = [Step(point.k, side, point.name) for point in points for side in SIDES]
    if options.point:
        kills = [kill for kill in kills if kill.k == options.point]
    kills = [kill for kill in kills if options.side in (None, kill.side)]
    every = max(1, min(options.every, len(kills)))
    return kills[number % every :: every]


def play_part(listener: Connection, options: argparse.Namespace, names: Names, folder: Path) -> None:
    """What a part's process does."""
    Part(listener, options).sweep(names, folder)
