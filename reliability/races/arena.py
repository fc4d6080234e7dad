"""Starts the contenders of a race at the same moment, and reads the bank all the while."""

import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Self

from neurocards.db import db
from neurocards.errors import LostClaim, OrderRefused
from reliability.stateful.model import demand

# The others start at any moment of what the favourite does, or a little after it, however long that takes here and today.
LATEST = 1.3
MOST = 64

Act = Callable[[], object]
# What each contender returned, or how it was refused.
Results = Mapping[str, object]


@dataclass(frozen=True)
class Race:
    """`judge` says what came of it, as a course like "reclaim > expire" or the winner's name, and raises AssertionError when a promise
    was broken. Each of the `contenders` should be in some course, or it is no race."""

    acts: Mapping[str, Act]
    judge: Callable[[Results], str]
    contenders: frozenset[str]


def between(acts: Mapping[str, Act]) -> Race:
    """A race that exactly one wins."""
    return Race(acts, only_winner, frozenset(acts))


def only_winner(results: Results) -> str:
    """The one who got something; raises AssertionError when there are several, or none."""
    winners = [name for name, result in results.items() if result and not isinstance(result, Exception)]
    demand(len(winners) == 1, f"{len(winners)} of {len(results)} succeeded: {results}")
    return winners[0]


class Arena:
    """A context with a thread, and so a connection, for each contender."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._threads = ThreadPoolExecutor(MOST)
        self._takes = defaultdict[str, float](float)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._threads.shutdown()

    def run(self, race: Race) -> str:
        """Runs a race and returns its course. A refusal is an outcome; anything else a contender raises is raised here."""
        barrier, favourite = threading.Barrier(len(race.acts)), self._dice.choice(list(race.acts))
        running = {
            name: self._threads.submit(_start, barrier, 0.0 if name == favourite else self._delay(favourite), act)
            for name, act in race.acts.items()
        }
        ended = {name: future.result() for name, future in running.items()}
        for name, (_, seconds) in ended.items():
            self._takes[name] += (seconds - self._takes[name]) / 8
        return race.judge({name: result for name, (result, _) in ended.items()})

    def _delay(self, favourite: str) -> float:
        return self._takes[favourite] * self._dice.uniform(0.0, LATEST)


def _start(barrier: threading.Barrier, delay: float, act: Act) -> tuple[object, float]:
    barrier.wait()
    if delay:
        time.sleep(delay)
    began = time.monotonic()
    try:
        return act(), time.monotonic() - began
    except (LostClaim, OrderRefused) as refusal:
        return refusal, time.monotonic() - began


class Bank(threading.Thread):
    """Reads all balances and then all entries, in one snapshot, again and again: the sums must agree in each."""

    # Between two snapshots, so that the races have the machine (seconds).
    REST = 0.02

    def __init__(self) -> None:
        super().__init__(name="bank")
        self.snapshots = self.torn = 0
        self.paused = threading.Lock()
        self._over = threading.Event()
        self._failure: Exception | None = None

    def run(self) -> None:
        """Reads until it is told to stop; while `paused` is held by somebody, it waits."""
        try:
            while not self._over.wait(self.REST):
                with self.paused:
                    self.torn += not agrees()
                    self.snapshots += 1
        except Exception as error:  # noqa: BLE001  the thread's edge: `stop` raises it
            self._failure = error

    def stop(self) -> None:
        """Ends the thread. Raises what it failed with."""
        self._over.set()
        self.join()
        if self._failure:
            raise self._failure


def agrees() -> bool:
    """Whether each balance is the sum of its entries, read by two statements of one snapshot."""
    with db:
        _rows("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        balances = dict(_rows("SELECT id, credits FROM users"))
        entries = dict(_rows("SELECT user_id, sum(amount) FROM ledger_entries GROUP BY user_id"))
    return balances == {person: entries.get(person, 0) for person in balances} and entries.keys() <= balances.keys()


def _rows(statement: str) -> list[tuple[Any, ...]]:
    with closing(db.execute_sql(statement)) as cursor:
        return list(cursor.fetchall()) if cursor.description else []
