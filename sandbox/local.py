"""The whole system on this machine, as child processes: servers, sandbox, bot and one worker instance.

Nothing of the product is imported: it is started by its own commands and told by its environment where everything is. What the
environment gives (DATABASE_URL, REDIS_URL) is used, and then nothing embedded is started.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO

import requests

from sandbox.guard import Order
from sandbox.server import Sandbox
from sandbox.services import APPLICATION, Postgres, Valkey
from sandbox.staged import Staged

ROOT = Path(__file__).resolve().parent.parent
GUARD = Path(__file__).with_name("guard.py")
TOKEN = "1000001:" + "sandbox" * 5  # shaped like a token, known to the stand-in only
STOP_SECONDS = 12.0
START_SECONDS = 60.0


class StartFailed(Exception):
    """A part of the system did not come up or died; the text ends with the last lines it wrote."""


class Child:
    """One process of the system, with its output in a file."""

    def __init__(self, name: str, command: list[str], environment: Mapping[str, str], folder: Path) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._command = [sys.executable, *command]
        self._environment = dict(environment)
        self.start()

    def start(self) -> None:
        """Starts it, again if it has ended. Its guard ends it when we are gone, however we ended."""
        order = Order(
            command=self._command, env=None, folder=str(self.log.parent), log=str(self.log),
            uid=None, gid=None, stop_signal=signal.SIGTERM, leftovers=[],
        )  # fmt: skip
        # The environment has secrets: it is inherited, since arguments can be read by everyone on the machine.
        self._guard = subprocess.Popen(
            [sys.executable, "-I", "-S", str(GUARD), json.dumps(order)],
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        self.pid = int(_pipe(self._guard.stdout).readline())

    @property
    def running(self) -> bool:
        """Whether the process has not ended."""
        return self._guard.poll() is None

    def check(self) -> None:
        """Raises StartFailed if the process has ended."""
        if not self.running:
            raise StartFailed(f"{self.name} ended with status {self._guard.returncode}:\n{self.tail()}")

    def tail(self, lines: int = 20) -> str:
        """The last lines of its output."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def wait(self) -> int:
        """Its exit status, once it has ended by itself."""
        return self._buried(START_SECONDS)

    def kill(self) -> None:
        """Ends the process and its children the hard way, as a power cut would."""
        with suppress(ProcessLookupError):
            os.killpg(self._guard.pid, signal.SIGKILL)
        self._buried(STOP_SECONDS)

    def stop(self) -> None:
        """Ends the process in order; what is left of its session after that is killed."""
        with suppress(BrokenPipeError, ValueError):  # it has ended already
            _pipe(self._guard.stdin).write(b"x")
            _pipe(self._guard.stdin).flush()
        try:
            self._buried(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def _buried(self, seconds: float) -> int:
        status = self._guard.wait(seconds)
        for pipe in (self._guard.stdin, self._guard.stdout):
            with suppress(BrokenPipeError):
                _pipe(pipe).close()
        return status


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise StartFailed("a guard has lost its pipe")
    return pipe


class Local(Staged):
    """Everything up, from `with` to its end. `settings` are further environment variables for bot and workers,
    `worker_options` arguments of `run_workers.py`, of which `workers` instances run. `real` names vendors by their key's variable: those
    get no stand-in. `sandbox_url` is that of a sandbox that is up already; then none is started here.
    `owner_url` is for the migration, when the given DATABASE_URL is that of the role `neurocards_app`.
    """

    def __init__(
        self, folder: Path, *, time_scale: float = 1.0, port: int = 0, keep_data: bool = False,
        prepared_video: bool = False, settings: Mapping[str, str] | None = None, worker_options: Sequence[str] = (),
        real: Collection[str] = (), owner_url: str = "", workers: int = 1, sandbox_url: str = "",
    ) -> None:  # fmt: skip
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.sandbox = Sandbox(port, time_scale, prepared_video, journal_file=folder / "journal.jsonl")
        self._time_scale = time_scale
        self._keep_data = keep_data
        self._settings = dict(settings or {})
        self._worker_options = worker_options
        self._real = real
        self._owner_url = owner_url
        self._instances = workers
        self.sandbox_url = sandbox_url
        self.children: list[Child] = []

    def child(self, name: str) -> Child:
        """`run_bot` or `run_workers`: to be killed, started again, or measured."""
        return next(child for child in self.children if child.name == name)

    def check(self) -> None:
        """Raises StartFailed if any part has died."""
        for child in self.children:
            child.check()

    def _stage(self, undo: ExitStack) -> None:
        self.environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **self._servers(undo)}
        if not self.sandbox_url:
            self.sandbox_url = undo.enter_context(self.sandbox).url
        self.port = free_port()
        self.environment |= {"PORT": str(self.port), "TIME_SCALE": str(self._time_scale), "BOT_MODE": "polling"}
        self.environment |= {**self._stand_ins(), **self._settings}
        self._migrate()
        self._run(undo, "run_bot", "run_bot.py")
        for number in range(1, self._instances + 1):
            name = "run_workers" if number == 1 else f"run_workers-{number}"
            self._run(undo, name, "run_workers.py", *self._worker_options, WORKER_NAME=f"worker-{number}")
        self._wait_until_ready()

    def _run(self, undo: ExitStack, name: str, script: str, *options: str, **environment: str) -> None:
        child = Child(name, [str(ROOT / script), *options], {**self.environment, **environment}, self.folder)
        undo.callback(child.stop)
        self.children.append(child)

    def _migrate(self) -> None:
        owner = {"DATABASE_URL": self._owner_url, "APP_ROLE": APPLICATION} if self._owner_url else {}
        migration = Child(
            "migrate", [str(ROOT / "scripts" / "migrate_db.py")], {**self.environment, **owner}, self.folder
        )
        if migration.wait() != 0:
            raise StartFailed(f"the database could not be made:\n{migration.tail()}")

    def _stand_ins(self) -> dict[str, str]:
        """Where the vendors are that are not the real ones."""
        url, ours = self.sandbox_url, f"http://127.0.0.1:{self.port}"
        vendors = {
            "BOT_TOKEN": {"BOT_TOKEN": TOKEN, "TELEGRAM_API_URL": url},
            "OPENAI_API_KEY": {"OPENAI_API_KEY": "sk-sandbox", "OPENAI_BASE_URL": f"{url}/v1"},
            "KIE_API_KEY": {
                "KIE_API_KEY": "sandbox-key-1,sandbox-key-2", "KIE_API_URL": url, "KIE_UPLOAD_URL": url, "PUBLIC_BASE_URL": ours,
            },
        }  # fmt: skip
        return {
            name: value for key, values in vendors.items() if key not in self._real for name, value in values.items()
        }

    def _servers(self, undo: ExitStack) -> dict[str, str]:
        known = {**os.environ, **self._settings}
        given = {name: known[name] for name in ("DATABASE_URL", "REDIS_URL") if known.get(name)}
        if "DATABASE_URL" not in given:
            server = undo.enter_context(Postgres(ROOT / "var", durable=self._keep_data, keep_data=self._keep_data))
            given["DATABASE_URL"], self._owner_url = server.application_url, server.url
        if "REDIS_URL" not in given:
            given["REDIS_URL"] = undo.enter_context(Valkey(ROOT / "var")).url
        return given

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            self.check()
            if self._workers() >= self._instances:
                return
            time.sleep(0.05)
        raise StartFailed(f"bot and worker were not ready within {START_SECONDS:.0f} s:\n{self.children[-1].tail()}")

    def _workers(self) -> int:
        try:
            answer = requests.get(f"http://127.0.0.1:{self.port}/queue_stats", timeout=2)
        except requests.RequestException:
            return 0
        return int(answer.json().get("workers_configured", 0)) if answer.ok else 0


def free_port() -> int:
    """A port of this machine that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
