"""The order goes on without GPT."""

from neurocards import jobs, scripts
from neurocards.app import App
from neurocards.errors import Failure
from neurocards.models import Job, Order
from neurocards.policies import Decision
from neurocards.reactions import reaction


@reaction("plain")
def plain(app: App, job: Job, failure: Failure, decision: Decision) -> None:
    """Goes on with a prompt from the template."""
    prompt = scripts.plain_prompt(Order.get_by_id(job.order_id))
    reason = f"no script: {failure.category}: {failure.text}"
    jobs.forward(job, "submit", reason, due_in=0.0, prompt=prompt, prompt_source="plain")
