"""Asks KIE for the video."""

from actors import app
from neurocards import dispatch, pipeline


@dispatch.actor
def submit(job_id: int) -> None:
    """Looks at the job's row; nothing happens when it is elsewhere by now."""
    pipeline.run(app, "submit", job_id)
