"""The bot service over HTTP: the operator's figures in the shape that was asked for, health, and KIE's callbacks."""

import threading

import pytest

from neurocards import attempts, db, inbox, jobs, liveness, monitoring, web
from neurocards.config import Settings, load
from neurocards.db import db as database
from neurocards.models import Job, Process, ProviderAttempt
from tests.conftest import jobs_of
from tests.unit.test_config import GOOD


@pytest.fixture
def http(clean_db, monkeypatch):
    """The web application's test client."""
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    return web.create(load(Settings)).test_client()


def test_queue_stats_of_an_empty_queue(http):
    # When nothing is ordered and nobody works
    answer = http.get("/queue_stats")
    # Then the figures are zeros of the right kinds
    assert answer.status_code == 200
    body = answer.json
    assert body["queue"] == {"queued": 0, "processing": 0, "total": 0}
    assert (body["status"], body["workers_configured"]) == ("ok", 0)
    assert isinstance(body["avg_wait_minutes"], float)
    assert body["avg_wait_minutes"] == 0.0


def test_queue_stats_counts_open_jobs_their_age_and_worker_instances(http, ordered):
    # Given two queued jobs, three and six minutes old, one in the works, and two processes of one worker command
    order = ordered(count=3)
    first, second, third = (job.id for job in jobs_of(order))
    with database:
        jobs.claim(third, "script", "w")
        for job_id, minutes in ((first, 3), (second, 6)):
            database.execute_sql(
                "UPDATE jobs SET created_at = now() - %s * interval '1 minute' WHERE id = %s", (minutes, job_id)
            )
        for process in ("a", "b"):
            liveness.beat(process, "host:1")
    # Then the counts, the mean age in minutes and the instance are there
    body = http.get("/queue_stats").json
    assert body["queue"] == {"queued": 2, "processing": 1, "total": 3}
    assert body["avg_wait_minutes"] == 4.5
    assert body["workers_configured"] == 1
    # And a process that fell silent counts no more
    with database:
        Process.update(beat_at="2020-01-01T00:00:00Z").execute()
    assert http.get("/queue_stats").json["workers_configured"] == 0


@pytest.mark.parametrize(
    ("queued", "minutes", "advice"),
    [(10, 5.0, "enough"), (11, 0.0, "2-3"), (50, 0.0, "2-3"), (51, 0.0, "5-10"), (1, 5.1, "add workers")],
)
def test_the_advice_follows_the_thresholds(queued, minutes, advice):
    assert advice in monitoring.advice(queued, minutes)


def test_health_needs_no_database_and_readiness_does(http, migrated_url):
    # Given a database that is not there
    database.close_all()
    db.connect("postgresql://nobody@127.0.0.1:1/nothing")
    try:
        # Then the process is healthy, but not ready, and says why
        assert http.get("/healthz").json == {"status": "ok"}
        for path in ("/readyz", "/queue_stats"):
            answer = http.get(path)
            assert answer.status_code == 503
            assert "PostgreSQL" in answer.json["message"]
    finally:
        db.connect(migrated_url, pool_size=30)
    assert http.get("/readyz").status_code == 200


SECRET = "a-secret-of-the-webhook-42"


@pytest.fixture
def webhook(clean_db, monkeypatch):
    """The same in webhook mode, and whether it said that updates came."""
    webhook_mode = {"BOT_MODE": "webhook", "PUBLIC_BASE_URL": "https://bot.example", "WEBHOOK_SECRET_TOKEN": SECRET}
    for name, value in {**GOOD, **webhook_mode}.items():
        monkeypatch.setenv(name, value)
    came = threading.Event()
    return web.create(load(Settings), came.set).test_client(), came


def kept() -> list[int]:
    return [row.update_id for row in inbox.unhandled()]


def test_an_update_is_kept_before_it_is_answered_and_a_repetition_changes_nothing(webhook):
    http, came = webhook
    update, headers = {"update_id": 5, "message": {"from": {"id": 7}}}, {web.SECRET_HEADER: SECRET}
    # When Telegram sends an update, and again as it didn't hear our answer
    answers = [http.post(web.WEBHOOK_PATH, json=update, headers=headers).status_code for _ in range(2)]
    # Then it is kept once, and whoever handles updates is told
    assert answers == [200, 200]
    assert kept() == [5]
    assert came.is_set()


@pytest.mark.parametrize("secret", [None, "", SECRET[:-1], SECRET + "x", SECRET.upper(), "секрет", "x" * 10_000])
def test_without_the_secret_nothing_is_read_and_nothing_kept(webhook, secret):
    http, came = webhook
    headers = {} if secret is None else {web.SECRET_HEADER: secret.encode().decode("latin-1")}
    # When somebody else sends an update, or what is none
    bodies = [b'{"update_id": 5}', b"{", b""]
    answers = {
        http.post(web.WEBHOOK_PATH, data=body, headers=headers, content_type="application/json").status_code
        for body in bodies
    }
    # Then it is refused before anything is made of it
    assert answers == {403}
    assert kept() == []
    assert not came.is_set()


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b"5", b'{"update_id": "5"}', b'{"update_id": true}', b'{"update_id": -1}',
     b'{"update_id": 9223372036854775808}', b'{"update_id": 1e400}', b"\xff", b"[" * 100_000],
)  # fmt: skip
def test_what_is_no_update_is_refused_and_not_kept(webhook, body):
    http, _ = webhook
    headers = {web.SECRET_HEADER: SECRET}
    answer = http.post(web.WEBHOOK_PATH, data=body, headers=headers, content_type="application/json")
    assert answer.status_code == 400
    assert kept() == []


def test_an_endless_update_is_refused(webhook):
    http, _ = webhook
    body = b'{"update_id": 5, "x": "' + b"x" * web.MAX_BODY + b'"}'
    headers = {web.SECRET_HEADER: SECRET}
    assert http.post(web.WEBHOOK_PATH, data=body, headers=headers, content_type="application/json").status_code == 413


def test_without_the_database_telegram_is_asked_to_come_again(webhook, migrated_url):
    http, _ = webhook
    database.close_all()
    db.connect("postgresql://nobody@127.0.0.1:1/nothing")
    try:
        answer = http.post(web.WEBHOOK_PATH, json={"update_id": 5}, headers={web.SECRET_HEADER: SECRET})
    finally:
        db.connect(migrated_url, pool_size=30)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")


def test_a_polling_bot_has_no_webhook(http):
    answer = http.post(web.WEBHOOK_PATH, json={"update_id": 5}, headers={web.SECRET_HEADER: ""})
    assert answer.status_code == 404


@pytest.fixture
def waiting(ordered):
    """A job whose answer from KIE was lost, and its attempt."""
    job = jobs_of(ordered())[0]
    with database:
        taken = jobs.claim(job.id, "script", "w")
        jobs.forward(taken, "submit", "written", due_in=0.0, prompt="p", prompt_source="gpt")
        taken = jobs.claim(job.id, "submit", "w")
        attempt = attempts.begin(taken, "key", "model")
        attempts.doubtful(job.id, "timeout")
        jobs.forward(taken, "render", "answer lost", due_in=600)
    return job, attempt


def reload(attempt: ProviderAttempt) -> ProviderAttempt:
    with database:
        return ProviderAttempt.get_by_id(attempt.id)


def test_a_callback_brings_an_orphan_task_home_and_makes_its_job_due(http, waiting):
    job, attempt = waiting
    # When KIE reports the task under the attempt's nonce
    answer = http.post(
        f"/kie/callback/{attempt.nonce}", json={"code": 200, "data": {"taskId": "t1", "state": "success"}}
    )
    # Then the task is adopted, and the job is looked at now
    assert answer.status_code == 200
    assert (reload(attempt).task_id, reload(attempt).state) == ("t1", "running")
    with database:
        assert [found.id for found in jobs.claim_renders([job.id], "w")] == [job.id]


def test_a_second_callback_changes_nothing(http, waiting):
    _, attempt = waiting
    http.post(f"/kie/callback/{attempt.nonce}", json={"data": {"taskId": "t1"}})
    http.post(f"/kie/callback/{attempt.nonce}", json={"data": {"taskId": "t2"}})
    assert reload(attempt).task_id == "t1"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[" * 100_000,
        b"[]",
        b"null",
        b'{"data": 5}',
        b'{"data": {"taskId": {"a": 1}}}',
        b'{"data": {"taskId": ""}}',
    ],
)
def test_a_forged_or_broken_callback_is_answered_and_changes_nothing(http, waiting, body):
    job, attempt = waiting
    # When rubbish comes, with the right nonce or a guessed one
    for nonce in (attempt.nonce, "guessed"):
        assert http.post(f"/kie/callback/{nonce}", data=body, content_type="application/json").status_code == 200
    http.post("/kie/callback/guessed", json={"data": {"taskId": "theirs"}})
    # Then no task is adopted
    assert reload(attempt).task_id is None
    with database:
        assert Job.get_by_id(job.id).stage == "render"


def test_an_endless_callback_is_refused(http):
    assert (
        http.post("/kie/callback/x", data=b"x" * (web.MAX_BODY + 1), content_type="application/json").status_code == 413
    )
