"""KIE's callbacks: what arrives at the address that was given with a task."""

import base64
import hashlib
import hmac
import json
import queue
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests

from sandbox.server import Sandbox

TASK = {"model": "bytedance/seedance-1.5-pro", "input": {"prompt": "a cup", "aspect_ratio": "9:16", "duration": 8}}
HEADERS = {"Authorization": "Bearer key"}


class Receiver:
    """A small server that keeps the callbacks it gets and answers with the next of `answers`, then with 200."""

    def __init__(self) -> None:
        self.calls: queue.Queue[tuple[str, dict[str, str], Any]] = queue.Queue()
        self.answers: list[int] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                receiver.calls.put((self.path, dict(self.headers), body))
                self.send_response(receiver.answers.pop(0) if receiver.answers else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Keep quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/kie/callback?nonce=abc"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def next(self) -> tuple[str, dict[str, str], Any]:
        return self.calls.get(timeout=10)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    opened = Receiver()
    yield opened
    opened.close()


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(time_scale=1_000) as running:
        yield running


def put(sandbox: Sandbox, path: str, body: Any) -> None:
    requests.put(f"{sandbox.url}/sandbox{path}", json=body, timeout=5).raise_for_status()


def arm(sandbox: Sandbox, kind: str, **params: Any) -> None:
    body = {"service": "kie", "endpoint": "createTask", "kind": kind, "params": params}
    requests.post(f"{sandbox.url}/sandbox/faults", json=body, timeout=5).raise_for_status()


def make(sandbox: Sandbox, callback_url: str) -> str:
    body = {**TASK, "callBackUrl": callback_url}
    answer = requests.post(f"{sandbox.url}/api/v1/jobs/createTask", json=body, headers=HEADERS, timeout=10)
    return str(answer.json()["data"]["taskId"])


def sent(sandbox: Sandbox, count: int) -> list[dict[str, Any]]:
    """The journal's first `count` attempts to send a callback."""
    found: list[dict[str, Any]] = []
    while len(found) < count:
        last = found[-1]["n"] if found else 0
        later = sandbox.world.journal.wait(last, 10, "kie", "callback")
        assert later, f"only {len(found)} of {count} callbacks were sent"
        found += later
    return found


def test_a_success_is_announced_with_its_result(sandbox: Sandbox, receiver: Receiver) -> None:
    # Given a task with a callback address (its result needs no rendering here)
    arm(sandbox, "bad_result", what="empty")
    task_id = make(sandbox, receiver.url)

    # When it ends
    path, headers, body = receiver.next()

    # Then the callback names it, on the address as given, unsigned
    assert path == "/kie/callback?nonce=abc"
    assert (body["code"], body["msg"]) == (200, "Playground task completed successfully.")
    assert (body["data"]["taskId"], body["data"]["state"]) == (task_id, "success")
    assert json.loads(body["data"]["resultJson"])["resultUrls"][0].startswith(sandbox.url)
    assert "X-Webhook-Signature" not in headers
    assert sent(sandbox, 1)[0]["status"] == 200


def test_a_failure_is_announced_with_its_reason_and_a_signature(sandbox: Sandbox, receiver: Receiver) -> None:
    # Given a signing key, the other spelling of the id, and a task that will fail
    put(sandbox, "/kie/settings", {"hmac_key": "webhook-key", "callback_id": "task_id"})
    arm(sandbox, "fail", failCode="500", failMsg="Internal server error", seconds=1)
    task_id = make(sandbox, receiver.url)

    # When it ends
    _, headers, body = receiver.next()

    # Then the callback says why, and its signature covers the id and the time stamp
    assert (body["code"], body["msg"]) == (501, "Playground task failed.")
    assert (body["data"]["failMsg"], body["data"]["resultJson"]) == ("Internal server error", None)
    assert body["data"]["task_id"] == task_id
    assert "taskId" not in body["data"]
    signed = f"{task_id}.{headers['X-Webhook-Timestamp']}".encode()
    expected = base64.b64encode(hmac.new(b"webhook-key", signed, hashlib.sha256).digest()).decode()
    assert headers["X-Webhook-Signature"] == expected


def test_a_callback_is_tried_three_times(sandbox: Sandbox, receiver: Receiver) -> None:
    # Given a receiver in trouble
    receiver.answers = [500, 503, 404, 200]
    arm(sandbox, "fail", seconds=1)

    # When a task ends
    make(sandbox, receiver.url)
    attempts = sent(sandbox, 3)

    # Then three attempts are made, no more
    assert [(entry["request"]["attempt"], entry["status"]) for entry in attempts] == [(1, 500), (2, 503), (3, 404)]
    assert sandbox.world.journal.wait(attempts[-1]["n"], 0.2, "kie", "callback") == []


def test_duplicate_late_and_lost_callbacks(sandbox: Sandbox, receiver: Receiver) -> None:
    # Given three tasks that fail at once: one callback comes twice, one an hour later, one never
    for callback in (
        {"kind": "callback_duplicate"},
        {"kind": "callback_late", "seconds": 500},
        {"kind": "callback_lost"},
    ):
        arm(sandbox, "fail", seconds=0)
        arm(sandbox, **callback)
    doubled, late, lost = (make(sandbox, receiver.url) for _ in range(3))

    # When three callbacks have come
    came = [receiver.next()[2]["data"]["taskId"] for _ in range(3)]

    # Then the lost one is not among them, nor after them
    assert came == [doubled, doubled, late]
    assert lost not in came
    assert sandbox.world.journal.wait(sent(sandbox, 3)[-1]["n"], 0.2, "kie", "callback") == []


def test_no_callback_leaves_this_machine(sandbox: Sandbox) -> None:
    # Given a task whose callback address is elsewhere
    arm(sandbox, "fail", seconds=0)

    # When it ends
    make(sandbox, "http://192.0.2.1/kie/callback")

    # Then the sandbox refuses, and says so in the journal
    entry = sent(sandbox, 1)[0]
    assert (entry["status"], entry["note"]) == (0, "refused: not loopback")
