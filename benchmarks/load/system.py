"""The whole system under load: servers, stand-ins in a process of their own, bot, and as many workers as wanted."""

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from rich.progress import Progress

from benchmarks.crowd import many_accounts
from benchmarks.load.figures import Orders
from benchmarks.load.rush import Target
from sandbox.client import SandboxClient
from sandbox.local import ROOT, Child, Local, StartFailed
from sandbox.services import Postgres, Valkey
from sandbox.staged import Staged

# More than any machine here fills: 20 accounts are 39 creates a second by our own reckoning.
PLENTY = 20
START_SECONDS = 30.0
ADDRESS = "sandbox: "


class System(Staged, Target):
    """Everything up, from `with` to its end. `folder` gets the logs.

    `accounts`: KIE accounts with a key each, at KIE's real limits; 0 lifts the limits, the stand-in's and, by PLENTY accounts, ours.
    `times` are seconds of the stand-ins: `render`, `gpt`, `upload`, `create`. With `telegram_limit` the stand-in for Telegram refuses more
    than 30 messages a second from the first confirm on, as the real one does. PostgreSQL waits for its disk, as in production.
    """

    client: SandboxClient
    folder: Path

    def __init__(
        self, folder: Path, *, workers: int, threads: int = 4, accounts: int = 1, time_scale: float = 1.0,
        times: Mapping[str, float | list[float]], telegram_limit: bool = True, credit: int = 100,
    ) -> None:  # fmt: skip
        self.folder, self.workers, self.time_scale = folder, workers, time_scale
        self._threads, self._accounts, self._times, self._credit = threads, accounts, times, credit
        self._telegram_limit = telegram_limit

    def _stage(self, undo: ExitStack) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        postgres, valkey = undo.enter_context(Postgres(ROOT / "var")), undo.enter_context(Valkey(ROOT / "var"))
        url = undo.enter_context(_sandbox(self.folder, self.time_scale))
        keys = ",".join(f"load{n}:load-key-{n}" for n in range(self._accounts or PLENTY))
        settings = {
            "DATABASE_URL": postgres.application_url,
            "REDIS_URL": valkey.url,
            "KIE_API_KEY": keys,
            "WELCOME_CREDITS": str(self._credit),
        }
        self.client = undo.enter_context(SandboxClient(url))
        many_accounts(self.client, keys)
        self._set_times()
        self.local = undo.enter_context(
            Local(
                self.folder,
                time_scale=self.time_scale,
                settings=settings,
                owner_url=postgres.url,
                worker_options=("--threads", str(self._threads)),
                workers=self.workers,
                sandbox_url=url,
            )
        )
        self.database = postgres.application_url
        self.orders = Orders(self.database)

    def _set_times(self) -> None:
        times = {f"{name}_seconds": seconds for name, seconds in self._times.items() if name != "gpt"}
        limits = {} if self._accounts else {"create_limit": 0, "poll_limit": 0}
        self.client.kie("PUT", "settings", **times, **limits)
        self.client.call("PUT", "/sandbox/openai/settings", json={"latency_seconds": self._times["gpt"]})

    def confirm(self, count: int, within: float, progress: Progress) -> float:
        """As others do, under Telegram's limit if that is wanted."""
        if self._telegram_limit:
            self.client.settings(rate_limit={"enabled": True})
        return super().confirm(count, within, progress)

    def check(self) -> None:
        """Raises StartFailed when a part has died."""
        self.local.check()

    def about(self) -> dict[str, Any]:
        """What was run, for the report."""
        return {
            "workers": self.workers,
            "threads_each": self._threads,
            "kie_accounts": self._accounts or f"limits lifted ({PLENTY} accounts)",
            "time_scale": self.time_scale,
            "telegram_limit": self._telegram_limit,
            "vendor_seconds": dict(self._times),
        }


@contextmanager
def _sandbox(folder: Path, time_scale: float) -> Iterator[str]:
    """The stand-ins, apart from us: their share of the processor is told from the driver's. Yields their address."""
    child = Child(
        "sandbox",
        ["-m", "sandbox", "--port", "0", "--time-scale", str(time_scale), "--prepared-video"],
        {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        folder,
    )
    try:
        yield _address(child)
    finally:
        child.stop()


def _address(child: Child) -> str:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        child.check()
        with suppress(FileNotFoundError):
            if (said := child.log.read_text()).startswith(ADDRESS):
                return said.splitlines()[0].removeprefix(ADDRESS)
        time.sleep(0.05)
    raise StartFailed(f"the sandbox did not come up:\n{child.tail()}")
