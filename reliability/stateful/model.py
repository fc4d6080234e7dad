"""What should be the case, in plain Python beside the database, and the comparison of the two.

The model knows whose claim holds, what everybody's credits are, and which states a step may lead to; where the product has a choice
(a retry or the end), it takes over what it finds. Whatever a step didn't name must not have changed.
"""

import math
import time
from collections import Counter
from dataclasses import dataclass, field
from uuid import UUID

from neurocards.models import Job, Outgoing, ProviderAttempt
from reliability.stateful.books import Books, Row

REFUNDED = ("failed", "cancelled")
ENDED = ("done", *REFUNDED)
# A due time this near (seconds) may pass while we look; every span that the rules let pass is far longer.
NEAR = 15.0


def demand(true: object, otherwise: str) -> None:
    """Raises AssertionError with the text `otherwise` unless the first is so."""
    if not true:
        raise AssertionError(otherwise)


@dataclass
class Slip:
    """A confirm button: the draft and the version that it names, and the order that it became."""

    person: int
    draft: int
    version: int
    count: int
    order: int | None = None


@dataclass(frozen=True)
class Moment:
    """When something was: in the model's seconds, and by this machine's clock, since the steps themselves take time, too."""

    at: int
    clock: float


@dataclass
class Claim:
    """A job as a process took it up. It holds until the job's fence changes; its holder may not know."""

    job: Job
    process: str
    taken: Moment
    attempt: ProviderAttempt | None = None
    accepted: bool = False


@dataclass
class Video:
    """A job as the model sees it."""

    person: int
    row: Row

    @property
    def open(self) -> bool:
        """Whether it has not ended."""
        return self.row.state not in ENDED


@dataclass(frozen=True)
class Change:
    """Where a step may lead: one of `states`, under that fence or none; or nowhere, if it is not `sure`."""

    states: frozenset[str]
    token: UUID | None = None
    sure: bool = True


@dataclass
class World:
    """`now` is in seconds since the beginning, without what the steps themselves took. `taken` has the outbox rows that somebody is
    at, and until when."""

    now: int = 0
    granted: dict[int, int] = field(default_factory=dict)
    photos: dict[int, int] = field(default_factory=dict)
    payments: set[int] = field(default_factory=set)
    slips: list[Slip] = field(default_factory=list)
    current: dict[int, Slip] = field(default_factory=dict)
    orders: dict[int, Slip] = field(default_factory=dict)
    videos: dict[int, Video] = field(default_factory=dict)
    claims: list[Claim] = field(default_factory=list)
    asked: list[ProviderAttempt] = field(default_factory=list)
    beats: dict[str, Moment] = field(default_factory=dict)
    taken: dict[int, int] = field(default_factory=dict)
    telling: list[Outgoing] = field(default_factory=list)
    _changes: dict[int, Change] = field(default_factory=dict)

    def credits(self, person: int) -> int:
        """What the person was given, less one for each video that was not refunded."""
        theirs = [video for video in self.videos.values() if video.person == person]
        return self.granted[person] - sum(video.row.state not in REFUNDED for video in theirs)

    def unfinished(self, person: int) -> int:
        """How many of the person's videos have not ended."""
        return sum(video.open for video in self.videos.values() if video.person == person)

    def holds(self, claim: Claim) -> bool:
        """Whether the claim's writes must succeed."""
        return self.videos[claim.job.id].row.token == claim.job.claim_token

    def held(self) -> list[Claim]:
        """The claims that hold."""
        return [claim for claim in self.claims if self.holds(claim)]

    def moment(self) -> Moment:
        """Now."""
        return Moment(self.now, time.monotonic())

    def age(self, moment: Moment | None) -> tuple[float, float]:
        """The seconds since then, at least and at most; since ever, if it never was."""
        if moment is None:
            return math.inf, math.inf
        return self.now - moment.at, self.now - moment.at + time.monotonic() - moment.clock

    def expect(self, job_id: int, states: frozenset[str], token: UUID | None = None, sure: bool = True) -> None:
        """This step may, and must if that is `sure`, take the job to one of `states` under the fence `token` (None: free)."""
        self._changes[job_id] = Change(states, token, sure)

    def compare(self, books: Books) -> None:
        """Raises AssertionError where the database is not as it should be; otherwise takes over what was found."""
        demand(not books.broken, "; ".join(books.broken))
        self._meet_new(books)
        demand(books.videos.keys() == self.videos.keys(), "jobs came or went")
        for job_id, video in self.videos.items():
            self._take_over(video, books.videos[job_id], self._changes.get(job_id))
        self._changes.clear()
        expected = {person: self.credits(person) for person in self.granted}
        demand(books.balances == expected, f"credits are {books.balances} and should be {expected}")

    def _meet_new(self, books: Books) -> None:
        new = [row for row in books.videos.values() if row.id not in self.videos]
        for row in new:
            self.videos[row.id] = Video(self.orders[row.order].person, row)
        for order, count in Counter(row.order for row in new).items():
            demand(count == self.orders[order].count, f"order {order} has {count} jobs")

    @staticmethod
    def _take_over(video: Video, row: Row, change: Change | None) -> None:
        same = (row.state, row.token) == (video.row.state, video.row.token)
        if change is None or (same and not change.sure):
            change = Change(frozenset({video.row.state}), video.row.token)
        found = f"job {row.id} is {row.state} under {row.token}, and was {video.row.state} under {video.row.token}"
        demand(row.state in change.states, f"{found}: not one of {sorted(change.states)}")
        demand(row.token == change.token, f"{found}: not under {change.token}")
        video.row = row
