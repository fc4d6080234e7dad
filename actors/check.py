"""Looks after renders, many at a time."""

from actors import app
from neurocards import dispatch, pipeline


@dispatch.actor
def check(job_ids: list[int]) -> None:
    """Asks KIE about those of the jobs that are due."""
    pipeline.check(app, job_ids)
