"""What all rules share: the model, two worker processes that may die, and the comparison after every step."""

import functools
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeVar

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from neurocards import maintenance, outbox
from neurocards.app import App
from neurocards.audit import audit
from neurocards.db import db
from neurocards.errors import LostClaim
from reliability.crash_sweep import elapse
from reliability.stateful import books
from reliability.stateful.model import ENDED, Claim, World, demand
from reliability.stateful.scratch import another, empty_tables

NAMES = st.sampled_from(["A", "B"])
# Which of several: counted from the newest, so that shrinking prefers what has just happened.
PICK = st.integers(0, 31)
DEADLINE = 3600

Thing = TypeVar("Thing")
Act = TypeVar("Act", bound=Callable[..., None])


def step(**given: st.SearchStrategy[Any]) -> Callable[[Act], Act]:
    """A rule that is counted by its name."""

    def decorate(act: Act) -> Act:
        @functools.wraps(act)
        def counted(self: "Acts", **values: Any) -> None:
            self.counted[act.__name__] += 1
            act(self, **values)

        make: Any = rule
        made: Act = make(**given)(counted)
        return made

    return decorate


def nth(things: Sequence[Thing], pick: int) -> Thing:
    """The `pick`th newest, counted in a circle."""
    return things[-1 - pick % len(things)]


class Acts(RuleBasedStateMachine):
    """Begins with empty tables, and ends when everything that was open has come to its end."""

    template: ClassVar[App]
    counted: ClassVar[Counter[str]] = Counter()
    examples: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        type(self).examples += 1
        empty_tables()
        self.world = World()
        self.born = 0
        self.workers = {name: self.newborn(name) for name in ("A", "B")}
        self.leader = another(self.template, "leader")

    def newborn(self, name: str) -> App:
        """The process that takes the place of another of that name."""
        self.born += 1
        return another(self.template, f"{name}{self.born}")

    @property
    def busy(self) -> bool:
        """Whether a job is open."""
        return any(video.open for video in self.world.videos.values())

    @invariant()
    def the_books_agree(self) -> None:
        """The invariants and the model, in one snapshot."""
        self.world.compare(books.read())

    def let_pass(self, seconds: int) -> None:
        """Everything becomes older."""
        elapse.let_pass(seconds)
        self.world.now += seconds
        for video in self.world.videos.values():
            video.row.due_in -= seconds
            video.row.late_by += seconds

    def write(self, claim: Claim, act: Callable[[], object], states: str | frozenset[str]) -> None:
        """Writes under a claim: it must succeed and let go if the claim holds, and be refused if it does not."""
        holds = self.world.holds(claim)
        try:
            act()
        except LostClaim:
            demand(not holds, "a claim that holds was refused")
        else:
            demand(holds, "a claim that was lost has written")
            self.world.expect(claim.job.id, frozenset(states.split()) if isinstance(states, str) else states)
        for worker in self.workers.values():
            worker.in_hand.discard(claim.job.claim_token)

    def teardown(self) -> None:
        """An hour later everything has ended, everybody is told, and the audit finds nothing."""
        if sys.exc_info()[0] is not None:
            return  # a step failed: that is what should be reported
        elapse.let_pass(DEADLINE)
        maintenance.reclaim(self.leader)
        maintenance.expire(self.leader)
        with db:
            for row in filter(
                None, [outbox.take(row_id) for row_id in outbox.wake_due(("card", "notice", "alert"), 1000, -1)]
            ):
                outbox.sent(row)
        still = [row.id for row in books.read().videos.values() if row.state not in ENDED]
        demand(not still, f"jobs {still} have no end")
        found = [(violation.invariant.name, violation.ids) for violation in audit()]
        demand(not found, f"the audit found {found}")
