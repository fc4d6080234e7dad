"""Asking KIE how tasks fare: with the key that made a task, or another of its account, and never more than a key may ask."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from neurocards import attempts, clock, jobs, keys
from neurocards.app import App
from neurocards.classifiers import classify
from neurocards.clients.kie import TaskRecord
from neurocards.db import db
from neurocards.errors import ProviderError
from neurocards.models import Job, ProviderAttempt
from neurocards.policies import policy_for
from neurocards.reactions import report_key

# So long a task is waited for that no key may look at (seconds); then its order goes on with another account.
UNSEEN_AT_MOST = 900.0


def live_attempts(claimed: Sequence[Job]) -> list[ProviderAttempt]:
    """The attempts that may still bring the jobs a video."""
    ids = [job.id for job in claimed]
    return list(ProviderAttempt.select().where(ProviderAttempt.job.in_(ids) & ProviderAttempt.state.in_(attempts.LIVE)))


def admitted(app: App, claimed: Sequence[Job], live: dict[int, ProviderAttempt]) -> list[Job]:
    """Those that may be asked about now, within the caller's transaction; the others, whose keys have asked enough in this second,
    are let go for the next."""
    asking = {job_id: attempt.key for job_id, attempt in live.items() if attempt.task_id}
    room = {key: app.keys.admit_polls(key, wanted) for key, wanted in sorted(Counter(asking.values()).items())}
    chosen = []
    for job in claimed:
        key = asking.get(job.id)
        if key and not room[key]:
            jobs.look_again(job, keys.POLL_WINDOW)
            continue
        if key:
            room[key] -= 1
        chosen.append(job)
    return chosen


def ask(app: App, attempt: ProviderAttempt | None) -> TaskRecord | ProviderError:
    """What KIE says of the attempt's task, or why nobody will ever know. With no transaction open."""
    if attempt is None or attempt.task_id is None:
        return ProviderError("kie", "createTask", "no answer came and no callback either", fail_code="lost_reply")
    try:
        seers = app.keys.seers(attempt.key)
    except ProviderError as gone:
        return gone
    answers = (_record(app, key, attempt.task_id) for key in seers)
    return next((answer for answer in answers if answer is not None), None) or _unseen(attempt)


def _record(app: App, key: str, task_id: str) -> TaskRecord | None:
    """None when KIE doesn't let the key in; the pool then knows it."""
    try:
        return app.kie.record(key, task_id)
    except ProviderError as error:
        failure = classify(error)
    if failure.category != "BILLING":
        # Not being able to ask says nothing of the task: it is asked about again until the job's deadline.
        return TaskRecord("pending")
    with db:
        report_key(app, policy_for(failure.category).key, keys.fingerprint(key), failure)
    return None


def _unseen(attempt: ProviderAttempt) -> TaskRecord | ProviderError:
    age = clock.unscaled((datetime.now(UTC) - attempt.started_at).total_seconds())
    if age < UNSEEN_AT_MOST:
        return TaskRecord("pending")
    return ProviderError("kie", "keys", "no key of its account is let in", http_status=401)
