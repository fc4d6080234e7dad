"""One scenario on a database of its own: prepared once, played as often as there are points and sides."""

import json
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from reliability.crash_sweep import failpoints, forked
from reliability.crash_sweep.failpoints import Step
from reliability.crash_sweep.play import Play
from reliability.crash_sweep.scenarios import Fault, Scenario
from reliability.crash_sweep.settling import settle
from reliability.crash_sweep.testbed import OPERATOR, Testbed
from reliability.crash_sweep.verdicts import Outcome
from sandbox.client import SandboxClient

Kill = tuple[int, str]
EMPTY = "empty"


class Stage:
    """One scenario on its database: prepared once, then played as often as there are points and sides."""

    def __init__(self, testbed: Testbed, name: str, scenario: Scenario, customer: int) -> None:
        self._testbed = testbed
        self._scenario = scenario
        self._customer = customer
        self._database = f"sweep_{name}"
        self._folder = testbed.folder / name
        self._folder.mkdir()
        self._notes = self._folder / "notes.json"

    def prepare(self) -> None:
        """Makes the database every run begins with. Raises ChildFailed."""
        testbed = self._testbed
        testbed.calm_vendors()
        testbed.forget_messages()
        testbed.copy(EMPTY, self._database)
        for person in (self._customer, OPERATOR):
            testbed.client.user(id=person).say("/start")
        environment = testbed.environment(self._database, self._scenario.settings)
        forked.run(self._greet, self._folder, "greet", environment)
        self._arm(self._scenario.spoiled)
        forked.run(self._make_rows, self._folder, "prepare", environment)
        testbed.until_deserted(self._database)

    def _greet(self) -> None:
        self._play(self._folder, None).bot.serve()

    def _make_rows(self) -> None:
        play = self._play(self._folder, None)
        # Also makes Valkey load Dramatiq's scripts, or the first run would have calls that no later one has.
        play.worker.drain()
        self._scenario.prepare(play)

    def _play(self, folder: Path, kill: Kill | None) -> Play:
        return Play(self._customer, self._testbed.client.url, folder / "trace", kill, self._notes)

    def _arm(self, faults: Sequence[Fault]) -> None:
        self._testbed.client.clear_faults()
        for fault in faults:
            self._testbed.client.fault(fault.service, fault.endpoint, fault.kind, times=fault.times, **fault.params)

    def run(self, kill: Kill | None) -> tuple[list[Step], Outcome]:
        """One run from the prepared rows to the settled books, killed at `kill`. Raises ChildFailed."""
        testbed, database = self._testbed, f"{self._database}_run"
        folder = self._folder / ("whole" if kill is None else f"{kill[0]}-{kill[1]}")
        folder.mkdir()
        testbed.forget_messages()
        testbed.drop(database)
        testbed.copy(self._database, database)
        # Another scenario's or run's latecomer must not be taken for this one's.
        after = testbed.newest()
        self._arm(self._scenario.faults)
        notes = json.loads(self._notes.read_text()) if self._notes.exists() else {}
        self._scenario.people(testbed.client.user(id=self._customer), notes)
        environment = testbed.environment(database, self._scenario.settings)
        finished = forked.run(partial(self._act, folder, kill), folder, "run", environment)
        steps = failpoints.read(folder / "trace")
        if kill is not None and (finished or (steps[-1].k, steps[-1].side) != kill):
            raise forked.ChildFailed(f"the point was not reached: {len(steps)} steps")
        testbed.until_deserted(database)
        books = folder / "books.json"
        url, calls = testbed.client.url, notes.get("calls", [])
        forked.run(lambda: settle(SandboxClient(url), after, calls, books), folder, "settle", environment)
        testbed.until_deserted(database)
        return steps, Outcome(json.loads(books.read_text()), testbed.client.journal(after=after))

    def _act(self, folder: Path, kill: Kill | None) -> None:
        play = self._play(folder, kill)
        play.points.install()
        self._scenario.act(play)

    def forget(self, kill: Kill) -> None:
        """Removes what a run without findings left."""
        shutil.rmtree(self._folder / f"{kill[0]}-{kill[1]}")

    def close(self) -> None:
        """Removes the databases."""
        self._testbed.drop(f"{self._database}_run")
        self._testbed.drop(self._database)
