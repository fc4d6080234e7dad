"""Rules: what worker processes do, one transaction of the pipeline at a time, so that anything can come between two of them.

Claims that were lost are kept and used: a process that was only frozen doesn't know that its job was given to another.
"""

from collections.abc import Callable

import hypothesis.strategies as st
from hypothesis.stateful import precondition

from neurocards import attempts, endings, jobs, outages, pipeline, settlement, web
from neurocards.clients.kie import TaskRecord
from neurocards.db import db
from neurocards.errors import LostClaim
from neurocards.keys import Wait
from neurocards.models import Job, ProviderAttempt
from reliability.stateful.acts import NAMES, PICK, Acts, nth, step
from reliability.stateful.model import NEAR, Claim, Video, demand
from reliability.stateful.scratch import OPERATOR
from reliability.stateful.troubles import LOST, TROUBLES, Trouble

RESULT = "https://results.example/video.mp4"
# So many claims are remembered; older ones are as void as these.
MEMORY = 24


def in_stage(*stages: str) -> Callable[["Workers"], bool]:
    """A precondition: somebody has, or had, a claim there."""
    return lambda self: bool(self.those_in(*stages))


class Workers(Acts):
    """Two processes and KIE, GPT and Telegram, whose answers are drawn."""

    def those_in(self, *stages: str) -> list[Claim]:
        """The remembered claims of jobs that were taken up in one of the stages."""
        return [claim for claim in self.world.claims[-MEMORY:] if claim.job.stage in stages]

    @precondition(lambda self: self.busy)
    @step(which=PICK, name=NAMES)
    def take_up(self, which: int, name: str) -> None:
        """A message for an open job, in the stage where it is."""
        job_id = nth([job_id for job_id, video in self.world.videos.items() if video.open], which)
        state = self.world.videos[job_id].row.state
        self._message(job_id, "script" if state == "queued" else state, name)

    @precondition(lambda self: bool(self.world.videos))
    @step(which=PICK, stage=st.sampled_from(jobs.STAGES), name=NAMES)
    def old_message(self, which: int, stage: str, name: str) -> None:
        """A message that comes late or twice."""
        self._message(nth(list(self.world.videos), which), stage, name)

    def _message(self, job_id: int, stage: str, name: str) -> None:
        row, process, began = self.world.videos[job_id].row, self.workers[name].process, self.world.moment()
        with db:
            job = self._taken(job_id, stage, process)
            attempt = attempts.live(job_id) if job and stage == "render" else None
        its_turn = row.token is None and stage == ("script" if row.state == "queued" else row.state)
        demand(its_turn or job is None, f"job {job_id} was taken up out of turn")
        demand(job or not its_turn or row.due_in > 0, f"job {job_id} was due and not taken up")
        demand(job is None or row.due_in < NEAR, f"job {job_id} was taken up too soon")
        if job is not None:
            self.world.claims.append(Claim(job, process, began, attempt))
            self.workers[name].in_hand.add(job.claim_token)
            self.world.expect(job_id, frozenset({stage}), job.claim_token)

    @staticmethod
    def _taken(job_id: int, stage: str, process: str) -> Job | None:
        if stage != "render":
            return jobs.claim(job_id, stage, process)
        return next(iter(jobs.claim_renders([job_id], process)), None)

    @precondition(in_stage("script"))
    @step(which=PICK)
    def prompt_written(self, which: int) -> None:
        """GPT has answered."""
        self._write_prompt(nth(self.those_in("script"), which))

    def _write_prompt(self, claim: Claim) -> None:
        self.write(claim, lambda: self._forward_to_submit(claim.job), "submit")

    @staticmethod
    def _forward_to_submit(job: Job) -> None:
        with db:
            jobs.forward(job, "submit", "prompt: gpt", prompt="a prompt", prompt_source="gpt")

    @precondition(in_stage(*jobs.STAGES))
    @step(which=PICK, trouble=PICK)
    def go_wrong(self, which: int, trouble: int) -> None:
        """A vendor fails the job in some way that its stage may meet."""
        claim = nth(self.those_in(*jobs.STAGES), which)
        self._fail(claim, nth([met for met in (LOST, *TROUBLES.values()) if claim.job.stage in met.ends], trouble))

    def _fail(self, claim: Claim, met: Trouble) -> None:
        awaited = met is LOST and claim.attempt is not None
        ends = frozenset({"render"}) if awaited else met.ends[claim.job.stage]
        self.write(claim, lambda: settlement.settle(self.leader, claim.job, met.failure), ends)

    @precondition(lambda self: any(claim.attempt is None for claim in self.those_in("submit")))
    @step(which=PICK)
    def ask(self, which: int) -> None:
        """The intent to ask KIE is committed; a worker that lost its job must not ask."""
        self._ask(nth([claim for claim in self.those_in("submit") if claim.attempt is None], which))

    def _ask(self, claim: Claim) -> None:
        holds = self.world.holds(claim)
        try:
            with db:
                claim.attempt = attempts.begin(claim.job, "key", "model")
        except LostClaim:
            demand(not holds, "a claim that holds was refused")
        else:
            demand(holds, "KIE was asked under a lost claim")
            self.world.asked.append(claim.attempt)

    def _asking(self, accepted: bool) -> list[Claim]:
        return [claim for claim in self.those_in("submit") if claim.attempt and claim.accepted == accepted]

    @precondition(lambda self: bool(self._asking(accepted=False)))
    @step(which=PICK)
    def task_made(self, which: int) -> None:
        """KIE answers with the task's id, which is kept even if the job is somebody else's by now."""
        self._keep_task(nth(self._asking(accepted=False), which))

    @staticmethod
    def _keep_task(claim: Claim) -> None:
        if claim.attempt is not None:
            pipeline._keep_task(claim.attempt, task_of(claim.attempt))
            claim.accepted = True

    @precondition(lambda self: bool(self._asking(accepted=True)))
    @step(which=PICK)
    def task_accepted(self, which: int) -> None:
        """The move that follows."""
        self._go_to_render(nth(self._asking(accepted=True), which))

    def _go_to_render(self, claim: Claim) -> None:
        self.write(claim, lambda: pipeline._rendering(claim.job, 18.0), "render")

    @precondition(lambda self: any(claim.attempt is None for claim in self.those_in("submit")))
    @step(which=PICK)
    def wait_for_provider(self, which: int) -> None:
        """KIE is down for everybody: the claim is let go before KIE is asked."""
        claim = nth([claim for claim in self.those_in("submit") if claim.attempt is None], which)
        self.write(claim, lambda: self._hold(claim.job), "submit")

    @staticmethod
    def _hold(job: Job) -> None:
        with db:
            outages.hold(job, Wait(30.0, "down"), (OPERATOR,))

    @precondition(lambda self: bool(self.world.asked))
    @step(which=PICK, forged=st.booleans())
    def callback(self, which: int, forged: bool) -> None:
        """KIE calls back, or somebody who doesn't know the nonce; no job moves by it."""
        attempt = nth(self.world.asked, which)
        nonce = "forged" if forged else attempt.nonce
        web.take_callback(nonce, {"data": {"taskId": task_of(attempt)}}, (OPERATOR,))

    def _rendered(self) -> list[Claim]:
        return [claim for claim in self.those_in("render") if claim.attempt and claim.attempt.task_id]

    @precondition(lambda self: bool(self._rendered()))
    @step(which=PICK, ready=st.booleans())
    def look(self, which: int, ready: bool) -> None:
        """KIE says that the task has its video, or none yet."""
        self._judge(nth(self._rendered(), which), TaskRecord("success", RESULT) if ready else TaskRecord("pending"))

    def _judge(self, claim: Claim, record: TaskRecord) -> None:
        states = "deliver" if record.state == "success" else "render"
        self.write(claim, lambda: pipeline._judge(claim.job, claim.attempt, record), states)

    @precondition(in_stage("deliver"))
    @step(which=PICK)
    def about_to_send(self, which: int) -> None:
        """The last look before a video leaves: a worker that lost its job must not send."""
        claim = nth(self.those_in("deliver"), which)
        holds = self.world.holds(claim)
        try:
            with db:
                jobs.confirm(claim.job)
        except LostClaim:
            demand(not holds, "a claim that holds was refused")
        else:
            demand(holds, "a video was about to be sent under a lost claim")

    @precondition(in_stage("deliver"))
    @step(which=PICK)
    def delivered(self, which: int) -> None:
        """Telegram has the video."""
        self._deliver(nth(self.those_in("deliver"), which))

    def _deliver(self, claim: Claim) -> None:
        self.write(claim, lambda: endings.delivered(claim.job, "file"), "done")

    @precondition(lambda self: self.busy)
    @step(which=PICK, name=NAMES, moves=st.integers(1, 6))
    def go_on(self, which: int, name: str, moves: int) -> None:
        """What would come next for a job if nothing went wrong, some moves of it; so that many get far."""
        video = nth([video for video in self.world.videos.values() if video.open], which)
        while video.open and moves:
            self._move_on(video, name)
            self.the_books_agree()
            moves -= 1

    def _move_on(self, video: Video, name: str) -> None:
        row = video.row
        if row.token is None:
            if row.due_in > 0:
                self.let_pass(80 if row.due_in < 80 else 700)
            self._message(row.id, "script" if row.state == "queued" else row.state, name)
            return
        claim = next(claim for claim in reversed(self.world.claims) if claim.job.claim_token == row.token)
        self._next_of(claim)(claim)

    def _next_of(self, claim: Claim) -> Callable[[Claim], None]:
        if claim.job.stage == "submit":
            asked = self._go_to_render if claim.accepted else self._keep_task
            return asked if claim.attempt else self._ask
        if claim.job.stage == "render":
            return self._find_ready if claim.attempt and claim.attempt.task_id else self._give_up_waiting
        return {"script": self._write_prompt, "deliver": self._deliver}[claim.job.stage]

    def _find_ready(self, claim: Claim) -> None:
        self._judge(claim, TaskRecord("success", RESULT))

    def _give_up_waiting(self, claim: Claim) -> None:
        self._fail(claim, TROUBLES["no_callback"])


def task_of(attempt: ProviderAttempt) -> str:
    """The id that KIE gave to what the attempt asked for."""
    return f"task-{attempt.id}"


def after_crash(claim: Claim, video: Video, crashed: bool = True) -> frozenset[str]:
    """Where a job goes whose worker is gone."""
    stage = claim.job.stage
    if crashed and video.row.crashes >= jobs.MAX_RECLAIMS:
        return frozenset({"failed"})
    if crashed and stage == "script" and claim.job.script_attempts >= 3:
        return frozenset({"submit"})
    return frozenset({"render" if stage == "submit" and claim.attempt else stage})
