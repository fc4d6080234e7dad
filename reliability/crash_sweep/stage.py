"""One scenario on a database of its own: prepared once, played as often as there are points and sides."""

import json
import shutil
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from reliability.crash_sweep import failpoints, forked
from reliability.crash_sweep.failpoints import Step
from reliability.crash_sweep.play import Play
from reliability.crash_sweep.scenarios import Fault, Scenario
from reliability.crash_sweep.settling import settle
from reliability.crash_sweep.testbed import ACCOUNTS, OPERATOR, PLENTY, Testbed
from reliability.crash_sweep.verdicts import Outcome
from sandbox.client import SandboxClient

EMPTY = "empty"


class Kill(NamedTuple):
    """Where a run is to be killed: the number of a call, and its side."""

    k: int
    side: str


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
        self._arm(self._scenario.spoiled, {})
        forked.run(self._make_rows, self._folder, "prepare", environment)
        testbed.until_deserted(self._database)
        testbed.until_rendered()
        testbed.keep(self._database)

    def _greet(self) -> None:
        self._play(self._folder, None).bot.serve()

    def _make_rows(self) -> None:
        play = self._play(self._folder, None)
        # Also makes Valkey load Dramatiq's scripts, or the first run would have calls that no later one has.
        play.worker.drain()
        self._scenario.prepare(play)

    def _play(self, folder: Path, kill: Kill | None) -> Play:
        return Play(self._customer, self._testbed.client.url, folder / "trace", kill, self._notes)

    def _arm(self, faults: Sequence[Fault], balances: Mapping[str, float]) -> None:
        client = self._testbed.client
        client.clear_faults()
        client.kie("PUT", "credits", **{account: balances.get(account, PLENTY) for account in ACCOUNTS})
        for fault in faults:
            client.fault(fault.service, fault.endpoint, fault.kind, times=fault.times, **fault.params)

    def run(self, kill: Kill | None) -> tuple[list[Step], Outcome]:
        """One run from the prepared rows to the settled books, killed at `kill` if it comes there. Raises ChildFailed."""
        testbed, database = self._testbed, self._database
        folder = self._folder_of(kill)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        testbed.forget_messages()
        testbed.put_back(database)
        # Another scenario's or run's latecomer must not be taken for this one's.
        after = testbed.newest()
        self._arm(self._scenario.faults, self._scenario.credits)
        notes = json.loads(self._notes.read_text()) if self._notes.exists() else {}
        self._scenario.people(testbed.client.user(id=self._customer), notes)
        environment = testbed.environment(database, self._scenario.settings)
        forked.run(partial(self._act, folder, kill), folder, "run", environment)
        steps = failpoints.read(folder / "trace")
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
        shutil.rmtree(self._folder_of(kill))

    def _folder_of(self, kill: Kill | None) -> Path:
        return self._folder / ("whole" if kill is None else f"{kill.k}-{kill.side}")

    def close(self) -> None:
        """Removes the database."""
        self._testbed.drop(self._database)
