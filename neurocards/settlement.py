"""What becomes of a failed job: its category's policy decides, and the reactions it names are carried out in one transaction."""

from neurocards import attempts, jobs, outbox, retries
from neurocards.app import App
from neurocards.db import db
from neurocards.errors import Failure
from neurocards.models import Job
from neurocards.policies import Decision, Situation, policy_for
from neurocards.reactions import carry_out

# Faults of the picture's file, which GPT may see where KIE sees none.
_OF_THE_FILE = ("image_format", "image_size")


def settle(app: App, job: Job, failure: Failure) -> None:
    """Carries out what the failure's policy decides for a claimed job. Raises LostClaim when the job was taken away meanwhile."""
    with db:
        jobs.confirm(job)
        decision = _decision(app, job, failure)
        carry_out(app, job, failure, decision)
        if decision.alert:
            _alert(app, decision.alert, job, failure)


def _decision(app: App, job: Job, failure: Failure) -> Decision:
    decision = policy_for(failure.category).decide(failure, _situation(app, job, failure))
    refused = failure.category == "USER_ERROR" and failure.subtype not in _OF_THE_FILE
    if decision.action == "fail" and job.stage == "script" and not refused:
        # A script by GPT is worth having, but no order is lost for want of one.
        return Decision("plain", alert="script_fallback")
    return decision


def _situation(app: App, job: Job, failure: Failure) -> Situation:
    models = app.settings.models
    current = job.model or models[0]
    place = models.index(current) if current in models else -1
    patient = _patient(failure, retries.stage(job, failure))
    return Situation(
        attempts=0 if patient else retries.used(job, failure),
        submitted=job.stage == "submit" and attempts.live(job.id) is not None,
        key_left=app.keys.has_usable(),
        next_model=models[place + 1] if place + 1 < len(models) else None,
    )


def _patient(failure: Failure, stage: str) -> bool:
    """Handing over a finished video is tried until the job's deadline, however often Telegram refuses it for now.

    Not so when it may have been handed over (each try could be one more copy), nor when a new one would have to be paid for.
    """
    return failure.provider == "telegram" and stage == "deliver" and failure.subtype != "lost_reply"


def _alert(app: App, alert: str, job: Job, failure: Failure) -> None:
    about = alert if ":" in alert else f"{alert}:{failure.why}"
    outbox.alert(
        app.settings.admins, about, job=job.id, order=job.order_id, provider=failure.provider, text=failure.text[:300]
    )
