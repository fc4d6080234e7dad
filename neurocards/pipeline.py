"""What a worker does next: one function a stage. Actors call `run` and `check` and nothing else.

A stage claims the job, does its one thing with no transaction open, writes what came of it under the claim, and lets go.
Whatever goes wrong leaves as JobFailed with the claim inside; the middleware understands and settles it.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from structlog.contextvars import bound_contextvars

from neurocards import (
    attempts,
    cards,
    dispatch,
    endings,
    forecast,
    jobs,
    key_health,
    keys,
    ledger,
    media,
    metrics,
    outages,
    outbox,
    polling,
    scripts,
)
from neurocards.app import App
from neurocards.clients.kie import TaskRecord
from neurocards.db import Unreachable, db, insistently
from neurocards.errors import JobFailed, LostClaim, ProviderError
from neurocards.models import Job, Order, Photo, ProviderAttempt, User

# KIE keeps uploads for three days; ours are renewed well before.
UPLOAD_LIFE = timedelta(days=2)
# A render is first looked at after this share of its model's median time, then at widening intervals (seconds).
FIRST_CHECK = 0.6
CHECK_AT_LEAST, CHECK_AT_MOST, WIDER = 5.0, 30.0, 1.3


def run(app: App, stage: str, job_id: int) -> None:
    """Takes the job up for `stage` and does it; nothing happens when the job is elsewhere, not due, or taken."""
    with db:
        job = jobs.claim(job_id, stage, app.process)
    if job is not None:
        with _held(app, job):
            _STAGES[stage](app, job)


@contextmanager
def _held(app: App, job: Job) -> Iterator[None]:
    """Work under a claim. It stays in hand after a failure, until the middleware has settled it."""
    app.in_hand.add(job.claim_token)
    try:
        with bound_contextvars(job_id=job.id, order_id=job.order_id, stage=job.stage):
            yield
    except (LostClaim, *Unreachable):
        # Nothing failed that the job should pay for. Out of hand, a claim that is still there is given back by the next beat.
        app.in_hand.discard(job.claim_token)
        raise
    except Exception as cause:
        # The edge of a stage: whatever it was, a bug of ours included, must leave with the claim, or the job would hang.
        raise JobFailed(job) from cause
    except BaseException:
        # The time limit, or the process is ending: as above.
        app.in_hand.discard(job.claim_token)
        raise
    app.in_hand.discard(job.claim_token)


def write_script(app: App, job: Job) -> None:
    """script: a prompt from GPT, or the customer's own."""
    with db:
        order = Order.select(Order, Photo).join(Photo).where(Order.id == job.order_id).get()
    if order.template == "own":
        prompt, source = scripts.plain_prompt(order), "own"
    else:
        prompt, source = (
            app.gpt.write(scripts.instruction(order), scripts.product(order), bytes(order.photo.jpeg)),
            "gpt",
        )
        metrics.ATTEMPTS.labels("openai", "OK").inc()
    with db:
        jobs.forward(job, "submit", f"prompt: {source}", prompt=prompt, prompt_source=source)
    dispatch.send("submit", job.id)


def submit(app: App, job: Job) -> None:
    """submit: one task at KIE, when the account's window has room; its id is committed at once."""
    app.keys.enrol()
    if _waits_for_provider(app, job):
        return
    picture = _uploaded(app, job)
    model = job.model or app.settings.models[0]
    with db:
        if jobs.jumps_the_queue(job):
            # Its picture is there; the sweep calls it up when it is its turn.
            jobs.look_again(job, 0.0, held_at=None)
            return
        lease = app.keys.acquire()
        if isinstance(lease, keys.Wait):
            jobs.look_again(job, lease.seconds, held_at=None)
            return
        attempt = attempts.begin(job, lease.fingerprint, model)
        first_check = forecast.render_time(model) * FIRST_CHECK
    with _blaming(lease.fingerprint):
        task_id = app.kie.create_task(lease.key, model, picture, job.prompt, _callback(app, attempt))
    if insistently(lambda: _accepted(app, job, attempt, task_id, first_check)):
        dispatch.send("check", [job.id])


def _waits_for_provider(app: App, job: Job) -> bool:
    with db:
        wait = outages.wait(job, "kie")
        if wait is not None:
            outages.hold(job, wait, app.settings.admins)
    return wait is not None


def _accepted(app: App, job: Job, attempt: ProviderAttempt, task_id: str, first_check: float) -> bool:
    """Notes the task and moves on; whether its callback was here before us, so that it has to be looked at now.

    One transaction: a callback comes before it or after it, and in between there is nothing for it to miss.
    """
    with db:
        held = jobs.holds(job)
        called_back = not _keep_task(attempt, task_id, app.settings.admins)
        if held:
            _rendering(job, None if called_back else first_check)
    # Should the claim be lost by now, the task's id is known all the same.
    if not held:
        raise LostClaim(f"job {job.id} was taken away while KIE was asked")
    return called_back


def _keep_task(attempt: ProviderAttempt, task_id: str, admins: tuple[int, ...] = ()) -> bool:
    with db:
        outages.over("kie", admins)
        key_health.took_a_task(attempt.key)
        return attempts.accepted(attempt.id, task_id)


def _rendering(job: Job, first_check: float | None) -> None:
    with db:
        jobs.forward(job, "render", "task accepted", due_in=first_check)
        outbox.redraw_card(job.order_id)


def _callback(app: App, attempt: ProviderAttempt) -> str | None:
    return f"{app.settings.public_base_url}/kie/callback/{attempt.nonce}" if app.callbacks else None


def _uploaded(app: App, job: Job) -> str:
    with db:
        photo = Photo.select().join(Order).where(Order.id == job.order_id).get()
    now = datetime.now(UTC)
    if photo.kie_url and photo.kie_url_expires_at > now:
        return photo.kie_url
    lease = app.keys.any_usable()
    with _blaming(lease.fingerprint):
        url = app.kie.upload(lease.key, bytes(photo.jpeg))
    with db:
        Photo.update(kie_url=url, kie_url_expires_at=now + UPLOAD_LIFE).where(Photo.id == photo.id).execute()
    return url


@contextmanager
def _blaming(fingerprint: str) -> Iterator[None]:
    try:
        yield
    except ProviderError as error:
        error.key = fingerprint
        raise


def check(app: App, job_ids: Sequence[int]) -> None:
    """render: asks KIE about those of the jobs that are due, a few at a time, and judges each answer.

    Raises an ExceptionGroup of JobFailed when tasks have failed: each is settled on its own.
    """
    with db:
        claimed = jobs.claim_renders(job_ids, app.process)
        live = {attempt.job_id: attempt for attempt in polling.live_attempts(claimed)}
        claimed = polling.admitted(app, claimed, live)
    tokens = {job.claim_token for job in claimed}
    app.in_hand.update(tokens)
    try:
        records = list(app.pollers.map(lambda job: _asked(app, job, live.get(job.id)), claimed))
    except BaseException:
        # The time limit or a bug: none of the batch was judged, and the next beat gives all of it back.
        app.in_hand.difference_update(tokens)
        raise
    failed = [
        failure
        for job, record in zip(claimed, records, strict=True)
        if (failure := _judged(app, job, live.get(job.id), record))
    ]
    if failed:
        raise ExceptionGroup(f"{len(failed)} of {len(claimed)} renders failed", failed)


def _asked(app: App, job: Job, attempt: ProviderAttempt | None) -> TaskRecord | ProviderError:
    # In a thread of a pool, where nothing is bound.
    with bound_contextvars(job_id=job.id, order_id=job.order_id, stage=job.stage):
        return polling.ask(app, attempt)


def _judged(
    app: App, job: Job, attempt: ProviderAttempt | None, record: TaskRecord | ProviderError
) -> JobFailed | None:
    try:
        with _held(app, job):
            _judge(job, attempt, record)
    except JobFailed as failure:
        return failure
    except (LostClaim, *Unreachable):
        return None  # somebody else looks after it, or the sweep will
    return None


def _judge(job: Job, attempt: ProviderAttempt | None, record: TaskRecord | ProviderError) -> None:
    if isinstance(record, ProviderError):
        raise record
    if record.error is not None and attempt is not None:
        record.error.key = attempt.key
        raise record.error
    if record.state == "success":
        with db:
            jobs.confirm(job)
            attempts.end(job.id, "succeeded")
            jobs.forward(job, "deliver", "video ready", result_url=record.result_url)
            outbox.redraw_card(job.order_id)
        metrics.ATTEMPTS.labels("kie", "OK").inc()
        dispatch.send("deliver", job.id)
        return
    with db:
        jobs.confirm(job)
        checks = attempts.count_check(job.id)
        jobs.look_again(job, min(CHECK_AT_MOST, CHECK_AT_LEAST * WIDER**checks))


def deliver(app: App, job: Job) -> None:
    """deliver: fetches the video, makes sure that it is one, sends it, and captures the credit.

    A crash between sending and the commit may send it twice: one of the two windows that can't be closed.
    """
    with db:
        order, user = Order.get_by_id(job.order_id), User.get_by_id(job.user_id)
        caption = cards.video_caption(order, job, user.language, ledger.balance(user.id))
    with tempfile.TemporaryDirectory(prefix="neurocards-") as folder:
        path = Path(folder) / "video.mp4"
        media.fetch_result(job.result_url, path, allow_private=app.kie.is_private)
        video = media.probe_video(path)
        with db:
            jobs.confirm(job)
        sent = app.telegram.send_video(order.chat_id, path, video, caption.text, caption.buttons)
    metrics.ATTEMPTS.labels("telegram", "OK").inc()
    insistently(lambda: endings.delivered(job, sent.file_id))


_STAGES = {"script": write_script, "submit": submit, "deliver": deliver}
