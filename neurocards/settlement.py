"""How a stage ends: delivered and captured, or failed and put right. Each ending is one transaction under the job's claim."""

from neurocards import attempts, jobs, ledger, outbox, scripts
from neurocards.app import App
from neurocards.db import db
from neurocards.errors import Failure
from neurocards.models import Job, Order
from neurocards.policies import Decision, Situation, policy_for

# Where a failed stage is taken up again. A failed render needs a new task, whatever became of the old one.
_RETRY_AT = {"script": "script", "submit": "submit", "render": "submit", "deliver": "deliver"}
_COUNTER = {"script": "script_attempts", "submit": "render_attempts", "deliver": "deliver_attempts"}
# How long a lost answer is waited for (seconds): a callback may bring the task's id; without callbacks nothing will.
AWAIT_CALLBACK = 600.0
AWAIT_NOTHING = 60.0


def delivered(job: Job, file_id: str | None, reason: str = "delivered") -> None:
    """The video reached its customer: done and captured."""
    with db:
        jobs.finish(job, reason, file_id)
        ledger.capture(job.id, job.claimed_by)
        outbox.redraw_card(job.order_id)


def settle(app: App, job: Job, failure: Failure) -> None:
    """Carries out what the failure's policy decides for a claimed job. Raises LostClaim when the job was taken away meanwhile."""
    with db:
        jobs.confirm(job)
        decision = _decision(app, job, failure)
        _CARRY_OUT[decision.action](app, job, failure, decision)
        if decision.alert:
            _alert(app, decision.alert, job, failure)


def give_up(app: App, job: Job, failure: Failure, reason: str) -> None:
    """Fails the job, claimed or not, returns the credit, and tells the customer; within the caller's transaction."""
    jobs.fail(job, reason, failure.category, failure.subtype)
    ledger.refund(job.id, f"{failure.category} {failure.subtype}".strip(), job.claimed_by or "scheduler")
    order = Order.get_by_id(job.order_id)
    outbox.notify(job.id, order.chat_id, "failed")
    outbox.redraw_card(order)


def _decision(app: App, job: Job, failure: Failure) -> Decision:
    decision = policy_for(failure.category).decide(failure, _situation(app, job, failure))
    if decision.action == "fail" and job.stage == "script" and failure.category != "USER_ERROR":
        # A script by GPT is worth having, but no order is lost for want of one.
        return Decision("plain", alert="script_fallback")
    return decision


def _situation(app: App, job: Job, failure: Failure) -> Situation:
    models = app.settings.models
    current = job.model or models[0]
    place = models.index(current) if current in models else -1
    stage = _retry_stage(job, failure)
    return Situation(
        attempts=0 if _patient(failure, stage) else _used(job, failure),
        submitted=job.stage == "submit" and attempts.live(job.id) is not None,
        key_left=app.keys.has_usable(),
        next_model=models[place + 1] if place + 1 < len(models) else None,
    )


def _patient(failure: Failure, stage: str) -> bool:
    """Handing over a finished video is tried until the job's deadline, however often Telegram refuses it for now.

    Not so when it may have been handed over (each try could be one more copy), nor when a new one would have to be paid for.
    """
    return failure.provider == "telegram" and stage == "deliver" and failure.subtype != "lost_reply"


def _retry_stage(job: Job, failure: Failure) -> str:
    # What was to be delivered is no video: only a new task can help.
    return "submit" if failure.subtype == "bad_result" and job.stage == "deliver" else _RETRY_AT[job.stage]


def _used(job: Job, failure: Failure) -> int:
    """Attempts used at what failed, the failed one included, even if it failed before it could be counted."""
    stage = _retry_stage(job, failure)
    uncounted = stage == "deliver" or (job.stage == "submit" and attempts.live(job.id) is None)
    return getattr(Job.get_by_id(job.id), _COUNTER[stage]) + int(uncounted)


def _retry(app: App, job: Job, failure: Failure, decision: Decision) -> None:
    stage, used = _retry_stage(job, failure), _used(job, failure)
    attempts.end(job.id, "failed", failure.text)
    if failure.subtype == "image_unreachable":
        _forget_upload(job)
    changes = {_COUNTER[stage]: used - int(decision.uncounted), "model": decision.model or job.model}
    jobs.again(job, stage, f"{failure.category}: {failure.why}: {failure.text}", decision.delay, **changes)
    outbox.redraw_card(job.order_id)


def _await(app: App, job: Job, failure: Failure, decision: Decision) -> None:
    wait = answer_due_in(app) if attempts.doubtful(job.id, failure.text) else 0.0
    jobs.forward(job, "render", f"answer lost, waiting for a callback: {failure.text}", due_in=wait)


def answer_due_in(app: App) -> float:
    """How long a lost answer is waited for, in seconds."""
    return AWAIT_CALLBACK if app.callbacks else AWAIT_NOTHING


def _fail(app: App, job: Job, failure: Failure, decision: Decision) -> None:
    attempts.end(job.id, "failed", failure.text)
    give_up(app, job, failure, f"{failure.category}: {failure.why}: {failure.text}")


def _plain(app: App, job: Job, failure: Failure, decision: Decision) -> None:
    jobs.forward(job, "submit", f"no script: {failure.category}: {failure.text}", due_in=0.0, **plain(job))


def plain(job: Job) -> dict[str, str]:
    """What a job goes on with when GPT wrote no script for it."""
    return {"prompt": scripts.plain_prompt(Order.get_by_id(job.order_id)), "prompt_source": "plain"}


def _finish(app: App, job: Job, failure: Failure, decision: Decision) -> None:
    delivered(job, file_id=None, reason=f"not handed over: {failure.text}")


_CARRY_OUT = {"retry": _retry, "await": _await, "plain": _plain, "fail": _fail, "finish": _finish}


def _forget_upload(job: Job) -> None:
    photo = Order.get_by_id(job.order_id).photo
    photo.kie_url = photo.kie_url_expires_at = None
    photo.save(only=["kie_url", "kie_url_expires_at"])


def _alert(app: App, alert: str, job: Job, failure: Failure) -> None:
    about = alert if ":" in alert else f"{alert}:{failure.why}"
    outbox.alert(
        app.settings.admins, about, job=job.id, order=job.order_id, provider=failure.provider, text=failure.text[:300]
    )
