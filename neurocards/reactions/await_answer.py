"""Nobody knows whether the provider took the task: its callback may bring the id, and nothing is sent again until then."""

from neurocards import attempts, jobs
from neurocards.app import App
from neurocards.errors import Failure
from neurocards.models import Job
from neurocards.policies import Decision
from neurocards.reactions import reaction


@reaction("await")
def await_answer(app: App, job: Job, failure: Failure, decision: Decision) -> None:
    """Waits for a callback as long as one may come. A callback that was faster than we are has brought the id already."""
    wait = app.answer_due_in if attempts.doubtful(job.id, failure.text) else 0.0
    jobs.forward(job, "render", f"answer lost, waiting for a callback: {failure.text}", due_in=wait)
