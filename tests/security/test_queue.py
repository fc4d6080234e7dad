"""Rubbish in the queue: whoever can write to Redis can waste a worker's time, and gets neither code run nor an order lost.

Messages are JSON and carry the ids of rows; what a worker does with a row, the row decides.
"""

import ast
import json
import pickle
import time
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dramatiq
import pytest
import redis
from dramatiq.encoder import JSONEncoder

from neurocards import dispatch
from tests.acceptance.books import assert_balanced
from tests.acceptance.conftest import eventually

ROOT = Path(__file__).parents[2]
SOURCES = [
    path for folder in ("neurocards", "actors", "handlers", "middleware") for path in (ROOT / folder).rglob("*.py")
]


# Stands for the id under which Redis has a message.
ID = "the-id-of-this-message"


class Touch:
    """Unpickled, it would make a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self._path,)


def message(actor: str = "script", queue: str = "neurocards", **changes: Any) -> bytes:
    """A message as Dramatiq writes it, but for the changes."""
    options = {"redis_message_id": ID, **changes.pop("options", {})}
    body = {
        "queue_name": queue, "actor_name": actor, "args": [1], "kwargs": {}, "options": options, "message_id": str(uuid.uuid4()),
        "message_timestamp": int(time.time() * 1000),
    }  # fmt: skip
    return json.dumps({**body, **changes}).encode()


def unreadable(mark: Path) -> list[bytes]:
    """What is not a message."""
    return [
        b"", b"not json", b"\xff\xfe\x00", b"null", b"[]", b"5", b'"text"', b"{}", b'{"queue_name": "neurocards"}', b"{" * 1000,
        pickle.dumps(Touch(mark)), message()[:-1], message(unknown_field=1), b"[" * 100_000, b"x" * 1_000_000,
    ]  # fmt: skip


def unfit() -> list[bytes]:
    """Messages of which no actor can make anything."""
    return [
        message("no_such_actor"), message("__init__"), message("os.system", args=["true"]), message("script", "no_such_queue"),
        message(args=[]), message(args=["DROP TABLE jobs"]), message(args=[None]), message(args=[{"a": 1}]), message(args=[[[1]]]),
        message(args=[2**70]), message(args=[-1]), message(args=[0]), message(args=[1.5]), message(args=[True]), message(args=[1, 2, 3]),
        message(args=["\u0000"]), message(kwargs={"job_id": 1}), message(kwargs={"x": 1}), message("check", args=[5]),
        message("check", args=[["x", None, -1]]), message("check", args=[[2**70]]), message("check", args=[list(range(100_000))]),
        message("tell", args=["x" * 100_000]), message("deliver", args=[10**18]), message("submit", args=[{}]),
        message(options={"retries": 10**9, "max_retries": -1, "on_failure": "os.system", "pipe_target": {"actor_name": "x"}}),
        message("script", "neurocards_scripts", args=[10**18]), message("tell", args=[10**18]), message("check", args=[[1, 10**18, 1]]),
        message("deliver", options={"redis_message_id": None}), message("deliver", message_id=None),
        message("deliver", options={"eta": 9e99}), message(options={"update_id": "1"}), message(options={"update_id": -1}),
        message(options={"time_limit": "soon"}), message(options={"traceback": "x" * 10_000}), message(message_timestamp="yesterday"),
    ]  # fmt: skip


def push(client: redis.Redis, data: bytes, queue: str) -> None:
    """Puts bytes where a worker looks for messages, under the id that they name."""
    message_id = str(uuid.uuid4())
    client.hset(f"dramatiq:{queue}.msgs", message_id, data.replace(ID.encode(), message_id.encode()))
    client.rpush(f"dramatiq:{queue}", message_id)


def pushed(url: str, data: list[bytes]) -> None:
    with redis.Redis.from_url(url) as client:
        for each in data:
            for queue in {kind.queue for kind in dispatch.MESSAGES.values()}:
                push(client, each, queue)


def left(url: str) -> int:
    with redis.Redis.from_url(url) as client:
        return sum(client.llen(f"dramatiq:{kind.queue}") for kind in dispatch.MESSAGES.values())


@pytest.mark.parametrize("kind", ["unfit", "unreadable"])
def test_rubbish_in_the_queue_ends_no_worker_and_loses_no_order(system, anna, rows, tmp_path, kind):
    mark = tmp_path / "code was run"
    worker = system.child("run_workers")
    pid = worker.pid
    # Given queues full of rubbish, some of it in the right shape
    pushed(system.environment["REDIS_URL"], unfit() if kind == "unfit" else unreadable(mark))
    # When a customer orders
    anna.order()
    # Then the video comes all the same, from the same worker
    anna.video(60)
    eventually(lambda: left(system.environment["REDIS_URL"]) == 0, 60)
    worker.check()
    assert worker.pid == pid
    # And no code was run, no row was made up, and the books balance
    assert not mark.exists()
    assert_balanced(rows)
    assert urlsplit(system.environment["REDIS_URL"]).scheme == "redis"


def test_messages_are_json():
    assert isinstance(dramatiq.get_encoder(), JSONEncoder)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_that_runs_what_it_reads_is_imported(path):
    # Given what a module imports and calls
    tree = ast.parse(path.read_text())
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    # Then it decodes nothing into code, and starts no program
    assert not imported & {
        "pickle",
        "marshal",
        "shelve",
        "dill",
        "cloudpickle",
        "yaml",
        "subprocess",
        "pty",
        "code",
        "xml.etree.ElementTree",
    }
    assert not called & {"eval", "exec", "compile", "__import__"}
