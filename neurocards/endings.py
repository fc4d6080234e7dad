"""How a job's life ends: delivered and captured, or given up and refunded. Each ending is one transaction."""

from neurocards import jobs, ledger, outbox
from neurocards.db import db
from neurocards.errors import Failure
from neurocards.models import Job, Order


def delivered(job: Job, file_id: str | None, reason: str = "delivered") -> None:
    """The video reached its customer: done and captured."""
    with db:
        jobs.finish(job, reason, file_id)
        ledger.capture(job.id, job.claimed_by)
        outbox.redraw_card(job.order_id)


def give_up(job: Job, failure: Failure, reason: str, actor: str | None = None) -> None:
    """Fails the job, claimed or not, returns the credit, and tells the customer; within the caller's transaction.

    `actor` is who decided that, when it was neither the job's worker nor the scheduler.
    """
    jobs.fail(job, reason, failure.category, failure.subtype, actor)
    ledger.refund(job.id, f"{failure.category} {failure.subtype}".strip(), actor or job.claimed_by or "scheduler")
    order = Order.get_by_id(job.order_id)
    outbox.notify(job.id, order.chat_id, "failed")
    outbox.redraw_card(order)
