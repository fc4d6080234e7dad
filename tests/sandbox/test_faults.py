"""Faults: how they are armed and taken, and what the transport kinds do to a connection."""

import http.client
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from sandbox.faults import TRANSPORT_KINDS, Fault, Faults
from sandbox.kie.plans import BAD_RESULTS
from sandbox.kie.plans import KINDS as KIE_KINDS
from sandbox.openai.errors import ROWS
from sandbox.openai.routes import KINDS as OPENAI_KINDS
from sandbox.server import Sandbox
from sandbox.telegram.fault_kinds import KINDS as TELEGRAM_KINDS

HEADERS = {"Authorization": "Bearer key"}
TASK = {"model": "bytedance/seedance-1.5-pro", "input": {"prompt": "a cup", "aspect_ratio": "9:16", "duration": 8}}


@pytest.fixture
def faults() -> Faults:
    armed = Faults()
    armed.declare("kie", frozenset({"code", "fail", "stuck"}))
    armed.declare("telegram", frozenset({"blocked"}))
    return armed


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(time_scale=1_000) as running:
        yield running


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as opened:
        opened.headers.update(HEADERS)
        yield opened


def arm(session: requests.Session, sandbox: Sandbox, kind: str, endpoint: str = "createTask", **more: Any) -> None:
    body = {"service": "kie", "endpoint": endpoint, "kind": kind, **more}
    session.post(f"{sandbox.url}/sandbox/faults", json=body, timeout=5).raise_for_status()


def create(session: requests.Session, sandbox: Sandbox, timeout: float = 10) -> requests.Response:
    return session.post(f"{sandbox.url}/api/v1/jobs/createTask", json=TASK, timeout=timeout)


def tasks(session: requests.Session, sandbox: Sandbox) -> list[Any]:
    found: list[Any] = session.get(f"{sandbox.url}/sandbox/kie/tasks", timeout=5).json()["tasks"]
    return found


@given(after=st.integers(0, 5), times=st.sampled_from([-1, 1, 2, 5]), calls=st.integers(0, 15))
def test_a_fault_spares_the_first_calls_and_hits_as_many_as_it_says(after: int, times: int, calls: int) -> None:
    # Given a fault that spares `after` calls and hits `times`
    faults = Faults()
    faults.declare("kie", frozenset({"code"}))
    faults.add(Fault("kie", "createTask", "code", times=times, after=after))

    # When it is asked for at every call
    hits = [faults.take("kie", "createTask") is not None for _ in range(calls)]

    # Then exactly those calls are hit, and it is disarmed when used up
    last = calls if times == -1 else min(calls, after + times)
    assert hits == [after <= n < last for n in range(calls)]
    assert bool(faults.active()) == (times == -1 or calls < after + times)


def test_faults_armed_in_a_row_hit_call_by_call(faults: Faults) -> None:
    # Given three faults of one endpoint, the last sparing two calls
    faults.add(Fault("kie", "createTask", "fail"))
    faults.add(Fault("kie", "createTask", "stuck"))
    faults.add(Fault("kie", "createTask", "code", after=2))

    # When four calls come
    taken = [faults.take("kie", "createTask") for _ in range(4)]

    # Then each fault has its call
    assert [fault and fault.kind for fault in taken] == ["fail", "stuck", "code", None]


def test_only_calls_that_match_are_counted(faults: Faults) -> None:
    # Given a fault for one chat, and one for any endpoint
    faults.add(Fault("telegram", "sendMessage", "blocked", match={"chat_id": 7}))
    faults.add(Fault("kie", "*", "code"))

    # When calls come from elsewhere, and then the ones meant (a chat id as text, an endpoint in other letters)
    missed = [
        faults.take("telegram", "sendMessage", chat_id=8),
        faults.take("telegram", "sendMessage"),
        faults.take("telegram", "sendPhoto", chat_id=7),
    ]
    hit = [faults.take("telegram", "sendmessage", chat_id="7"), faults.take("kie", "recordInfo")]

    # Then only those are hit
    assert missed == [None, None, None]
    assert [fault.kind for fault in hit if fault] == ["blocked", "code"]


def test_a_caller_may_ask_for_some_kinds_only(faults: Faults) -> None:
    # Given two faults of one endpoint
    faults.add(Fault("kie", "createTask", "fail"))
    faults.add(Fault("kie", "createTask", "code"))

    # When one kind is asked for
    taken = faults.take("kie", "createTask", kinds={"code"})

    # Then the other stays armed, although it was first
    assert taken is not None
    assert taken.kind == "code"
    assert [left["kind"] for left in faults.active()] == ["fail"]


@pytest.mark.parametrize(
    "fault",
    [
        Fault("kie", "createTask", "misspelt"),
        Fault("nobody", "createTask", "code"),
        Fault("kie", "createTask", "code", times=-2),
        Fault("kie", "createTask", "reset", match={"chat_id": 1}),
    ],
)
def test_a_fault_that_could_never_fire_is_refused(faults: Faults, fault: Fault) -> None:
    # When it is armed, then that is an error at once
    with pytest.raises(ValueError, match=r"."):
        faults.add(fault)


def test_faults_can_be_listed_and_disarmed_over_http(sandbox: Sandbox, session: requests.Session) -> None:
    # Given two armed faults
    arm(session, sandbox, "reset")
    arm(session, sandbox, "fail", params={"failMsg": "no"})
    url = f"{sandbox.url}/sandbox/faults"

    # When one is removed, a wrong one is armed, and all are cleared
    listed = session.get(url, timeout=5).json()["faults"]
    left = session.delete(f"{url}/{listed[0]['id']}", timeout=5).json()["faults"]
    refused = session.post(url, json={"service": "kie", "endpoint": "*", "kind": "fial"}, timeout=5)
    cleared = session.delete(url, timeout=5).json()["faults"]

    # Then each step shows
    assert [fault["kind"] for fault in listed] == ["reset", "fail"]
    assert [fault["kind"] for fault in left] == ["fail"]
    assert refused.status_code == 400
    assert "fial" in refused.json()["error"]
    assert cleared == []


def test_a_reset_happens_before_anything_is_done(sandbox: Sandbox, session: requests.Session) -> None:
    # Given a reset for the next call
    arm(session, sandbox, "reset")

    # When a task is created, twice
    with pytest.raises(requests.ConnectionError, match="reset by peer"):
        create(session, sandbox)
    second = create(session, sandbox)

    # Then only the second made one, and the journal has both
    assert second.json()["code"] == 200
    assert len(tasks(session, sandbox)) == 1
    entries = sandbox.world.journal.entries(endpoint="createTask")
    assert [(entry["status"], entry["note"]) for entry in entries] == [(0, "fault reset"), (200, "")]


def test_a_lost_reply_leaves_its_work_done(sandbox: Sandbox, session: requests.Session) -> None:
    # Given a reply that will be lost
    arm(session, sandbox, "lost_reply")

    # When a task is created
    with pytest.raises(requests.ConnectionError, match="reset by peer"):
        create(session, sandbox)

    # Then the client knows nothing, but the task exists and was journaled as made
    made = tasks(session, sandbox)
    entry = sandbox.world.journal.entries(endpoint="createTask")[0]
    assert len(made) == 1
    assert entry["response"]["data"]["taskId"] == made[0]["taskId"]
    assert entry["note"] == "fault lost_reply"


def test_a_late_reply_comes_after_the_client_gave_up(sandbox: Sandbox, session: requests.Session) -> None:
    # Given a reply that takes longer than the client's patience
    arm(session, sandbox, "late_reply", params={"seconds": 30})

    # When a task is created
    with pytest.raises(requests.ReadTimeout):
        create(session, sandbox, timeout=0.3)

    # Then the task was made all the same
    assert len(tasks(session, sandbox)) == 1


def test_a_hang_answers_nothing_and_does_nothing(sandbox: Sandbox, session: requests.Session) -> None:
    # Given a call that will hang
    arm(session, sandbox, "hang", params={"seconds": 30})

    # When a task is created
    with pytest.raises(requests.ReadTimeout):
        create(session, sandbox, timeout=0.3)

    # Then none was made
    assert tasks(session, sandbox) == []


def test_a_truncated_answer_promises_more_than_it_holds(sandbox: Sandbox, session: requests.Session) -> None:
    # Given a truncated answer to a poll
    task_id = create(session, sandbox).json()["data"]["taskId"]
    arm(session, sandbox, "truncate", "recordInfo")

    # When the task is polled, then the client notices that bytes are missing
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        session.get(f"{sandbox.url}/api/v1/jobs/recordInfo", params={"taskId": task_id}, timeout=5)


def test_slow_and_http_faults(sandbox: Sandbox, session: requests.Session) -> None:
    # Given a slow call, then one that Cloudflare answers
    arm(session, sandbox, "slow", params={"seconds": 0.2})
    page = {"status": 502, "body": "<html>502 Bad Gateway</html>", "headers": {"Server": "cloudflare"}}
    arm(session, sandbox, "http", after=1, params=page)

    # When two tasks are created
    began = time.monotonic()
    slow = create(session, sandbox)
    took = time.monotonic() - began
    bad = create(session, sandbox)

    # Then the first is late but good, the second is a page
    assert slow.json()["code"] == 200
    assert took >= 0.2
    assert (bad.status_code, bad.headers["Server"], bad.text) == (502, "cloudflare", "<html>502 Bad Gateway</html>")


def test_the_control_api_is_never_hit(sandbox: Sandbox, session: requests.Session) -> None:
    # Given a fault on everything
    session.post(
        f"{sandbox.url}/sandbox/faults",
        json={"service": "*", "endpoint": "*", "kind": "reset", "times": -1},
        timeout=5,
    ).raise_for_status()

    # When the control API is called, then it works
    assert session.get(f"{sandbox.url}/sandbox/health", timeout=5).json()["status"] == "ok"


def test_connections_are_kept_alive_even_when_a_body_goes_unread(sandbox: Sandbox) -> None:
    # Given one connection
    address = urlsplit(sandbox.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=5)

    # When a call without a key, whose body nobody reads, is followed by another
    connection.request("POST", "/kie/files/none", b"x" * 300_000, {"User-Agent": "test"})
    first = connection.getresponse()
    first.read()
    kept = connection.sock
    connection.request("GET", "/sandbox/health")
    second = connection.getresponse()

    # Then both were answered on the same socket
    assert first.status == 405
    assert second.status == 200
    assert kept is not None
    assert connection.sock is kept
    second.read()
    connection.close()


def test_the_time_scale_is_changed_while_running(sandbox: Sandbox, session: requests.Session) -> None:
    # Given a sandbox
    url = f"{sandbox.url}/sandbox/time_scale"

    # When the scale is set, well and badly
    good = session.put(url, json={"time_scale": 60}, timeout=5)
    bad = session.put(url, json={"time_scale": 0}, timeout=5)

    # Then the good one counts
    assert good.json() == {"time_scale": 60.0}
    assert bad.status_code == 400
    assert sandbox.world.clock.scaled(90) == 1.5


def test_the_command_prints_its_address_and_stops_on_sigterm_with_a_client_connected() -> None:
    # Given the sandbox as a command, with an idle connection and a call that hangs
    command = [sys.executable, "-m", "sandbox", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process, requests.Session() as session:
        assert process.stdout is not None
        line = process.stdout.readline()
        url = line.removeprefix("sandbox: ").strip()
        assert session.get(f"{url}/sandbox/health", timeout=5).ok

        # When it is told to stop
        process.terminate()

        # Then it is gone at once and in order, having printed that one line
        assert process.wait(5) == 0
        assert process.stdout.read() == ""
        assert line.startswith("sandbox: http://127.0.0.1:")


def test_every_fault_is_in_the_docs() -> None:
    # Given the page for developers, and everything that can be armed
    page = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text(encoding="utf-8")
    known = TRANSPORT_KINDS | KIE_KINDS | OPENAI_KINDS | TELEGRAM_KINDS | ROWS.keys() | set(BAD_RESULTS)

    # When each is looked for, then none is missing
    assert [name for name in sorted(known) if f"`{name}`" not in page] == []
