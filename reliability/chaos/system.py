"""The whole system with servers and workers of its own, and everything a rehearsal can do to it: kill, wipe, refuse, forge."""

import json
import secrets
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Self

import redis
import requests

from reliability.chaos.faults import VENDORS, Fault
from sandbox.client import SandboxClient
from sandbox.local import ROOT, Child, Local
from sandbox.services import Services

OPERATOR = 424242
SETTINGS = {"ADMIN_IDS": str(OPERATOR), "WELCOME_CREDITS": "5"}
RENDER_SECONDS = [60, 150]
LEADS = "this process leads"


class System:
    """PostgreSQL, Valkey, sandbox, bot and `workers` worker commands, from `with` to its end. `folder` gets logs and journal."""

    def __init__(self, folder: Path, time_scale: float, workers: int) -> None:
        self.struck: Counter[str] = Counter()
        self.leaders_killed = 0
        self.journal = folder / "journal.jsonl"
        self._folder, self._scale, self._wanted = folder, time_scale, workers
        self._acts: dict[str, Callable[[int], object]] = {
            "kill_worker": self._kill_worker,
            "kill_bot": lambda _: _kill(self._local.child("run_bot")),
            "kill_valkey": lambda _: self._services.valkey.restart(immediate=True),
            "flush_valkey": lambda _: self._flush(),
            "crash_postgres": lambda _: self._services.postgres.restart(immediate=True),
            "forge_noise": lambda pick: self._call_back(f"{pick:x}", b'{"data": {"taskId": ["none"]}, '),
            "forge_nonce": lambda pick: self._forge(pick, nonce=secrets.token_urlsafe(24)),
            "replay_callback": self._forge,
        }

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            self._start(undo)
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *_error: object) -> None:
        self._undo.close()

    def _start(self, undo: ExitStack) -> None:
        self._services = undo.enter_context(Services(ROOT / "var", durable=False))
        self.database = self._services.postgres.url
        addresses = {"DATABASE_URL": self.database, "REDIS_URL": self._services.valkey.url}
        settings = {**SETTINGS, **addresses, "LOG_DIR": str(self._folder / "logs")}
        local = Local(self._folder, time_scale=self._scale, prepared_video=True, settings=settings)
        self._local = undo.enter_context(local)
        self._workers = [local.child("run_workers"), *(self._worker(n, undo) for n in range(2, self._wanted + 1))]
        self.client = undo.enter_context(SandboxClient(local.sandbox.url))
        self.client.kie("PUT", "settings", render_seconds=RENDER_SECONDS)
        self.client.user(id=OPERATOR, first_name="Оператор").say("/start")

    def _worker(self, number: int, undo: ExitStack) -> Child:
        name = f"worker-{number}"
        worker = Child(
            name, [str(ROOT / "run_workers.py")], {**self._local.environment, "WORKER_NAME": name}, self._folder
        )
        undo.callback(worker.stop)
        return worker

    def strike(self, fault: Fault) -> None:
        """Carries a fault out and counts it. What was killed runs again on return; a vendor's fault awaits its next calls."""
        if fault.kind in VENDORS:
            service, endpoint, kind, params = VENDORS[fault.kind]
            self.client.fault(service, endpoint, kind, times=1 + fault.pick % 3, **params)
        else:
            self._acts[fault.kind](fault.pick)
        self.struck[fault.kind] += 1

    def _kill_worker(self, pick: int) -> None:
        worker = self._workers[pick % len(self._workers)]
        self.leaders_killed += LEADS in worker.log.read_text(errors="replace")
        _kill(worker)

    def _flush(self) -> None:
        with redis.Redis.from_url(self._services.valkey.url) as connection:
            connection.flushall()

    def _forge(self, pick: int, nonce: str = "") -> None:
        """Says of a task that has ended that it has, under its own nonce or another."""
        if ended := [entry["request"] for entry in self.client.journal(service="kie", endpoint="callback")]:
            once = ended[pick % len(ended)]
            body = {"code": 200, "data": {"taskId": once["taskId"], "state": "success"}}
            self._call_back(nonce or once["url"].rpartition("/")[2], json.dumps(body).encode())

    def _call_back(self, nonce: str, body: bytes) -> None:
        url, headers = f"http://127.0.0.1:{self._local.port}/kie/callback/{nonce}", {"Content-Type": "application/json"}
        with suppress(requests.RequestException):  # the bot may be starting
            requests.post(url, body, headers=headers, timeout=5).close()


def _kill(child: Child) -> None:
    child.kill()
    child.start()
