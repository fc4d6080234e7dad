"""From a failure to what follows: it is classified, the key hears of it, and the reactions its policy names are carried out."""

import logging
from datetime import UTC, datetime

import pytest

from middleware.classification import Classification, failed_jobs
from middleware.key_rotation import KeyRotation
from neurocards import attempts, clock, jobs, key_health, ledger, orders, scripts, settlement
from neurocards.db import db
from neurocards.errors import Failure, JobFailed, LostClaim, ProviderError
from neurocards.keys import fingerprint
from neurocards.models import ApiKey, Job, JobEvent, Order, Outgoing, Photo, ProviderAttempt
from tests.conftest import jobs_of
from tests.integration.conftest import OPERATOR

FIRST, SECOND, THIRD = MODELS = ("bytedance/seedance-1.5-pro", "kling-3.0/video", "third/model")
A, B = fingerprint("key-a"), fingerprint("key-b")
FACTS = {"prompt": "p", "result_url": "http://x/y.mp4"}
LONG = "x" * 400


def taken_up(order: Order, stage: str, **columns: object) -> Job:
    """The order's first job, claimed for `stage`."""
    job = jobs_of(order)[0]
    with db:
        if stage != "script":
            Job.update(status="processing", stage=stage, **FACTS).where(Job.id == job.id).execute()
        if columns:
            Job.update(**columns).where(Job.id == job.id).execute()
        return jobs.claim(job.id, stage, "w1")


def asked(job: Job) -> ProviderAttempt:
    """An attempt of a claimed job, whose request has left."""
    with db:
        return attempts.begin(job, A, FIRST)


def now(job: Job) -> Job:
    with db:
        return Job.get_by_id(job.id)


def due_in(job: Job) -> float:
    return (now(job).due_at - datetime.now(UTC)).total_seconds()


def last_reason(job: Job) -> str:
    with db:
        return JobEvent.select().where(JobEvent.job == job.id).order_by(JobEvent.id.desc()).get().reason


def told(kind: str) -> list[dict]:
    with db:
        return [row.payload for row in Outgoing.select().where(Outgoing.kind == kind).order_by(Outgoing.id)]


def alert_keys() -> set[str]:
    """What the operators are told once a day each, without day and operator."""
    with db:
        rows = list(Outgoing.select().where(Outgoing.kind == "alert"))
    today = datetime.now(UTC).date().isoformat()
    assert all(row.key.endswith(f":{today}:{OPERATOR}") and row.chat_id == OPERATOR for row in rows)
    return {row.key.removeprefix("alert:").removesuffix(f":{today}:{OPERATOR}") for row in rows}


def failure(category: str, subtype: str = "", provider: str = "kie", text: str = "words") -> Failure:
    return Failure(category, "a rule", subtype, provider, text)


@pytest.fixture
def app(worker):
    """A worker that has two models to fall back to."""
    return worker(kie_model=FIRST, kie_fallback_models=f"{SECOND},{THIRD}")


# What it means --------------------------------------------------------------------------------------------------------


def failed(job: Job, cause: BaseException | None) -> JobFailed:
    """A stage of the job that failed because of `cause`."""
    raised = JobFailed(job)
    raised.__cause__ = cause
    return raised


def after_failure(middleware, exception: BaseException | None) -> None:
    """What Dramatiq calls when an actor is done."""
    middleware.after_process_message(None, None, exception=exception)


def test_a_failed_job_begins_unclassified_and_carries_its_claim(ordered):
    # Given a claim
    job = taken_up(ordered(), "submit")
    # When its stage fails
    raised = JobFailed(job)
    # Then the least that can be said is said, and the claim fences what follows
    assert raised.claim is job
    assert raised.failure == Failure("UNKNOWN", "not classified")
    assert str(raised) == str(job)


def test_a_failure_is_classified_and_loses_its_secrets(ordered, app, caplog):
    # Given KIE's refusal, which repeats the key it was given
    job = taken_up(ordered(), "submit")
    refused = failed(job, ProviderError("kie", "createTask", "Invalid API key: key-a", http_status=401))
    # When the actor is done
    with caplog.at_level(logging.WARNING):
        after_failure(Classification(app), refused)
    # Then the failure has its category, and rows and log will not have the key
    found = refused.failure
    assert (found.category, found.subtype, found.provider, found.text) == (
        "BILLING", "bad_key", "kie", "Invalid API key: [hidden]",
    )  # fmt: skip
    record = caplog.records[-1]
    assert record.getMessage() == f"job {job.id} failed in submit: {found}"
    assert record.exc_info is None


@pytest.mark.parametrize(
    ("cause", "expected", "traceback"),
    [
        (KeyError("a secret"), Failure("UNKNOWN", "KeyError"), True),
        (None, Failure("UNKNOWN", "JobFailed"), True),
        (KeyboardInterrupt(), Failure("UNKNOWN", "JobFailed"), True),
        (ProviderError("kie", "record", "zxqv blorp"), Failure("UNKNOWN", "no rule", "", "kie", "zxqv blorp"), False),
        (ProviderError("kie", "record", "busy"), Failure("TEMPORARY", "provider's trouble", "provider", "kie", "busy"), False),
    ],
    ids=["a bug", "no cause", "an interrupt", "a wording nobody knows", "a wording"],
)  # fmt: skip
def test_only_a_bug_of_ours_leaves_its_traceback(ordered, app, caplog, *, cause, expected, traceback):
    # Given a stage that failed in some way
    raised = failed(taken_up(ordered(), "script"), cause)
    # When it is classified
    with caplog.at_level(logging.WARNING):
        after_failure(Classification(app), raised)
    # Then its meaning is on it, and the log has a traceback if nobody but us is to blame
    assert raised.failure == expected
    shown = caplog.records[-1].exc_info
    assert (shown[1] is (cause if isinstance(cause, Exception) else raised)) if traceback else shown is None


def test_each_failure_of_a_batch_is_found_and_nothing_else(ordered):
    # Given what a batch of checks may raise
    one, two = (failed(taken_up(ordered(user), "render"), None) for user in (1, 2))
    batch = ExceptionGroup("batch", [one, ValueError("x"), ExceptionGroup("inner", [two])])
    # Then the job failures are found, however deep, and in what else may be raised there are none
    assert list(failed_jobs(batch)) == [one, two]
    assert list(failed_jobs(ValueError("x"))) == []
    assert list(failed_jobs(None)) == []


# What the key hears ---------------------------------------------------------------------------------------------------


def key_row(print_: str = A) -> ApiKey:
    with db:
        return ApiKey.get_by_id(print_)


@pytest.mark.parametrize(
    ("found", "state", "reason", "rest"),
    [
        (Failure("RATE_LIMIT", "a rule", "", "kie", "slow down", 90.0), "cooling", "rate limit", 90),
        (Failure("RATE_LIMIT", "a rule", "", "kie", "slow down"), "cooling", "rate limit", 10),
        (Failure("BILLING", "a rule", "bad_key", "kie", LONG), "quarantined", LONG[:200], 60),
        (Failure("USER_ERROR", "a rule", "person", "kie", "faces"), "healthy", "", None),
        (Failure("TEMPORARY", "a rule", "provider", "kie", "busy"), "healthy", "", None),
    ],
    ids=["a named rest", "the pool's rest", "quarantine", "the user's fault", "the provider's fault"],
)
def test_the_key_that_was_used_rests_or_is_taken_out(ordered, app, *, found, state, reason, rest):
    # Given a failure of a job, with a key
    raised = failed(taken_up(ordered(), "submit"), ProviderError("kie", "createTask", "x", key=A))
    raised.failure = found
    # When the actor is done
    after_failure(KeyRotation(app), raised)
    # Then that key fares as the category's policy says, and the other one is as it was
    key = key_row()
    assert (key.state, key.reason) == (state, reason)
    assert (key.until is None) == (rest is None)
    if rest is not None:
        assert rest - 5 < (key.until - datetime.now(UTC)).total_seconds() <= rest
    assert key_row(B).state == "healthy"


def test_the_operators_hear_of_a_quarantine_from_whoever_was_first(ordered, app):
    # Given two jobs that the same key failed
    raised = [failed(taken_up(ordered(user), "submit"), ProviderError("kie", "x", "x", key=A)) for user in (1, 2)]
    for each in raised:
        each.failure = failure("BILLING", "no_credit", text=LONG)
    # When both are reported
    after_failure(KeyRotation(app), ExceptionGroup("batch", raised))
    # Then there is one alert, with the key's fingerprint and as much of the words as a message takes
    assert alert_keys() == {f"key_quarantined:{A}"}
    assert told("alert") == [{"what": "key_quarantined", "key": A, "text": LONG[:300]}]


@pytest.mark.parametrize("cause", [ProviderError("kie", "createTask", "x"), KeyError("x"), None], ids=repr)
def test_where_no_key_was_used_no_key_suffers(ordered, app, cause):
    # Given a failure that names no key
    raised = failed(taken_up(ordered(), "submit"), cause)
    raised.failure = failure("BILLING", "no_credit")
    # When it is reported
    after_failure(KeyRotation(app), raised)
    # Then no key is touched
    assert [key_row(print_).state for print_ in (A, B)] == ["healthy", "healthy"]


# Retries --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stage", "in_flight", "before", "counter", "used"),
    [
        ("script", False, 0, "script_attempts", 1),  # counted when it is taken up
        ("script", False, 1, "script_attempts", 2),
        ("submit", True, 0, "render_attempts", 1),  # counted when the request leaves
        ("submit", True, 1, "render_attempts", 2),
        ("submit", False, 0, "render_attempts", 1),  # failed before that, at the upload
        ("submit", False, 1, "render_attempts", 2),
        ("render", True, 0, "render_attempts", 1),
        ("render", False, 1, "render_attempts", 1),  # its attempt was counted long ago
        ("deliver", False, 0, "deliver_attempts", 1),
    ],
)
def test_each_failed_attempt_is_counted_once_whenever_it_failed(
    ordered, app, *, stage, in_flight, before, counter, used
):
    # Given a job at some stage, with or without a request that has left
    columns = {counter: before}
    job = taken_up(ordered(), stage, **columns)
    if in_flight:
        asked(job)
    # When it fails in a way that may pass
    settlement.settle(app, job, failure("TEMPORARY", "provider"))
    # Then the attempt is counted, once, and the next one begins where a new one can help
    row = now(job)
    assert getattr(row, counter) == used
    assert row.stage == {"render": "submit"}.get(stage, stage)
    assert 25 < due_in(job) <= 60
    assert last_reason(job) == "TEMPORARY: a rule: words"


def test_where_no_request_has_left_no_answer_is_awaited(ordered, app):
    # Given a submit that failed in doubt, though KIE was not asked for a video yet
    job = taken_up(ordered(), "submit")
    settlement.settle(app, job, failure("TEMPORARY", "ambiguous_submit"))
    # Then it is an ordinary retry
    assert (now(job).stage, now(job).render_attempts) == ("submit", 1)
    assert due_in(job) > 25


@pytest.mark.parametrize(("before", "status"), [(1, "processing"), (2, "failed")])
def test_a_submit_that_never_left_counts_towards_the_last_attempt(ordered, app, before, status):
    # Given a job whose earlier attempts failed, and an upload that fails
    job = taken_up(ordered(), "submit", render_attempts=before)
    settlement.settle(app, job, failure("TEMPORARY", "provider"))
    # Then the third failure is the last
    assert now(job).status == status


def test_what_was_to_be_delivered_and_is_no_video_is_made_anew(ordered, app):
    # Given a finished job whose result is no video
    job = taken_up(ordered(), "deliver", render_attempts=1)
    settlement.settle(app, job, failure("TEMPORARY", "bad_result"))
    # Then a new task is made, and the old one's attempt stays counted
    assert (now(job).stage, now(job).render_attempts, now(job).deliver_attempts) == ("submit", 1, 0)


def test_a_bad_result_elsewhere_is_no_reason_to_make_a_new_task(ordered, app):
    # Given GPT's empty answer
    job = taken_up(ordered(), "script")
    settlement.settle(app, job, failure("TEMPORARY", "bad_result", "openai"))
    assert (now(job).stage, now(job).script_attempts) == ("script", 1)


def test_a_retry_ends_the_attempt_and_redraws_the_card(ordered, app):
    # Given a request that was refused, and a card that shows things as they were
    job = taken_up(ordered(), "submit")
    attempt = asked(job)
    with db:
        Outgoing.delete().execute()
    settlement.settle(app, job, failure("TEMPORARY", "provider"))
    # Then the attempt has ended with the vendor's words, and the card is due
    with db:
        ended = ProviderAttempt.get_by_id(attempt.id)
    assert (ended.state, ended.error) == ("failed", "words")
    assert told("card") == [{"order": job.order_id}]
    # And a passing trouble is nobody's news
    assert told("alert") == []


@pytest.mark.parametrize(("subtype", "kept"), [("image_unreachable", False), ("provider", True)])
def test_an_upload_that_the_provider_could_not_read_is_done_again(ordered, app, subtype, kept):
    # Given a picture that was uploaded for KIE
    job = taken_up(ordered(), "submit")
    uploaded = {"kie_url": "https://x/y.jpg", "kie_url_expires_at": clock.after(3600)}
    with db:
        Photo.update(**uploaded).execute()
    # When KIE fails
    settlement.settle(app, job, failure("TEMPORARY", subtype))
    # Then the copy is forgotten if it was to blame, and the picture never
    with db:
        photo = Photo.get()
    assert (photo.kie_url is not None, photo.kie_url_expires_at is not None) == (kept, kept)
    assert (bytes(photo.jpeg), photo.width) == (b"jpeg", 720)


def test_a_job_that_was_taken_away_is_not_settled(ordered, app):
    # Given a claim that somebody else took back
    job = taken_up(ordered(), "submit")
    with db:
        jobs.reclaim(job, "submit", "its worker died")
    before = now(job)
    # Then nothing of it can be written any more
    with pytest.raises(LostClaim):
        settlement.settle(app, job, failure("USER_ERROR", "person"))
    assert (now(job).status, now(job).due_at, orders.balance(7)) == ("processing", before.due_at, 4)


# Other models, other keys ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "following"),
    [(None, SECOND), (FIRST, SECOND), (SECOND, THIRD), (THIRD, None), ("gone/long-ago", FIRST)],
)
def test_a_refused_model_gives_way_to_the_next(ordered, app, model, following):
    # Given a job with a model, or none yet, that KIE doesn't know
    job = taken_up(ordered(), "submit", model=model)
    asked(job)
    settlement.settle(app, job, failure("CONFIGURATION", "model_unknown"))
    # Then the next model takes over at once and at no cost, and after the last the order fails
    row = now(job)
    if following:
        assert (row.status, row.stage, row.model, row.render_attempts) == ("processing", "submit", following, 0)
        assert due_in(job) <= 0
        assert alert_keys() == {"model_fallback:a rule"}
    else:
        assert (row.status, row.model, orders.balance(7)) == ("failed", THIRD, 5)
        assert alert_keys() == {"configuration:a rule"}


def test_an_ordinary_retry_keeps_the_model(ordered, app):
    # Given a job that has fallen back to another model
    job = taken_up(ordered(), "submit", model=SECOND)
    settlement.settle(app, job, failure("TEMPORARY", "provider"))
    assert now(job).model == SECOND


@pytest.mark.parametrize(
    ("left", "status", "alerts"), [(True, "processing", set()), (False, "failed", {"billing:kie"})]
)
def test_an_order_goes_on_with_another_key_while_there_is_one(ordered, app, left, status, alerts):
    # Given a third attempt that one key could not pay, and another key or none
    job = taken_up(ordered(), "submit", render_attempts=2)
    asked(job)
    with db:
        key_health.quarantine(A, "no credit")
        if not left:
            key_health.quarantine(B, "no credit")
    settlement.settle(app, job, failure("BILLING", "no_credit"))
    # Then the attempt is given back and the order goes on at once, or it fails and the operators hear why
    row = now(job)
    assert (row.status, alert_keys()) == (status, alerts)
    assert (row.render_attempts, due_in(job) <= 0) == (2 if left else 3, True)


# Endings --------------------------------------------------------------------------------------------------------------


def test_a_failed_job_is_refunded_and_its_customer_told(ordered, app):
    # Given a request that KIE refuses for the customer's own picture
    job = taken_up(ordered(), "submit")
    attempt = asked(job)
    settlement.settle(app, job, failure("USER_ERROR", "person"))
    # Then the job, its attempt and its money have ended
    row = now(job)
    assert (row.status, row.failure_category, row.failure_subtype) == ("failed", "USER_ERROR", "person")
    assert last_reason(job) == "USER_ERROR: a rule: words"
    with db:
        ended = ProviderAttempt.get_by_id(attempt.id)
        assert (ended.state, ended.error) == ("failed", "words")
        assert ledger.unexplained() == []
    assert orders.balance(7) == 5
    # And the customer hears of it, the operators don't
    assert told("notice") == [{"what": "failed", "job": job.id}]
    assert told("alert") == []


@pytest.mark.parametrize(
    "found",
    [
        failure("UNREACHABLE", "blocked", "telegram"),
        failure("HARMLESS", "not_modified", "telegram"),
        failure("TEMPORARY", "lost_reply", "telegram"),
    ],
    ids=lambda found: found.category,
)
def test_work_that_is_done_is_paid_though_its_customer_is_out_of_reach(ordered, app, found):
    # Given a finished video, sent once already
    job = taken_up(ordered(), "deliver", deliver_attempts=1)
    settlement.settle(app, job, found)
    # Then the job is done, without a file that Telegram confirmed, and the credit is spent
    assert (now(job).status, now(job).file_id, orders.balance(7)) == ("done", None, 4)
    assert last_reason(job) == "not handed over: words"
    with db:
        assert ledger.unexplained() == []


def test_a_video_whose_sending_went_unanswered_is_sent_once_more(ordered, app):
    # Given a first sending
    job = taken_up(ordered(), "deliver")
    settlement.settle(app, job, failure("TEMPORARY", "lost_reply", "telegram"))
    assert (now(job).stage, now(job).deliver_attempts) == ("deliver", 1)


@pytest.mark.parametrize(
    ("found", "attempts_before", "goes_on"),
    [
        (failure("USER_ERROR", "moderation", "openai"), 0, False),
        (failure("USER_ERROR", "image_format", "openai"), 0, True),
        (failure("USER_ERROR", "image_size", "openai"), 0, True),
        (failure("BILLING", "no_credit", "openai"), 0, True),
        (failure("CONFIGURATION", "region", "openai"), 0, True),
        (failure("TEMPORARY", "provider", "openai"), 2, True),
        (failure("UNKNOWN", "", "openai"), 1, True),
    ],
    ids=lambda value: value.subtype or value.category if isinstance(value, Failure) else None,
)
def test_no_order_is_lost_for_want_of_a_script(ordered, app, found, attempts_before, goes_on):
    # Given a script that GPT will not write
    order = ordered()
    job = taken_up(order, "script", script_attempts=attempts_before)
    settlement.settle(app, job, found)
    # Then the order goes on with the template's words and the operators are told; a refusal of the customer's words is one
    row = now(job)
    if not goes_on:
        assert (row.status, row.prompt, alert_keys()) == ("failed", None, set())
        return
    with db:
        assert row.prompt == scripts.plain_prompt(Order.get_by_id(order.id))
    assert (row.status, row.stage, row.prompt_source, due_in(job) <= 0) == ("processing", "submit", "plain", True)
    # (no message was sent for it, so the sweep is not to wait for one)
    assert row.woken_at is None
    assert last_reason(job) == f"no script: {found.category}: words"
    assert alert_keys() == {"script_fallback:a rule"}


def test_a_script_that_may_still_come_is_waited_for(ordered, app):
    # Given GPT's first stumble
    job = taken_up(ordered(), "script")
    settlement.settle(app, job, failure("TEMPORARY", "provider", "openai"))
    assert (now(job).stage, now(job).prompt, alert_keys()) == ("script", None, set())


def test_only_a_script_has_a_substitute(ordered, app):
    # Given a fault of the picture's file that KIE finds
    job = taken_up(ordered(), "submit")
    settlement.settle(app, job, failure("USER_ERROR", "image_format"))
    assert now(job).status == "failed"


# Alerts ---------------------------------------------------------------------------------------------------------------


def test_an_alert_says_which_job_failed_and_how(ordered, app):
    # Given a failure that the operators have to hear of
    job = taken_up(ordered(), "submit", model=THIRD)
    settlement.settle(app, job, failure("CONFIGURATION", "validation", text=LONG))
    # Then the alert names the job, and has as much of the words as a message takes
    assert told("alert") == [
        {"what": "configuration", "job": job.id, "order": job.order_id, "provider": "kie", "text": LONG[:300]}
    ]


def test_each_unknown_wording_is_told_once_whatever_its_numbers(ordered, app):
    # Given three last attempts: two that failed with the same words but for an id, and one with others
    texts = ["blorp in task 7f3a2", "blorp in task 99", "quux"]
    for user, text in enumerate(texts, start=1):
        job = taken_up(ordered(user), "submit", render_attempts=1)
        settlement.settle(app, job, failure("UNKNOWN", text=text))
    # Then there is one alert for each wording
    assert alert_keys() == {"unknown_failure:a rule: blorp in task #", "unknown_failure:a rule: quux"}
    assert [alert["text"] for alert in told("alert")] == [texts[0], texts[2]]
