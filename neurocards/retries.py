"""Where a failed stage is taken up again, and how many attempts it has used; within the caller's transaction."""

from neurocards import attempts
from neurocards.errors import Failure
from neurocards.models import Job

# A failed render needs a new task, whatever became of the old one.
_RETRY_AT = {"script": "script", "submit": "submit", "render": "submit", "deliver": "deliver"}
COUNTER = {"script": "script_attempts", "submit": "render_attempts", "deliver": "deliver_attempts"}


def stage(job: Job, failure: Failure) -> str:
    """The stage at which the next attempt begins."""
    # What was to be delivered is no video: only a new task can help.
    return "submit" if failure.subtype == "bad_result" and job.stage == "deliver" else _RETRY_AT[job.stage]


def used(job: Job, failure: Failure) -> int:
    """Attempts used at what failed, the failed one included, even if it failed before it could be counted."""
    again_at = stage(job, failure)
    uncounted = again_at == "deliver" or (job.stage == "submit" and attempts.live(job.id) is None)
    return getattr(Job.get_by_id(job.id), COUNTER[again_at]) + int(uncounted)
