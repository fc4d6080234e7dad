"""What an operator wants to know at a glance: `/queue_stats`, whose shape others rely on."""

from typing import Any

from peewee import SQL, Case, fn

from neurocards import clock, liveness
from neurocards.db import db
from neurocards.models import Job


def queue_stats(workers_configured: int | None) -> dict[str, Any]:
    """Counts of open jobs, the mean age of the queued ones in minutes, and what to do about it."""
    with db:
        queued, processing, wait = _counts()
        workers = liveness.instances() if workers_configured is None else workers_configured
    minutes = round(clock.unscaled(float(wait or 0.0)) / 60, 1)
    return {
        "status": "ok",
        "queue": {"queued": queued, "processing": processing, "total": queued + processing},
        "avg_wait_minutes": minutes,
        "workers_configured": workers,
        "advice": advice(queued, minutes),
    }


ADVICE = {
    "many": "add 5-10 workers: more than 50 jobs are queued",
    "some": "add 2-3 workers: more than 10 jobs are queued",
    "slow": "add workers: jobs wait longer than 5 minutes",
    "none": "enough workers",
}


def advice(queued: int, wait_minutes: float) -> str:
    """How many workers to add, in the words of `/queue_stats`."""
    return ADVICE[shortage(queued, wait_minutes)]


def shortage(queued: int, wait_minutes: float) -> str:
    """How badly workers are missing: a key of ADVICE."""
    if queued > 50:
        return "many"
    if queued > 10:
        return "some"
    return "slow" if wait_minutes > 5 else "none"


def _counts() -> tuple[int, int, float | None]:
    is_queued = Job.status == "queued"
    age = fn.EXTRACT(SQL("epoch FROM now() - created_at"))
    return (
        Job.select(
            fn.COUNT(Case(None, ((is_queued, 1),))),
            fn.COUNT(Case(None, ((~is_queued, 1),))),
            fn.AVG(Case(None, ((is_queued, age),))),
        )
        .where(Job.status.in_(("queued", "processing")))
        .scalar(as_tuple=True)
    )
