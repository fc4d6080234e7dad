"""No attempt can help, or none is left."""

from neurocards import attempts, endings
from neurocards.app import App
from neurocards.errors import Failure
from neurocards.models import Job
from neurocards.policies import Decision
from neurocards.reactions import reaction


@reaction("fail")
def fail(app: App, job: Job, failure: Failure, decision: Decision) -> None:
    """Fails the job, returns the credit and tells the customer."""
    attempts.end(job.id, "failed", failure.text)
    endings.give_up(job, failure, f"{failure.category}: {failure.why}: {failure.text}")
