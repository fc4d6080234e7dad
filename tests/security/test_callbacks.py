"""A forged callback of KIE: whatever it says, it is believed in nothing that it could gain from.

Callbacks are hints. Their address carries the attempt's nonce, 192 random bits; what they say of a task is asked of KIE itself.
"""

import json
import logging

import pytest
from flask.testing import FlaskClient

from neurocards import attempts, endings, jobs, keys, outbox, web
from neurocards.db import db
from neurocards.errors import Failure
from neurocards.models import TABLES, Job, ProviderAttempt
from tests.conftest import jobs_of
from tests.integration.conftest import settings_with

VIDEO = "https://evil.example/video.mp4"
# Claims that KIE itself could make: of success, of failure, of another result, of a job's own columns.
CLAIMS = (
    {"taskId": "t", "state": "success", "resultJson": json.dumps({"resultUrls": [VIDEO]})},
    {"taskId": "t", "state": "fail", "failCode": "402", "failMsg": "Credits insufficient"},
    {"task_id": "t", "status": "done", "credits": 1000, "user_id": 1, "job_id": 1, "result_url": VIDEO},
    {"taskId": "'; DROP TABLE jobs; --", "state": "success"},
    {"taskId": "../../etc/passwd"},
    {"taskId": "\u0000"},
    {"taskId": "t\r\nSet-Cookie: x=1"},
    {"taskId": "t" * 300},
    {"taskId": "т"},
    {"taskId": ["t"], "task_id": {"t": 1}},
    {"taskId": True},
    {"taskId": 10**400},
    {"taskId": None},
    {},
)
BODIES = (
    *(json.dumps({"code": 200, "data": claim}).encode() for claim in CLAIMS),
    *(json.dumps(claim).encode() for claim in CLAIMS[:2]),
    b"", b"null", b"[]", b"5", b'"taskId"', b"{", b"\xff\xfe\x00", b"[" * 200_000, b'{"data":' * 100_000, b"1" * 100_000,
    b'{"data": NaN}', b'{"data": {"taskId": "\\ud800"}}', b"taskId=t&state=success", b"<xml>t</xml>",
)  # fmt: skip
NONCES = (
    "x", "guessed", "A" * 32, "0" * 64, "a" * 65, "a" * 5000, "%00", "a%00b", "%ff%fe", "%D0%BC", "null", "1", "-1", "' OR 1=1 --", "%25",
    "*", "..%2f..%2fqueue_stats", "..", "a;b", "a?b=c", "a%0d%0aX-Y:%20z", "%F0%9F%98%80", "%ED%A0%80", "[]", "{}", "a b",
)  # fmt: skip


@pytest.fixture
def http(clean_db: str) -> FlaskClient:
    """The bot's HTTP side."""
    return web.create(settings_with()).test_client()


@pytest.fixture
def job(ordered) -> Job:
    """A job whose task renders."""
    return rendering(jobs_of(ordered())[0], "the-task")


def rendering(job: Job, task_id: str | None) -> Job:
    """Takes a job to its render; with no task id the answer of KIE was lost."""
    with db:
        taken = jobs.claim(job.id, "script", "w")
        jobs.forward(taken, "submit", "written", due_in=0.0, prompt="p", prompt_source="gpt")
        taken = jobs.claim(job.id, "submit", "w")
        attempt = attempts.begin(taken, keys.fingerprint("k"), "model")
        if task_id:
            attempts.accepted(attempt.id, task_id)
        else:
            attempts.doubtful(job.id, "timeout")
        jobs.forward(taken, "render", "asked", due_in=600)
        return Job.get_by_id(job.id)


def attempt_of(job: Job) -> ProviderAttempt:
    with db:
        return ProviderAttempt.get(ProviderAttempt.job == job.id)


def everything(but_when_due: bool = False) -> dict[str, list[tuple]]:
    """All rows of all tables, when a job is next looked at left out if that may change."""
    with db:
        rows = {
            model._meta.table_name: list(model.select().order_by(model._meta.primary_key).dicts()) for model in TABLES
        }
    hidden = ("due_at", "woken_at") if but_when_due else ()
    return {
        name: [tuple(value for key, value in row.items() if key not in hidden) for row in found]
        for name, found in rows.items()
    }


@pytest.mark.parametrize("nonce", NONCES)
def test_without_the_nonce_nothing_is_believed(http, job, nonce):
    before = everything()
    # When anything is posted to an address that was never given out
    for body in (BODIES[0], BODIES[3], b"{"):
        for kind in ("application/json", "text/plain"):
            answer = http.post(f"/kie/callback/{nonce}", data=body, content_type=kind)
            # Then it is answered without an error, and no row has changed
            assert answer.status_code in (200, 404), answer.status_code
    assert everything() == before


def test_what_comes_near_the_nonce_is_not_it(http, job):
    nonce, before = attempt_of(job).nonce, everything()
    # When the nonce is shortened, lengthened, or written in other letters
    for forged in (
        nonce[:-1],
        nonce + "a",
        nonce.swapcase(),
        nonce[::-1],
        nonce + "%20",
        nonce + "=",
        "%00" + nonce,
        nonce + "/",
        nonce + "%00",
    ):
        http.post(f"/kie/callback/{forged}", data=BODIES[0], content_type="application/json")
    # Then it opens nothing
    assert everything() == before


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_with_the_nonce_of_a_running_task_only_the_next_look_is_sooner(http, job, body):
    before = everything(but_when_due=True)
    # When somebody who knows the nonce says that the task is done, has failed, or is another
    answer = http.post(f"/kie/callback/{attempt_of(job).nonce}", data=body, content_type="application/json")
    # Then the job is looked at now, and KIE is asked; nothing that was said is written anywhere
    assert answer.status_code == 200
    assert answer.json == {"status": "ok"}
    assert everything(but_when_due=True) == before


def test_a_nonce_brings_home_one_task_and_only_to_its_own_job(http, ordered):
    # Given a job whose answer was lost, and another's job with a task
    mine, theirs = rendering(jobs_of(ordered(7))[0], None), rendering(jobs_of(ordered(8))[0], "their-task")
    nonce = attempt_of(mine).nonce
    # When the nonce comes with the other's task, Then neither job has changed
    before = everything(but_when_due=True)
    assert http.post(f"/kie/callback/{nonce}", json={"data": {"taskId": "their-task"}}).status_code == 200
    assert everything(but_when_due=True) == before
    # And its own task is still welcome, once
    for task in ("my-task", "another"):
        assert http.post(f"/kie/callback/{nonce}", json={"data": {"taskId": task}}).status_code == 200
    assert (attempt_of(mine).task_id, attempt_of(theirs).task_id) == ("my-task", "their-task")


def test_a_nonce_does_nothing_to_a_job_that_has_ended(http, job):
    # Given a job that was given up and refunded
    nonce = attempt_of(job).nonce
    with db:
        attempts.end(job.id, "failed", "x")
        Job.update(status="failed", stage=None, failure_category="TEMPORARY", finished_at="now()").where(
            Job.id == job.id
        ).execute()
    before = everything()
    # When its callbacks come, late or forged
    for body in BODIES:
        assert http.post(f"/kie/callback/{nonce}", data=body, content_type="application/json").status_code == 200
    # Then it stays as it is
    assert everything() == before


def test_a_late_result_alerts_the_operators_once_and_not_each_time(http, job):
    # Given a job whose deadline passed while its task was running
    nonce = attempt_of(job).nonce
    with db:
        attempts.end(job.id, "abandoned", "deadline passed")
        endings.give_up(job, Failure("TEMPORARY", "deadline", "deadline"), "deadline passed")
    # When its callback is replayed a hundred times
    for _ in range(100):
        http.post(f"/kie/callback/{nonce}", data=BODIES[0], content_type="application/json")
    # Then there is one alert to tell
    with db:
        assert outbox.Outgoing.select().where(outbox.Outgoing.kind == "alert").count() == 1


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "TRACE"])
def test_no_other_method_is_a_callback(http, job, method):
    before = everything()
    answer = http.open(
        f"/kie/callback/{attempt_of(job).nonce}", method=method, data=BODIES[0], content_type="application/json"
    )
    assert answer.status_code == 405
    assert everything() == before


def test_a_large_body_is_refused_unread(http, job):
    address = f"/kie/callback/{attempt_of(job).nonce}"
    assert http.post(address, data=b" " * (web.MAX_BODY + 1), content_type="application/json").status_code == 413


def test_no_error_puts_a_nonce_into_the_log(http, job, caplog, migrated_url):
    # Given a database that refuses, which is the one error a callback can meet
    nonce = attempt_of(job).nonce
    with db:
        db.execute_sql("ALTER TABLE jobs RENAME TO jobs_away")
    try:
        # When a callback comes
        with caplog.at_level(logging.INFO):
            answer = http.post(f"/kie/callback/{nonce}", data=BODIES[0], content_type="application/json")
    finally:
        with db:
            db.execute_sql("ALTER TABLE jobs_away RENAME TO jobs")
    # Then KIE is told to come again, the log says what is wrong, and neither repeats the nonce
    assert answer.status_code == 503
    assert "there are no tables yet" in caplog.text
    assert nonce not in caplog.text + answer.text


def test_there_is_no_other_address_to_forge():
    def addresses(**settings: object) -> set[str]:
        return {str(rule) for rule in web.create(settings_with(**settings)).url_map.iter_rules()}

    known = {"/queue_stats", "/metrics", "/healthz", "/readyz", "/kie/callback/<nonce>"}
    assert addresses() == known
    assert addresses(bot_mode="webhook", webhook_secret_token="a-secret-of-16-or-more") == known | {web.WEBHOOK_PATH}
