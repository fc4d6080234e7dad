"""Another attempt, later."""

from neurocards import attempts, jobs, outbox, retries
from neurocards.app import App
from neurocards.errors import Failure
from neurocards.models import Job, Order
from neurocards.policies import Decision
from neurocards.reactions import reaction


@reaction("retry")
def retry(app: App, job: Job, failure: Failure, decision: Decision) -> None:
    """Puts the job back for its next attempt, `decision.delay` seconds from now; an uncounted failure gives its attempt back."""
    stage, used = retries.stage(job, failure), retries.used(job, failure)
    attempts.end(job.id, "failed", failure.text)
    if failure.subtype == "image_unreachable":
        _forget_upload(job)
    changes = {retries.COUNTER[stage]: used - int(decision.uncounted), "model": decision.model or job.model}
    jobs.again(job, stage, f"{failure.category}: {failure.why}: {failure.text}", decision.delay, **changes)
    outbox.redraw_card(job.order_id)


def _forget_upload(job: Job) -> None:
    photo = Order.get_by_id(job.order_id).photo
    photo.kie_url = photo.kie_url_expires_at = None
    photo.save(only=["kie_url", "kie_url_expires_at"])
