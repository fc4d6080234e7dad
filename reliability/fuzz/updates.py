"""Mutated updates, the whole way from getUpdates to the answers; and buttons pressed by those they don't belong to."""

import json
import sys
from collections.abc import Sequence
from random import Random
from typing import Any

from reliability.fuzz.findings import Findings, Stopwatch, Tally, settled_memory
from reliability.fuzz.mutations import encoded, mutated, seeded
from reliability.fuzz.shapes import CONTENTS, Facts, Update, own_data, press, real_update, stale_data
from reliability.fuzz.system import System, rows

BATCH = 100
AUDIT_EVERY = 20
FIRST_ID = 2_000_000_000
# After that many updates the process has everything it keeps.
WARM = 2000
MOST_GROWTH_MB = 50.0
# How many things are wrong with an update: with one in five, nothing.
WRONGS = (0, 0, 1, 1, 1, 1, 1, 1, 2, 4)
DEEPEST = 300

_HANDLED = "SELECT update_id FROM inbox WHERE update_id >= %s AND handled_at IS NOT NULL"


def _by_a_stranger(dice: Random, facts: Facts) -> Update:
    data = own_data(dice, facts, dice.choice(facts.people))
    return {"callback_query": press(dice, facts, dice.choice(facts.strangers), data)}


def _stale(dice: Random, facts: Facts) -> Update:
    owner = dice.choice(facts.people)
    return {"callback_query": press(dice, facts, owner, stale_data(dice, facts, owner))}


class UpdateFuzz:
    """Feeds batches and watches. In one batch of ten nothing of anybody's may change."""

    def __init__(self, system: System, findings: Findings) -> None:
        self._system = system
        self._findings = findings
        self.tally = Tally()
        self._texts: dict[int, str] = {}
        self._sound: set[int] = set()
        self._next = FIRST_ID
        self._intake = system.intake(self._found)
        self._facts = system.people(self._intake)

    def _found(self, kind: str, why: str, update_id: int | None) -> None:
        texts = [self._texts[update_id]] if update_id in self._texts else list(self._texts.values())
        self._findings.add("updates", self.tally, kind, why, {"updates": texts})

    def run(self, count: int) -> Tally:
        """`count` updates in batches."""
        watch, warm = Stopwatch(), 0.0
        for number, begin in enumerate(range(0, count, BATCH)):
            if begin >= WARM and not warm:
                warm = settled_memory()
            self._batch(number, min(BATCH, count - begin))
            if number % AUDIT_EVERY == AUDIT_EVERY - 1:
                self._audit()
                print(f"updates: {begin + BATCH} of {count}", file=sys.stderr, flush=True)
        self._audit()
        self._intake.close()
        growth = settled_memory() - warm if warm else 0.0
        self.tally.rss_growth_mb = round(growth, 1)
        if growth > MOST_GROWTH_MB:
            self._violation(f"grew by {growth:.0f} MB")
        self.tally.counts.update(
            sent=count, slowest_ms=round(self._intake.slowest * 1000), seconds=round(watch.seconds)
        )
        return self.tally

    def _batch(self, number: int, size: int) -> None:
        dice = seeded(self._findings.seed, "updates", number)
        self._facts = self._system.facts()
        make = {4: _by_a_stranger, 9: _stale}.get(number % 10)
        self._texts.clear()
        self._sound.clear()
        before = self._system.books() if make else ()
        for _ in range(size):
            self._add(make(dice, self._facts) if make else real_update(dice, self._facts), dice, mutate=not make)
        self._intake.feed(list(self._texts.values()))
        self.tally.counts["refused"] += len(self._intake.refused)
        if make:
            self.tally.counts[make.__name__.strip("_")] += size
            # A stale button may have its own draft's question asked again; orders, jobs and money stay.
            same = slice(None if make is _by_a_stranger else 1)
            if self._system.books()[same] != before[same]:
                self._violation(f"{make.__name__.strip('_')}: something changed")
        self._check_taken()
        self._check_late()

    def _check_late(self) -> None:
        """What took long is given again, alone: it may have been the machine, which has other work."""
        for number in list(self._intake.late):
            text = self._texts[number]
            self.tally.counts["given_again"] += 1
            self._next += 1
            self._intake.feed([text.replace(str(number), str(self._next - 1))])
            for seconds in self._intake.late.values():
                self._found("slow", f"{seconds:.1f} s, twice", number)

    def _add(self, update: Update, dice: Random, mutate: bool) -> None:
        number, self._next = self._next, self._next + 1
        complete: Update = {"update_id": number, **update}
        wrongs = dice.choice(WRONGS) if mutate else 0
        if wrongs:
            other = CONTENTS[dice.choice(list(CONTENTS))]
            # An id of its own, or it would be taken for one that came before; what is no id comes now and then.
            complete = {**mutated(update, dice, wrongs, [other]), "update_id": number}
            if dice.random() < 0.002:
                complete["update_id"] = dice.choice((2**63, 10**30, -1, 0.5, None, "1", True, [1]))
        else:
            self._sound.add(number)
        self._texts[number] = encoded(complete, dice, DEEPEST)

    def _check_taken(self) -> None:
        """What had an id was taken in and dealt with; what had nothing wrong was not refused."""
        handled = {row[0] for row in rows(_HANDLED, (min(self._texts, default=0),))}
        for number in self._texts:
            text = self._texts[number]
            if number not in handled and f'"update_id":{number}' in text.replace('"update_id": ', '"update_id":'):
                self._found("violations", "lost: not in the inbox, or never dealt with", number)
        for number in self._sound & self._intake.refused.keys():
            self._found("violations", f"nothing is wrong with it: {self._intake.refused[number]}", number)

    def again(self, updates: Sequence[Update]) -> None:
        """Feeds these under new ids."""
        self._texts = {
            self._next + n: json.dumps({**update, "update_id": self._next + n}) for n, update in enumerate(updates)
        }
        self._next += len(updates)
        self._intake.feed(list(self._texts.values()))
        self._check_taken()
        self._audit()
        self._intake.close()

    def _violation(self, why: str) -> None:
        self._findings.add("updates", self.tally, "violations", why, {"updates": list(self._texts.values())})

    def _audit(self) -> None:
        for broken in self._system.broken():
            self._violation(broken)


def fuzz_updates(count: int, findings: Findings, system: System) -> Tally:
    """`count` updates of every kind."""
    return UpdateFuzz(system, findings).run(count)


def replay_updates(case: dict[str, Any], findings: Findings, system: System) -> Tally:
    """Feeds the updates of a finding again, under new ids."""
    fuzz = UpdateFuzz(system, findings)
    fuzz.again([json.loads(text) for text in case["updates"]])
    return fuzz.tally
