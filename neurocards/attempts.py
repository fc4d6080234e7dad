"""Provider attempts: one row for each time KIE is asked for a video, committed before the request leaves.

The database allows one live attempt a job. The nonce travels in `callBackUrl`: when the answer to a request is lost, a callback
with it brings the task id home and the task is adopted instead of being made twice.
"""

import secrets

from peewee import fn

from neurocards import metrics
from neurocards.db import db
from neurocards.errors import LostClaim
from neurocards.models import NOW, Job, ProviderAttempt

LIVE = ("submitting", "ambiguous", "running")


def begin(job: Job, key: str, model: str) -> ProviderAttempt:
    """Commits the intent to ask (with the caller's transaction) and counts it on the job. Raises LostClaim."""
    mine = (Job.id == job.id) & (Job.claim_token == job.claim_token)
    if Job.update(render_attempts=Job.render_attempts + 1).where(mine).execute() != 1:
        raise LostClaim(f"job {job.id} was taken away before KIE was asked")
    earlier = ProviderAttempt.select(fn.COUNT(ProviderAttempt.id)).where(ProviderAttempt.job == job.id).scalar()
    return ProviderAttempt.create(
        job=job.id, n=earlier + 1, nonce=secrets.token_urlsafe(24), key=key, model=model, state="submitting"
    )


def live(job_id: int) -> ProviderAttempt | None:
    """The attempt that may still bring a video, if there is one."""
    return ProviderAttempt.get_or_none((ProviderAttempt.job == job_id) & ProviderAttempt.state.in_(LIVE))


def accepted(attempt_id: int, task_id: str) -> bool:
    """KIE took the task. Written once; False when it was known: a callback was faster, and those come when a task has ended."""
    changes = ProviderAttempt.update(state="running", task_id=task_id)
    waiting = ProviderAttempt.state.in_(("submitting", "ambiguous"))
    return bool(changes.where((ProviderAttempt.id == attempt_id) & waiting).execute())


def doubtful(job_id: int, error: str) -> bool:
    """Nobody knows whether KIE took the task; False when somebody does: a callback was faster and brought its id."""
    waiting = (ProviderAttempt.job == job_id) & (ProviderAttempt.state == "submitting")
    lost = bool(ProviderAttempt.update(state="ambiguous", error=error).where(waiting).execute())
    if lost:
        db.after_commit(metrics.LOST_REPLIES.inc)
    return lost


def end(job_id: int, state: str, error: str | None = None) -> None:
    """Ends the job's live attempt as succeeded, failed or abandoned. Nothing happens when there is none."""
    _change(job_id, state=state, error=error, finished_at=NOW)


def _change(job_id: int, **changes: object) -> None:
    ProviderAttempt.update(**changes).where((ProviderAttempt.job == job_id) & ProviderAttempt.state.in_(LIVE)).execute()


def count_check(job_id: int) -> int:
    """Counts one look at the job's running task and returns how many there were."""
    mine = (ProviderAttempt.job == job_id) & (ProviderAttempt.state == "running")
    rows = (
        ProviderAttempt.update(checks=ProviderAttempt.checks + 1)
        .where(mine)
        .returning(ProviderAttempt.checks)
        .execute()
    )
    return next((row.checks for row in rows), 1)


def adopt(nonce: str, task_id: str) -> int | None:
    """Gives a doubtful attempt the task a callback named, and returns its job's id; None for an unknown or settled nonce."""
    rows = (
        ProviderAttempt.update(task_id=task_id, state="running")
        .where(
            (ProviderAttempt.nonce == nonce)
            & ProviderAttempt.state.in_(("submitting", "ambiguous"))
            & ProviderAttempt.task_id.is_null()
        )
        .returning(ProviderAttempt.job)
        .execute()
    )
    return next((row.job_id for row in rows), None)


def named(nonce: str) -> ProviderAttempt | None:
    """The attempt that carries the nonce."""
    return ProviderAttempt.get_or_none(ProviderAttempt.nonce == nonce)
