"""What operators look up: a person, or a job with its whole story. The chat and the command line show the same."""

from dataclasses import dataclass

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
    """A job with its order; events, attempts and money as they came."""

    job: Job
    order: Order
    events: list[JobEvent]
    attempts: list[ProviderAttempt]
    entries: list[LedgerEntry]


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
        return Story(
            job,
            Order.get_by_id(job.order_id),
            list(JobEvent.select().where(JobEvent.job == job_id).order_by(JobEvent.id)),
            list(ProviderAttempt.select().where(ProviderAttempt.job == job_id).order_by(ProviderAttempt.n)),
            list(LedgerEntry.select().where(LedgerEntry.job == job_id).order_by(LedgerEntry.id)),
        )
