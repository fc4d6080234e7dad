"""Rules: processes die and beat, time passes, the leader sweeps, and couriers tell people."""

import hypothesis.strategies as st
from hypothesis.stateful import precondition

from neurocards import jobs, maintenance, outbox
from neurocards.db import db
from reliability.stateful.acts import NAMES, PICK, Acts, nth, step
from reliability.stateful.model import NEAR, Claim, demand
from reliability.stateful.workers import after_crash

# Multiples of 20 s, so that no sum of them is near a limit (silence 15 s, a hung thread 900 s, a deadline 3600 s).
SPANS = st.sampled_from([20, 80, 700, 3600])
SILENT, HUNG, DROPPED, LEASE = 15, 900, 5, 60


class Elapsing(Acts):
    """What time does to jobs, with and without anybody's fault."""

    @precondition(lambda self: self.busy)
    @step(seconds=SPANS)
    def time_passes(self, seconds: int) -> None:
        """Nobody does anything for a while."""
        self.let_pass(seconds)

    @precondition(lambda self: bool(self.world.held()))
    @step(name=NAMES)
    def die(self, name: str) -> None:
        """The process is gone, or frozen: its claims remain, and may still be used."""
        self.workers[name] = self.newborn(name)

    @precondition(lambda self: bool(self.world.claims))
    @step(which=PICK)
    def drop(self, which: int) -> None:
        """A thread ends without having settled its claim."""
        claim = nth(self.world.claims, which)
        for worker in self.workers.values():
            worker.in_hand.discard(claim.job.claim_token)

    @precondition(lambda self: self.busy)
    @step(name=NAMES)
    def beat(self, name: str) -> None:
        """A process says that it lives, and gives back what no thread of it works on."""
        worker = self.workers[name]
        self.world.beats[worker.process] = self.world.moment()
        maintenance.beat(worker)
        for claim in self._of(worker.process):
            least, most = self.world.age(claim.taken)
            if claim.job.claim_token not in worker.in_hand and most >= DROPPED:
                self._expect_back(claim, sure=least >= DROPPED)

    @precondition(lambda self: bool(self.world.held()))
    @step(name=NAMES)
    def leave(self, name: str) -> None:
        """A process stops in order."""
        worker = self.workers[name]
        for claim in self._of(worker.process):
            self._expect_back(claim, crashed=False)
        maintenance.leave(worker)
        self.workers[name] = self.newborn(name)

    @precondition(lambda self: bool(self.world.held()))
    @step()
    def reclaim(self) -> None:
        """The leader takes back what silent processes and hung threads hold, and nothing else."""
        maintenance.reclaim(self.leader)
        for claim in self.world.held():
            silence, age = self.world.age(self.world.beats.get(claim.process)), self.world.age(claim.taken)
            sure, possible = (min(quiet, old) > SILENT or old >= HUNG for quiet, old in zip(silence, age, strict=True))
            if possible:
                self._expect_back(claim, sure=sure)

    def _of(self, process: str) -> list[Claim]:
        return [claim for claim in self.world.held() if claim.process == process]

    def _expect_back(self, claim: Claim, crashed: bool = True, sure: bool = True) -> None:
        states = after_crash(claim, self.world.videos[claim.job.id], crashed)
        self.world.expect(claim.job.id, states, sure=sure)

    @precondition(lambda self: self.busy)
    @step()
    def expire(self) -> None:
        """The leader refunds what is past its deadline and in nobody's hands."""
        maintenance.expire(self.leader)
        for job_id, video in self.world.videos.items():
            if video.open and video.row.token is None and video.row.late_by > -NEAR:
                maybe = {video.row.state} if video.row.late_by < 0 else set()
                self.world.expect(job_id, frozenset({"failed", *maybe}))

    @precondition(lambda self: self.busy)
    @step(stage=st.sampled_from(jobs.STAGES))
    def wake(self, stage: str) -> None:
        """The leader looks for work that waits, and moves nothing."""
        with db:
            jobs.wake_due(stage, 100, 15.0)
            outbox.wake_due(("card", "notice", "alert"), 100, 15.0)

    @precondition(lambda self: bool(self.world.orders))
    @step(row_id=st.integers(1, 12))
    def take_row(self, row_id: int) -> None:
        """A courier wants to tell something; not while another is at it."""
        with db:
            row = outbox.take(row_id)
        taken = self.world.now < self.world.taken.get(row_id, 0)
        demand(not (row and taken), f"two couriers tell {row_id}")
        if row is not None:
            self.world.taken[row_id] = self.world.now + LEASE
            self.world.telling.append(row)

    @precondition(lambda self: bool(self.world.telling))
    @step(which=PICK, how=st.sampled_from(["sent", "postpone", "drop"]))
    def told(self, which: int, how: str) -> None:
        """A courier has told it, could not for now, or never can."""
        row = nth(self.world.telling, which)
        self.world.telling.remove(row)
        with db:
            if how == "sent":
                outbox.sent(row)
            elif how == "postpone":
                outbox.postpone(row, 30.0)
            else:
                outbox.drop(row, "blocked")
        self.world.taken.pop(row.id, None)
