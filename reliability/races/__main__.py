"""Lets everybody who may change the same thing loose on it at once, while a reader sums the bank in snapshots.

    python -m reliability.races [--races N] [--seed S] [--only KIND]

Who starts how much earlier than whom depends on the seed; how threads and server then interleave, on the machine. The last line is one
JSON object with the courses each kind took; the exit status is 1 when something was settled twice or never, or a promise was broken.
"""

import argparse
import json
import logging
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from neurocards.audit import audit
from reliability.races.arena import MOST, Arena, Bank
from reliability.races.kinds import KINDS
from reliability.races.shop import Shop
from reliability.stateful.scratch import empty_tables, make_worker, scratch_database
from sandbox.services import Postgres

ROOT = Path(__file__).parent.parent.parent
BATCH = 200
# The largest crowd costs as much as a dozen other races.
RARELY = {"crowded_confirm": 0.25}


@dataclass
class Tally:
    """What the races came to."""

    courses: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    settlements: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    contenders: dict[str, frozenset[str]] = field(default_factory=dict)

    @property
    def races(self) -> int:
        """How many there were."""
        return sum(kind.total() for kind in self.courses.values())


def batches(races: int, kinds: Sequence[str], dice: random.Random) -> Iterator[list[str]]:
    """Which kinds are run in each batch."""
    weights = [RARELY.get(kind, 1.0) for kind in kinds]
    for start in range(0, races, BATCH):
        yield dice.choices(kinds, weights, k=min(BATCH, races - start))


def play(arena: Arena, shop: Shop, kinds: Sequence[str], tally: Tally) -> None:
    """One batch, on tables that are empty, and its audit."""
    shop.begin_batch()
    for kind in kinds:
        race = KINDS[kind](shop)
        tally.contenders[kind] = race.contenders
        try:
            tally.courses[kind][arena.run(race)] += 1
        except Exception as error:  # noqa: BLE001  a race's edge: a deadlock or a wrong result is one race's finding
            tally.courses[kind]["violation"] += 1
            tally.violations.append(f"{kind}: {type(error).__name__}: {error}")
    try:
        tally.settlements.update(shop.end_batch())
    except AssertionError as error:
        tally.violations.append(str(error))
    tally.violations += [f"{found.invariant.name} is broken by {found.ids}" for found in audit()]


def run(races: int, seed: int, kinds: Sequence[str]) -> tuple[Tally, Bank]:
    """All batches, with the bank's reader beside them."""
    dice, tally, bank = random.Random(seed), Tally(), Bank()  # noqa: S311  who starts first
    with (
        Postgres(ROOT / "var", durable=False) as server,
        scratch_database(server.url, connections=MOST + 8),
        Arena(dice) as arena,
        Progress(console=Console(stderr=True)) as progress,
    ):
        shop, bar = Shop(make_worker("w1")), progress.add_task("races", total=races)
        bank.start()
        try:
            for batch in batches(races, kinds, dice):
                # Emptying a table is no transaction that a snapshot could stand apart from.
                with bank.paused:
                    empty_tables()
                play(arena, shop, batch, tally)
                progress.update(bar, completed=tally.races)
        finally:
            bank.stop()
    return tally, bank


def report(tally: Tally, bank: Bank, seconds: float, seed: int) -> dict[str, object]:
    """The figures. `never_moved` names contenders whom nobody saw moving: with these it was no race."""
    kinds = {kind: dict(courses.most_common()) for kind, courses in sorted(tally.courses.items())}
    moved = {kind: {name for course in courses for name in course.split(" > ")} for kind, courses in kinds.items()}
    return {
        "races": tally.races,
        "by_kind": {kind: {"races": sum(courses.values()), "courses": courses} for kind, courses in kinds.items()},
        "never_moved": {kind: idle for kind in kinds if (idle := sorted(tally.contenders[kind] - moved[kind]))},
        "violations": len(tally.violations) + bank.torn,
        "snapshots": bank.snapshots,
        "torn_snapshots": bank.torn,
        "settlements": dict(tally.settlements),
        "seconds": round(seconds, 1),
        "seed": seed,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Reads the arguments, runs, prints; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m reliability.races", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--races", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1, help="of who starts how much earlier than whom")
    parser.add_argument("--only", choices=list(KINDS), action="append", metavar="KIND", help="may be repeated")
    given, began = parser.parse_args(arguments), time.monotonic()
    logging.disable(logging.CRITICAL)  # what the product would log of crashes that are meant to happen
    tally, bank = run(given.races, given.seed, given.only or list(KINDS))
    for violation in tally.violations:
        print(f"VIOLATION {violation}", flush=True)
    print(json.dumps(report(tally, bank, time.monotonic() - began, given.seed)), flush=True)
    return 1 if tally.violations or bank.torn else 0


if __name__ == "__main__":
    sys.exit(main())
