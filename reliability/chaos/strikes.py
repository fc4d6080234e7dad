"""Everything a rehearsal can do to a system: kill, freeze, double, wipe, refuse, forge."""

import json
import secrets
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import redis
import requests

from reliability.chaos.faults import VENDORS, Fault
from reliability.chaos.system import KEYS, System, freeze, leads, restart, thaw
from sandbox.local import Child

Act = Callable[[], object]


class Strikes:
    """Carries faults out and counts them. What lasts is undone by a later strike when its time is up, and by `end`."""

    def __init__(self, system: System) -> None:
        self.struck: Counter[str] = Counter()
        self.leaders_killed = 0
        self._system = system
        self._lasting: list[tuple[float, Act]] = []
        self._acts: dict[str, Callable[[Fault], object]] = {
            "kill_worker": self._kill_worker,
            "kill_bot": lambda _: restart(system.bot),
            "kill_valkey": lambda _: system.services.valkey.restart(immediate=True),
            "flush_valkey": lambda _: self._flush(),
            "crash_postgres": lambda _: system.services.postgres.restart(immediate=True),
            "freeze_worker": lambda fault: self._freeze(self._worker(fault), fault),
            "freeze_bot": lambda fault: self._freeze(system.bot, fault),
            "second_bot": self._second_bot,
            "key_refused": lambda fault: self._spoil(KEYS[0], "401", fault),
            "key_penniless": lambda fault: self._spoil(KEYS[1], "402", fault),
            "forge_noise": lambda fault: self._call_back(f"{fault.pick:x}", b'{"data": {"taskId": ["none"]}, '),
            "forge_nonce": lambda fault: self._forge(fault, nonce=secrets.token_urlsafe(24)),
            "replay_callback": self._forge,
        }

    def strike(self, fault: Fault) -> None:
        """What was killed runs again on return; a vendor's fault awaits its next calls."""
        self._undo(time.monotonic())
        if fault.kind in VENDORS:
            service, endpoint, kind, params = VENDORS[fault.kind]
            self._system.client.fault(service, endpoint, kind, times=1 + fault.pick % 3, **params)
        else:
            self._acts[fault.kind](fault)
        self.struck[fault.kind] += 1

    def end(self) -> None:
        """Disarms what is armed and undoes what lasts."""
        self._system.client.clear_faults()
        self._undo(float("inf"))

    def _undo(self, until: float) -> None:
        due = [act for end, act in self._lasting if end <= until]
        self._lasting = [(end, act) for end, act in self._lasting if end > until]
        for act in due:
            act()

    def _until_over(self, fault: Fault, undo: Act) -> None:
        self._lasting.append((time.monotonic() + fault.lasts, undo))

    def _worker(self, fault: Fault) -> Child:
        return self._system.workers[fault.pick % len(self._system.workers)]

    def _kill_worker(self, fault: Fault) -> None:
        self.leaders_killed += leads(self._worker(fault))
        restart(self._worker(fault))

    def _freeze(self, child: Child, fault: Fault) -> None:
        self._until_over(fault, partial(thaw, freeze(child)))

    def _second_bot(self, fault: Fault) -> None:
        """Beside the first, as in a deployment that goes wrong: only one may poll."""
        # Port 0: any; KIE knows the first one's address only.
        bot = self._system.started(f"second-bot-{fault.pick}", "run_bot.py", PORT="0")
        self._until_over(fault, bot.kill)

    def _spoil(self, key: str, state: str, fault: Fault) -> None:
        self._set_key(key, state)
        self._until_over(fault, lambda: self._set_key(key, "ok"))

    def _set_key(self, key: str, state: str) -> None:
        self._system.client.kie("PUT", "keys", **{key: {"state": state}})

    def _flush(self) -> None:
        with redis.Redis.from_url(self._system.services.valkey.url) as connection:
            connection.flushall()

    def _forge(self, fault: Fault, nonce: str = "") -> None:
        """Says of a task that has ended that it has, under its own nonce or another."""
        if ended := [entry["request"] for entry in self._system.client.journal(service="kie", endpoint="callback")]:
            once = ended[fault.pick % len(ended)]
            body = {"code": 200, "data": {"taskId": once["taskId"], "state": "success"}}
            self._call_back(nonce or once["url"].rpartition("/")[2], json.dumps(body).encode())

    def _call_back(self, nonce: str, body: bytes) -> None:
        url = f"http://127.0.0.1:{self._system.local.port}/kie/callback/{nonce}"
        # The bot may be starting, or frozen.
        with suppress(requests.RequestException):
            requests.post(url, body, headers={"Content-Type": "application/json"}, timeout=5).close()
