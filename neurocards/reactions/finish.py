"""The work is done, though the customer could not be reached, or may have been."""

from neurocards import endings
from neurocards.app import App
from neurocards.errors import Failure
from neurocards.models import Job
from neurocards.policies import Decision
from neurocards.reactions import reaction


@reaction("finish")
def finish(app: App, job: Job, failure: Failure, decision: Decision) -> None:
    """Takes the job for delivered and captures the credit; the history has the video."""
    endings.delivered(job, file_id=None, reason=f"not handed over: {failure.text}")
