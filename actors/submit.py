"""Asks KIE for the video."""

import dramatiq

from actors import app
from neurocards import dispatch, pipeline
from neurocards.errors import JobFailed


@dramatiq.actor(queue_name=dispatch.QUEUE, throws=(JobFailed,))
def submit(job_id: int) -> None:
    """Looks at the job's row; nothing happens when it is elsewhere by now."""
    pipeline.run(app, "submit", job_id)
