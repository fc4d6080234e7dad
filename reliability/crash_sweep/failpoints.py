"""Every I/O call of this process as a point where it can be killed: SQL, HTTP and Redis, found by wrapping the drivers.

The list of points is what a run did, so a call that somebody adds tomorrow is a point tomorrow. Installed in forked children only.
"""

import json
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import psycopg2.extensions
from redis.connection import AbstractConnection
from urllib3.connection import HTTPConnection

ROOT = Path(__file__).resolve().parents[2]
OURS = tuple(f"{ROOT / name}" for name in ("neurocards/", "handlers/", "middleware/", "actors/", "run_bot.py"))
# They carry everybody's calls, so they say nothing about whose call it is.
CARRIERS = ("db", "transport", "models", "clients.telegram", "clients.kie", "clients.openai", "handlers.talk")

BEFORE, AFTER = "before", "after"
SIDES = (BEFORE, AFTER)


@dataclass(frozen=True)
class Step:
    """One side of one I/O call: the call's number, its name, and `before` or `after`."""

    k: int
    side: str
    name: str


class Failpoints:
    """Numbers the I/O calls between `armed` and its end, writes them to `trace`, and dies at `kill`, a (number, side)."""

    def __init__(self, trace: Path, kill: tuple[int, str] | None = None) -> None:
        self._trace = os.open(trace, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._kill = kill
        self._lock = threading.Lock()
        self._armed = False
        self._count = 0

    @contextmanager
    def armed(self) -> Iterator[None]:
        """Inside, calls count and can kill."""
        self._armed = True
        try:
            yield
        finally:
            self._armed = False

    @contextmanager
    def call(self, kind: str, what: str) -> Iterator[None]:
        """One I/O call."""
        if not self._armed:
            yield
            return
        name = f"{kind} {what} ({_caller()})"
        with self._lock:
            self._count += 1
            k = self._count
        self._pass(Step(k, BEFORE, name))
        try:
            yield
        finally:
            self._pass(Step(k, AFTER, name))

    def _pass(self, step: Step) -> None:
        # Written by the system call itself, so that it is there when we are not.
        os.write(self._trace, json.dumps([step.k, step.side, step.name]).encode() + b"\n")
        if self._kill == (step.k, step.side):
            os.kill(os.getpid(), signal.SIGKILL)

    def install(self) -> None:
        """Wraps the drivers of this process; there is no way back."""
        _wrap_postgres(self.call)
        _wrap_http(self.call)
        _wrap_redis(self.call)


def read(trace: Path) -> list[Step]:
    """The steps a run took, in order; the last one is where it was killed, if it was."""
    return [Step(*json.loads(line)) for line in trace.read_text().splitlines()] if trace.exists() else []


def _caller() -> str:
    """Whose call it is: the innermost function of ours that is not a mere carrier."""
    frame: FrameType | None = sys._getframe(3)
    carrier = ""
    while frame is not None:
        code = frame.f_code
        if code.co_filename.startswith(OURS):
            module = frame.f_globals["__name__"].removeprefix("neurocards.")
            function = code.co_qualname.replace(".<locals>", "").replace(".<lambda>", "")
            name = f"{module}.{function}"
            if module not in CARRIERS:
                return name
            carrier = carrier or name
        frame = frame.f_back
    return carrier or "library"


Call = Callable[[str, str], Any]

# PostgreSQL -----------------------------------------------------------------------------------------------------------

_TABLE = re.compile(r'(?:FROM|INTO|UPDATE)\s+"?(?:public"?\.)?"?(\w+)')


def _statement(sql: object) -> str:
    """The first word and the first table: `UPDATE jobs`."""
    text = str(sql).strip()
    table = _TABLE.search(text)
    verb = text.split(None, 1)[0].rstrip(";").upper()
    return f"{verb} {table[1]}" if table else " ".join(text.split()[:2]) if verb == "SELECT" else verb


def _wrap_postgres(call: Call) -> None:
    class Cursor(psycopg2.extensions.cursor):
        def execute(self, query: Any, vars: Any = None) -> None:  # noqa: A002  the driver's name for it
            with call("sql", _statement(query)):
                super().execute(query, vars)

        def executemany(self, query: Any, vars_list: Any) -> None:
            with call("sql", _statement(query)):
                super().executemany(query, vars_list)

    class Connection(psycopg2.extensions.connection):
        def commit(self) -> None:
            with call("sql", "COMMIT"):
                super().commit()

        def rollback(self) -> None:
            with call("sql", "ROLLBACK"):
                super().rollback()

    connect = psycopg2.connect

    def counted(*args: Any, **options: Any) -> Any:
        with call("sql", "connect"):
            return connect(*args, connection_factory=Connection, cursor_factory=Cursor, **options)

    psycopg2.connect = counted


# HTTP -----------------------------------------------------------------------------------------------------------------


def _endpoint(url: str) -> str:
    """The last part of the path: names the call and never a token; any file is `file`."""
    last = urlsplit(url).path.rpartition("/")[2]
    return "file" if "." in last else last


def _wrap_http(call: Call) -> None:
    driver: Any = HTTPConnection
    request, getresponse = driver.request, driver.getresponse

    def send(self: Any, method: str, url: str, *args: Any, **options: Any) -> None:
        self.sweep_name = f"{method} {_endpoint(url)}"
        with call("http send", self.sweep_name):
            request(self, method, url, *args, **options)

    def receive(self: Any) -> Any:
        with call("http recv", getattr(self, "sweep_name", "?")):
            return getresponse(self)

    driver.request, driver.getresponse = send, receive


# Redis ----------------------------------------------------------------------------------------------------------------


def _command(packed: Any) -> str:
    """The command; of Dramatiq's one script also which of its parts."""
    parts = b"".join(packed if isinstance(packed, (list, tuple)) else [packed]).split(b"\r\n")[2::2]
    words = [part.decode(errors="replace") for part in parts[:5]]
    return f"{words[0]} {words[4]}" if words[0] == "EVALSHA" and len(words) > 4 else words[0]


def _wrap_redis(call: Call) -> None:
    driver: Any = AbstractConnection
    send_packed, read_response = driver.send_packed_command, driver.read_response

    def send(self: Any, command: Any, *args: Any, **options: Any) -> Any:
        self.sweep_name = _command(command)
        with call("redis send", self.sweep_name):
            return send_packed(self, command, *args, **options)

    def receive(self: Any, *args: Any, **options: Any) -> Any:
        with call("redis recv", getattr(self, "sweep_name", "?")):
            return read_response(self, *args, **options)

    driver.send_packed_command, driver.read_response = send, receive
