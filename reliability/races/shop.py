"""What races are about: people with credits and jobs in every stage, made by the product's own functions."""

import itertools
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from neurocards import attempts, clock, drafts, jobs, ledger, maintenance, orders
from neurocards.app import App
from neurocards.db import db
from neurocards.models import Draft, Job, JobEvent, Order, ProviderAttempt
from reliability.stateful.model import demand
from reliability.stateful.scratch import another

SILENT = 20.0
FACTS: dict[str, dict[str, Any]] = {
    "submit": {"prompt": "a prompt", "prompt_source": "gpt"},
    "render": {},
    "deliver": {"result_url": "https://results.example/video.mp4"},
}
OVERDUE = {"deadline_at": clock.in_real(-1)}
# Status of a job -> captures, refunds and notices there must be of it.
_ENDS = {"done": (1, 0, 0), "failed": (0, 1, 1), "cancelled": (0, 1, 0)}
_SETTLEMENTS = """
    SELECT j.id, j.status, (SELECT count(*) FROM ledger_entries e WHERE e.job_id = j.id AND e.kind = 'capture'),
           (SELECT count(*) FROM ledger_entries e WHERE e.job_id = j.id AND e.kind = 'refund'),
           (SELECT count(*) FROM outbox n WHERE n.kind = 'notice' AND n.key = 'notice:' || j.id || ':failed') FROM jobs j"""


@dataclass
class Held:
    """A job in a worker's hands; `last` is its newest event before the race."""

    job: Job
    attempt: ProviderAttempt | None
    last: int


class Shop:
    """Numbers people and chats so that no race meets another's. Processes are silent from birth: none ever beats."""

    def __init__(self, worker: App) -> None:
        self.worker, self.leader = worker, another(worker, "leader")
        self._people, self._chats, self._waiting = itertools.count(1), itertools.count(1), list[int]()
        self.photos: dict[int, int] = {}

    def begin_batch(self) -> None:
        """Forgets the jobs of the batch before; the tables are empty."""
        self._waiting.clear()

    def person(self, balance: int) -> int:
        """A new person with that many credits and a photo."""
        person = next(self._people)
        orders.meet(person, "Anna", "ru", 0)
        if balance:
            with db:
                ledger.grant(person, balance, "top-up", "operator")
        self.photos[person] = orders.save_photo(person, b"jpeg", 720, 1280)
        return person

    def draft(self, person: int, count: int = 1) -> Draft:
        """A draft in a chat of its own that only waits for the confirm."""
        product: dict[str, Any] = {"description": "a mug", "template": "ugc", "count": count}
        return drafts.save(next(self._chats), person, state="confirm", photo_id=self.photos[person], **product)

    def order(self, count: int = 1) -> Order:
        """A placed order of somebody new: one person may not have so many open as a batch leaves."""
        person = self.person(count)
        draft = self.draft(person, count)
        return orders.place(person, draft.chat_id, draft.id, draft.version, 100)

    def queued(self) -> int:
        """A job that nobody has taken up."""
        if not self._waiting:
            order = self.order(5)
            with db:
                self._waiting += [job.id for job in Job.select(Job.id).where(Job.order == order.id)]
        return self._waiting.pop()

    def held(self, stage: str, process: str = "w1", *, free: bool = False, **changes: Any) -> Held:
        """A job that a silent process holds in `stage`, or that is free there; `changes` are made to its row."""
        job_id = self.queued()
        with db:
            job, attempt = _brought_to(stage, job_id, process)
            if free:
                jobs.look_again(job, 0.0)
            else:
                changes["claimed_at"] = clock.in_real(-SILENT)
            if changes:
                Job.update(**changes).where(Job.id == job_id).execute()
            return Held(job, attempt, last_event(job_id))

    def asked(self, **changes: Any) -> Held:
        """As `held`, in the midst of asking KIE."""
        held = self.held("submit", **changes)
        with db:
            held.attempt = attempts.begin(held.job, "key", "model")
        return held

    def end_batch(self) -> dict[str, int]:
        """Brings whatever is open to its end; returns how many jobs ended how. Raises AssertionError unless each was settled once."""
        with db:
            _execute("UPDATE jobs SET deadline_at = now() WHERE status IN ('queued', 'processing')")
            _execute("UPDATE jobs SET claimed_at = now() - interval '1 hour' WHERE claim_token IS NOT NULL")
        maintenance.reclaim(self.leader)
        maintenance.expire(self.leader)
        with db:
            rows = _execute(_SETTLEMENTS)
        wrong = [row for row in rows if _ENDS.get(row[1]) != row[2:]]
        demand(not wrong, f"not settled once: {wrong[:20]}")
        return {status: sum(row[1] == status for row in rows) for status in _ENDS}


def _brought_to(stage: str, job_id: int, process: str) -> tuple[Job, ProviderAttempt | None]:
    job, attempt = _take(job_id, "script", process), None
    for following in jobs.STAGES[1 : jobs.STAGES.index(stage) + 1]:
        if following == "render":
            attempt = attempts.begin(job, "key", "model")
            attempts.accepted(attempt.id, f"task-{job_id}")
        if following == "deliver":
            attempts.end(job_id, "succeeded")
        jobs.forward(job, following, "prepared", **FACTS[following])
        job = _take(job_id, following, process)
    return job, attempt


def _take(job_id: int, stage: str, process: str) -> Job:
    if stage == "render":
        return jobs.claim_renders([job_id], process)[0]
    job = jobs.claim(job_id, stage, process)
    if job is None:
        raise AssertionError(f"job {job_id} could not be taken up for {stage}")
    return job


def _execute(statement: str) -> list[tuple[Any, ...]]:
    with closing(db.execute_sql(statement)) as cursor:
        return list(cursor.fetchall()) if cursor.description else []


def last_event(job_id: int) -> int:
    """The id of the job's newest event, within the caller's transaction."""
    newest = JobEvent.select(JobEvent.id).where(JobEvent.job == job_id).order_by(JobEvent.id.desc())
    return newest.limit(1).scalar() or 0


def moves(job_id: int, after: int) -> list[JobEvent]:
    """The job's events since the event `after`, in order."""
    with db:
        later = (JobEvent.job == job_id) & (JobEvent.id > after)
        return list(JobEvent.select().where(later).order_by(JobEvent.id))
