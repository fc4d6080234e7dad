"""Keys, credits and limits of the KIE stand-in."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from sandbox.kie.accounts import Window
from sandbox.server import Sandbox
from tests.sandbox.kie_caller import PROMPT, SEEDANCE, Caller


@pytest.fixture
def kie() -> Iterator[Caller]:
    with Sandbox(time_scale=1_000) as sandbox, requests.Session() as session:
        yield Caller(sandbox, session)


def test_credit_is_taken_at_once_and_an_empty_account_is_told_in_two_ways(kie: Caller) -> None:
    # Given an account with credit for one task of 56
    kie.control("PUT", "/kie/keys", {"key-1": {"account": "small", "credits": 60.5}})
    kie.arm("stuck")

    # When more are asked for
    kie.task()
    left = kie.credit()
    as_402 = kie.create()
    kie.settings(no_credit="500")
    as_500 = kie.create()

    # Then only the first was charged
    assert left == kie.credit() == 4.5
    assert (as_402["code"], as_402["msg"]) == (402, "Insufficient credits")
    assert as_500["code"] == 500
    assert as_500["msg"].startswith("Credits insufficient : Your current balance isn’t enough")
    assert kie.account("small")["creates"] == 1


def test_keys_have_accounts_and_states(kie: Caller) -> None:
    # Given two keys of one account, one of another, and keys that are no good
    states = {"out": "402", "capped": "433", "dead": "401"}
    keys = {name: {"account": "first", "state": state} for name, state in states.items()}
    kie.control("PUT", "/kie/keys", {"key-1": {"account": "first"}, "key-2": {"account": "first"}, **keys})
    kie.control("PUT", "/kie/keys", {"other": {"account": "second"}})
    callers = {name: kie.other(name) for name in ("key-2", "other", "out", "capped", "dead")}

    # When one makes a task and everybody looks at it, and those with bad keys try to make one
    kie.arm("stuck")
    task_id = kie.task()
    same = callers["key-2"].get("/api/v1/jobs/recordInfo", taskId=task_id).json()
    other = callers["other"].get("/api/v1/jobs/recordInfo", taskId=task_id).json()
    refused = [callers[name].create()["code"] for name in states]

    # Then a task belongs to its account, and each state has its code
    assert same["data"]["taskId"] == task_id
    assert other == {"code": 422, "msg": "recordInfo is null", "data": None}
    assert refused == [402, 433, 401]
    # ... until a key is put right, or unknown keys are no longer let in
    kie.control("PUT", "/kie/keys", {"out": {"state": "ok"}})
    kie.settings(any_key=False)
    assert callers["out"].create()["code"] == 200
    assert kie.other("never-seen").create()["code"] == 401


def test_twenty_creates_in_ten_seconds_and_not_one_more(kie: Caller) -> None:
    # Given real time, and tasks that take no time to make
    kie.sandbox.world.clock.time_scale = 1
    kie.settings(create_seconds=0)

    # When 25 are made at once by several threads, and one more in the other style of refusal
    def make(_: int) -> tuple[int, int]:
        with requests.Session() as session:
            answer = Caller(kie.sandbox, session).post("/api/v1/jobs/createTask", {"model": SEEDANCE, "input": given})
        return answer.status_code, answer.json()["code"]

    given = {"prompt": PROMPT, "aspect_ratio": "9:16", "duration": 8}
    kie.arm("stuck", times=-1)
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(make, range(25)))
    kie.settings(limit_http_status=200)
    quiet = kie.post("/api/v1/jobs/createTask", {"model": SEEDANCE, "input": given})

    # Then exactly 20 passed
    assert sorted(answers) == [(200, 200)] * 20 + [(429, 429)] * 5
    assert (quiet.status_code, quiet.json()["code"]) == (200, 429)
    assert quiet.json()["msg"] == "Your call frequency is too high. Please try again later."
    assert "Retry-After" not in quiet.headers
    report = kie.account()
    assert (report["creates"], report["refused_429"], report["max_creates_in_window"]) == (20, 6, 20)
    # ... and with the limit lifted there is only the record of how many came
    kie.settings(create_limit=0)
    assert kie.create()["code"] == 200
    assert kie.account()["max_creates_in_window"] == 21


def test_a_window_slides() -> None:
    # Given a window of no length, in which every earlier call is past
    window = Window()

    # When calls come one after another
    admitted = [window.admit(1, 0.0) for _ in range(5)]

    # Then each is admitted, and never two were in it together
    assert admitted == [True] * 5
    assert window.highest == 1


def test_ten_polls_a_second_for_each_key(kie: Caller) -> None:
    # Given a task, and real time
    kie.arm("stuck")
    task_id = kie.task()
    kie.sandbox.world.clock.time_scale = 0.01

    # When it is polled twelve times at once
    answers = [kie.get("/api/v1/jobs/recordInfo", taskId=task_id) for _ in range(12)]
    kie.settings(poll_limit=0)
    lifted = kie.get("/api/v1/jobs/recordInfo", taskId=task_id)

    # Then two are refused and journaled, until the limit is lifted
    assert [answer.status_code for answer in answers] == [200] * 10 + [429] * 2
    assert lifted.status_code == 200
    polls = kie.control("GET", "/journal?endpoint=recordInfo")["entries"]
    assert [entry["status"] for entry in polls].count(429) == 2
    assert kie.control("GET", f"/kie/tasks/{task_id}")["polls"] == 11
