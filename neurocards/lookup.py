"""What operators look up: a person, or a job with its whole story. The chat and the command line show the same."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from neurocards.attempts import LIVE
from neurocards.db import db
from neurocards.errors import DeedRefused
from neurocards.models import Job, JobEvent, LedgerEntry, Order, ProviderAttempt, User

RECENT = 5


@dataclass(frozen=True)
class Person:
    """Somebody, with their newest jobs (orders loaded) and ledger entries, newest first."""

    user: User
    jobs: list[Job]
    entries: list[LedgerEntry]


@dataclass(frozen=True)
class Story:
    """A job with its order; events, attempts and money as they came. `waits`: what an open one waits for: a `worker` that has it,
    the `provider` to be up again, the provider's `answer` to a request, its `turn`, or the time of the next `look` at a render or of
    another `try`."""

    job: Job
    order: Order
    events: list[JobEvent]
    attempts: list[ProviderAttempt]
    entries: list[LedgerEntry]
    waits: str = ""


def person(user_id: int) -> Person:
    """Raises DeedRefused (`no_user`) for someone who never wrote to the bot."""
    with db:
        user = User.get_or_none(User.id == user_id)
        if user is None:
            raise DeedRefused("no_user")
        jobs = Job.select(Job, Order).join(Order).where(Job.user == user_id).order_by(Job.id.desc()).limit(RECENT)
        entries = LedgerEntry.select().where(LedgerEntry.user == user_id).order_by(LedgerEntry.id.desc())
        return Person(user, list(jobs), list(entries.limit(RECENT)))


def story(job_id: int) -> Story:
    """Raises DeedRefused (`no_job`) when there is none of this id."""
    with db:
        job = Job.get_or_none(Job.id == job_id)
        if job is None:
            raise DeedRefused("no_job")
        tries = list(ProviderAttempt.select().where(ProviderAttempt.job == job_id).order_by(ProviderAttempt.n))
        return Story(
            job,
            Order.get_by_id(job.order_id),
            list(JobEvent.select().where(JobEvent.job == job_id).order_by(JobEvent.id)),
            tries,
            list(LedgerEntry.select().where(LedgerEntry.job == job_id).order_by(LedgerEntry.id)),
            "" if job.finished_at else _waits_for(job, tries),
        )


def _waits_for(job: Job, tries: Sequence[ProviderAttempt]) -> str:
    if job.claim_token is not None:
        return "worker"
    if job.held_at is not None:
        return "provider"
    if any(attempt.state in LIVE and attempt.task_id is None for attempt in tries):
        return "answer"
    if job.due_at <= datetime.now(UTC):
        return "turn"
    return "look" if job.stage == "render" else "try"
