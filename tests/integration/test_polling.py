"""Looking at renders: with the key that made the task, another of its account if need be, and never more than a key may ask."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from neurocards import clock, pipeline
from neurocards.app import App
from neurocards.classifiers import classify
from neurocards.clients.kie import Kie
from neurocards.db import db
from neurocards.errors import JobFailed
from neurocards.keys import POLLS_A_WINDOW, KeyPool, fingerprint
from neurocards.media import normalise_photo
from neurocards.models import ApiKey, Job, ProviderAttempt
from sandbox.client import SandboxClient
from sandbox.customer import PHOTO
from sandbox.server import Sandbox
from tests.conftest import jobs_of

KEYS = [("one", "key-a"), ("one", "key-b"), ("two", "key-c")]


@pytest.fixture(scope="module")
def server() -> Iterator[Sandbox]:
    """A KIE whose tasks never end by themselves."""
    with Sandbox(time_scale=1, prepared_video=True) as running:
        yield running


@pytest.fixture
def kie(server: Sandbox) -> Iterator[SandboxClient]:
    """Its control, with all keys well."""
    with SandboxClient(server.url) as client:
        client.kie("PUT", "keys", **{key: {"account": account, "state": "ok"} for account, key in KEYS})
        client.kie("PUT", "settings", create_seconds=0, upload_seconds=0, render_seconds=3600)
        yield client


@pytest.fixture
def app(worker, kie: SandboxClient) -> App:
    """A worker process that talks to it."""
    pool = KeyPool(KEYS)
    pool.enrol()
    return replace(worker(), kie=Kie(kie.url, kie.url), keys=pool)


@pytest.fixture(scope="module")
def jpeg() -> bytes:
    """A photo made ready."""
    return normalise_photo(PHOTO.read_bytes()).jpeg


@pytest.fixture
def rendering(app, ordered, jpeg):
    """A factory of jobs that are due for a look, each with a real task made by `key`."""

    def make(user_id: int = 7, key: str = "key-a") -> Job:
        job = jobs_of(ordered(user_id=user_id))[0]
        task = app.kie.create_task(key, app.settings.models[0], app.kie.upload(key, jpeg), "a cup", None)
        begun = {"key": fingerprint(key), "model": "m", "state": "running", "task_id": task}
        with db:
            Job.update(status="processing", stage="render", prompt="p").where(Job.id == job.id).execute()
            ProviderAttempt.create(job=job.id, n=1, nonce=str(job.id), **begun)
        return job

    return make


def look(app: App, *made: Job) -> None:
    """A check of the jobs, as due as can be."""
    with db:
        Job.update(due_at=clock.after(-1)).where(Job.id.in_([job.id for job in made])).execute()
    pipeline.check(app, [job.id for job in made])


def finish(kie: SandboxClient, job: Job) -> None:
    with db:
        task = ProviderAttempt.get(ProviderAttempt.job == job.id).task_id
    kie.call("POST", f"/sandbox/kie/tasks/{task}/finish", json={"state": "success"})
    assert kie.call("GET", f"/sandbox/kie/tasks/{task}", params={"wait": 30})["state"] == "success"


def now(job: Job) -> Job:
    with db:
        return Job.get_by_id(job.id)


def test_a_task_whose_key_was_refused_is_looked_at_with_another_of_its_account(app, kie, rendering):
    # Given a finished task, and a key that KIE doesn't accept any more
    job = rendering()
    finish(kie, job)
    kie.kie("PUT", "keys", **{"key-a": {"account": "one", "state": "401"}})
    # When it is looked at
    look(app, job)
    # Then the video is found, by the account's other key
    assert now(job).stage == "deliver"
    polls = kie.journal(service="kie", endpoint="recordInfo")[-2:]
    assert [entry["caller"] for entry in polls] == [fingerprint("key-a"), fingerprint("key-b")]
    # And the refused key is out of use for everybody, without a create having been tried
    with db:
        assert ApiKey.get_by_id(fingerprint("key-a")).state == "quarantined"


def test_a_task_of_a_key_that_left_the_settings_is_not_lost(app, kie, rendering):
    # Given a finished task, and settings without its key
    job = rendering()
    finish(kie, job)
    # When a process with the new settings looks
    look(replace(app, keys=KeyPool(KEYS[1:])), job)
    # Then it finds the video
    assert now(job).stage == "deliver"


def test_a_task_whose_account_is_gone_costs_its_key_and_not_the_order(app, kie, rendering):
    # Given a task of an account of which no key is left
    job = rendering()
    # When it is looked at, Then that is a failure of the key
    with pytest.raises(ExceptionGroup) as failed:
        look(replace(app, keys=KeyPool(KEYS[2:])), job)
    cause = failed.value.exceptions[0]
    assert isinstance(cause, JobFailed)
    assert classify(cause.__cause__).category == "BILLING"


def test_a_task_that_no_key_may_look_at_is_waited_for_and_then_made_with_another_account(app, kie, rendering):
    # Given a task whose account's keys are all refused
    job = rendering(key="key-c")
    kie.kie("PUT", "keys", **{"key-c": {"account": "two", "state": "401"}})
    # When it is looked at, Then it is waited for: the key may be let in again
    look(app, job)
    assert now(job).stage == "render"
    # And when a quarter of an hour has passed, that is a failure of the key, and the order can go on
    with db:
        ProviderAttempt.update(started_at=clock.after(-901)).where(ProviderAttempt.job == job.id).execute()
    with pytest.raises(ExceptionGroup) as failed:
        look(app, job)
    assert classify(failed.value.exceptions[0].__cause__).category == "BILLING"


def test_a_silent_kie_says_nothing_of_the_task(app, kie, rendering):
    # Given a KIE that can't say
    job = rendering()
    kie.fault("kie", "recordInfo", "code", code=500, msg="Server exception")
    # When it is asked, Then the job stays where it is, and no other key is tried
    look(app, job)
    kie.clear_faults()
    assert (now(job).stage, now(job).claim_token) == ("render", None)
    assert kie.journal(service="kie", endpoint="recordInfo")[-1]["caller"] == fingerprint("key-a")


def test_a_crowd_of_renders_never_asks_more_than_a_key_may(app, kie, rendering):
    # Given more due renders than one key may ask about in a second
    crowd = [rendering(user_id=user) for user in range(1, POLLS_A_WINDOW + 7)]
    asked = len(kie.journal(service="kie", endpoint="recordInfo"))
    # When all are to be looked at
    look(app, *crowd)
    # Then as many are as KIE allows, and the others are due a moment later
    assert len(kie.journal(service="kie", endpoint="recordInfo")) - asked == POLLS_A_WINDOW
    assert all((row.stage, row.claim_token) == ("render", None) for row in map(now, crowd))
    assert sum(row.woken_at is None for row in map(now, crowd)) == len(crowd)
