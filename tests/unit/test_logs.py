"""Secrets don't get into logs, by whichever way; what does get there is one line a happening."""

import io
import json
import logging
import os
import platform
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path

import pytest
import structlog

from neurocards import app as application
from neurocards import logs
from tests.conftest import ROOT

TOKEN = "123456789:AAaaBBbbCCccDDddEEeeFFffGGgghhh_-1"
KEY = "kie/secret+key-0001"


@pytest.fixture
def output(tmp_path) -> Iterator[io.StringIO]:
    """Standard output of a configured process; logging is put back afterwards."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level, logging.raiseExceptions, sys.excepthook, threading.excepthook)
    root.handlers = []
    with redirect_stdout(io.StringIO()) as stream:
        logs.configure("worker-1", str(tmp_path), (TOKEN, KEY, ""))
        yield stream
    for handler in root.handlers:
        handler.close()
    root.handlers, root.level, logging.raiseExceptions, sys.excepthook, threading.excepthook = before
    logging.captureWarnings(False)
    structlog.reset_defaults()


def test_a_line_is_json_and_says_who_when_and_what(output):
    # When something is logged through the standard library
    logging.getLogger("neurocards.jobs").info("job %s moved", 7, extra={"job": 7})
    # Then there is one line with all of it
    line = json.loads(output.getvalue())
    assert line["event"] == "job 7 moved"
    assert (line["process"], line["logger"], line["level"], line["job"]) == ("worker-1", "neurocards.jobs", "info", 7)
    assert "timestamp" in line


def test_structlog_writes_to_the_same_place(output):
    structlog.get_logger("neurocards").warning("slow", seconds=3)
    line = json.loads(output.getvalue())
    assert (line["event"], line["seconds"], line["level"]) == ("slow", 3, "warning")


@pytest.mark.parametrize(
    "say",
    [
        lambda log: log.warning("https://api.telegram.org/bot%s/getMe", TOKEN),
        lambda log: log.warning("https://host/bot123456789%3AAAaaBBbbCCccDDddEEeeFFffGGgghhh_-1/getMe"),
        lambda log: log.warning("key kie%2Fsecret%2Bkey-0001", extra={"key": KEY}),
        lambda log: log.warning("another bot: 987654321:AAaaBBbbCCccDDddEEeeFFffGGgghhh_-1"),
        lambda log: log.warning("Authorization: Bearer kie/secret+key-0001"),
        lambda log: log.warning("Authorization: Bearer hhh_-1-of-nobody"),
        lambda log: log.warning("postgresql://neurocards:hhh_-1@db/neurocards"),
        lambda log: structlog.get_logger("x").warning("event", token=TOKEN),
        lambda log: log.error("failed", exc_info=ValueError(f"no route to bot{TOKEN}")),
    ],
)
def test_no_secret_is_written_by_any_way(output, tmp_path, say):
    # When a secret is logged
    say(logging.getLogger("somewhere"))
    # Then neither standard output nor the file has it
    for written in (output.getvalue(), (tmp_path / "worker-1.log").read_text(encoding="utf-8")):
        assert logs.HIDDEN in written
        assert "hhh_-1" not in written
        assert "secret" not in written


def test_a_very_short_secret_leaves_the_log_readable():
    assert logs.Redactor(("k", ""))("a kettle") == "a kettle"


def test_what_nothing_caught_is_logged_without_its_secret(output):
    # Given a thread that dies of an error with the token in it
    def die() -> None:
        raise RuntimeError(TOKEN)

    thread = threading.Thread(target=die)
    # When it dies
    thread.start()
    thread.join()
    # Then the log has the traceback and not the token
    written = output.getvalue()
    assert TOKEN not in written
    assert json.loads(written)["level"] == "critical"
    assert "RuntimeError" in json.loads(written)["exception"]


def test_chatty_libraries_are_quiet(output):
    logging.getLogger("urllib3.connectionpool").warning("Retrying after connection broken")
    logging.getLogger("apscheduler.scheduler").info("Running job")
    assert output.getvalue() == ""


def test_configuring_again_replaces_what_was_there(output, tmp_path):
    # When the process is configured once more
    with redirect_stdout(output):
        logs.configure("bot", str(tmp_path), ())
    logging.getLogger("neurocards").info("hello")
    # Then there is one line, under the new name, in the new file
    assert json.loads(output.getvalue())["process"] == "bot"
    assert len((tmp_path / "bot.log").read_text(encoding="utf-8").splitlines()) == 1


WRITING = """
import logging, sys
from neurocards import logs
logs.MAX_FILE_BYTES = 4000
logs.configure("worker-1", sys.argv[1], ())
print("ready", flush=True)
sys.stdin.readline()
for number in range(100):
    logging.getLogger("neurocards").info("line %s", number)
"""


def test_processes_of_one_name_rotate_files_of_their_own_and_lose_no_line(tmp_path):
    # Given three processes of one worker instance, whose files are soon full
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WRITING, str(tmp_path)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for _ in range(3)
    ]
    for process in processes:
        assert b"ready" in process.stdout.readline()
    # When all write at once
    for process in processes:
        process.stdin.write(b"\n")
        process.stdin.flush()
    for process in processes:
        with process:
            process.communicate(timeout=30)
    # Then each has its own files, several, with all of its lines
    for name in ("worker-1", "worker-1.2", "worker-1.3"):
        files = [path for path in tmp_path.iterdir() if re.fullmatch(rf"{name}\.log(\.\d)?", path.name)]
        lines = [json.loads(line) for path in files for line in path.read_text().splitlines()]
        assert len(files) > 2
        assert {line["process"] for line in lines} == {name}
        assert sorted(line["event"] for line in lines) == sorted(f"line {number}" for number in range(100))
    # And the names are free for those that come after them
    assert claimed_after(tmp_path) == "worker-1"


def claimed_after(folder: Path) -> str:
    file = logs.OwnFile(folder, "worker-1")
    file.close()
    return file.name_of_process


@pytest.mark.parametrize(
    ("given", "folder", "name"),
    [("worker-7", "/logs", "worker-7"), ("worker-7", None, "worker-7"), (None, "/logs", "worker-1")],
)
def test_a_worker_is_called_as_its_service_says_or_by_its_file(monkeypatch, given, folder, name):
    monkeypatch.delenv("WORKER_NAME", raising=False)
    if given:
        monkeypatch.setenv("WORKER_NAME", given)
    assert application.worker_name(folder) == name


def test_workers_without_files_are_told_apart_by_host_and_process(monkeypatch):
    monkeypatch.delenv("WORKER_NAME", raising=False)
    assert application.worker_name(None) == f"worker-{platform.node()}:{os.getpid()}"
