"""The whole system with servers and workers of its own, whose parts a rehearsal may stop, kill and start again."""

import os
import signal
from contextlib import ExitStack, suppress
from pathlib import Path

from sandbox.client import SandboxClient
from sandbox.local import ROOT, Child, Local
from sandbox.services import Services
from sandbox.staged import Staged

OPERATOR = 424242
# Three keys of one account: two may be out and the third still works.
KEYS = ("rehearsal-key-1", "rehearsal-key-2", "rehearsal-key-3")
SETTINGS = {"ADMIN_IDS": str(OPERATOR), "WELCOME_CREDITS": "5", "KIE_API_KEY": ",".join(KEYS)}
RENDER_SECONDS = [60, 150]
LEADS = "this process leads"


class System(Staged):
    """PostgreSQL, Valkey, sandbox, bot and `workers` worker commands, from `with` to its end. `folder` gets logs and journal."""

    def __init__(self, folder: Path, time_scale: float, workers: int) -> None:
        self.journal = folder / "journal.jsonl"
        self._folder, self._scale, self._wanted = folder, time_scale, workers

    def _stage(self, undo: ExitStack) -> None:
        self.services = undo.enter_context(Services(ROOT / "var", durable=False))
        self.database = self.services.postgres.url
        addresses = {"DATABASE_URL": self.database, "REDIS_URL": self.services.valkey.url}
        settings = {**SETTINGS, **addresses, "LOG_DIR": str(self._folder / "logs")}
        self.local = undo.enter_context(
            Local(self._folder, time_scale=self._scale, prepared_video=True, settings=settings)
        )
        self.workers = [self.local.child("run_workers")]
        for number in range(2, self._wanted + 1):
            name = f"worker-{number}"
            self.workers.append(self.started(name, "run_workers.py", WORKER_NAME=name))
            undo.callback(self.workers[-1].stop)
        self.client = undo.enter_context(SandboxClient(self.local.sandbox.url))
        self.client.kie("PUT", "settings", render_seconds=RENDER_SECONDS)
        self.client.user(id=OPERATOR, first_name="Оператор").say("/start")

    @property
    def bot(self) -> Child:
        """The bot whose HTTP side gets KIE's callbacks."""
        return self.local.child("run_bot")

    def started(self, name: str, script: str, **environment: str) -> Child:
        """One more process of the system, which the caller stops."""
        return Child(name, [str(ROOT / script)], {**self.local.environment, **environment}, self._folder)


def leads(worker: Child) -> bool:
    """Whether the worker has led since its start, as its log says."""
    return LEADS in worker.log.read_text(errors="replace")


def restart(child: Child) -> None:
    """Kills the process and its children, and starts it again."""
    child.kill()
    child.start()


def freeze(child: Child) -> int:
    """Halts the process and its children in the midst of whatever they do; returns what `thaw` needs."""
    group = os.getpgid(child.pid)
    os.killpg(group, signal.SIGSTOP)
    return group


def thaw(group: int) -> None:
    """Lets frozen processes go on, unless they were killed meanwhile."""
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGCONT)
