"""Looks after renders, many at a time."""

import dramatiq

from actors import app
from neurocards import dispatch, pipeline
from neurocards.errors import JobFailed


@dramatiq.actor(queue_name=dispatch.QUEUE, throws=(JobFailed, ExceptionGroup))
def check(job_ids: list[int]) -> None:
    """Asks KIE about those of the jobs that are due."""
    pipeline.check(app, job_ids)
