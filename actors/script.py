"""Has the prompt written."""

from actors import app
from neurocards import dispatch, pipeline


@dispatch.actor
def script(job_id: int) -> None:
    """Looks at the job's row; nothing happens when it is elsewhere by now."""
    pipeline.run(app, "script", job_id)
