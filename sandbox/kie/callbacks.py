"""KIE's callbacks: a POST to the task's `callBackUrl` at its end, signed if a key is set, tried three times."""

import base64
import hashlib
import hmac
import ipaddress
import time
from typing import Any
from urllib.parse import urlsplit

import requests

from sandbox.kie.settings import Settings
from sandbox.kie.tasks import Task
from sandbox.kie.workers import Timetable, Workers
from sandbox.world import World

ATTEMPTS = 3
TIMEOUT_SECONDS = 15.0
RETRY_SECONDS = 10.0
SENDERS = 4


def is_loopback(url: str) -> bool:
    """True for an http(s) address on this machine; the sandbox calls nothing else."""
    address = urlsplit(url)
    if address.scheme not in ("http", "https") or not address.hostname:
        return False
    if address.hostname == "localhost":
        return True
    try:
        return ipaddress.ip_address(address.hostname).is_loopback
    except ValueError:
        return False


def signature(task_id: str, timestamp: str, key: str) -> str:
    """KIE's signature over the task id and the unix time stamp; the body is not covered."""
    mac = hmac.new(key.encode(), f"{task_id}.{timestamp}".encode(), hashlib.sha256)
    return base64.b64encode(mac.digest()).decode()


class Callbacks:
    """Sends the callbacks of finished tasks from a few threads of its own."""

    def __init__(self, world: World, settings: Settings, timetable: Timetable) -> None:
        """Start the sender threads; `close` ends them."""
        self._world = world
        self._settings = settings
        self._timetable = timetable
        self._senders = Workers(SENDERS, "kie-callback")

    def announce(self, task: Task) -> None:
        """Send the callback of a finished task as its plan says: once, more often, later, or never."""
        if not task.callback_url:
            return
        moment = self._world.clock.now() + self._world.clock.scaled(task.plan.callback_late)
        for _ in range(task.plan.callback_copies):
            self._plan(task, moment, 1)

    def _plan(self, task: Task, moment: float, attempt: int) -> None:
        self._timetable.at(moment, lambda: self._senders.submit(lambda: self._attempt(task, attempt)))

    def _attempt(self, task: Task, attempt: int) -> None:
        status, note = self._post(task) if is_loopback(task.callback_url) else (0, "refused: not loopback")
        # The thread isn't held between attempts; the next one is planned like the first.
        if status != 200 and attempt < ATTEMPTS and is_loopback(task.callback_url):
            self._plan(task, self._world.clock.now() + self._world.clock.scaled(RETRY_SECONDS), attempt + 1)
        self._world.journal.record(
            "kie",
            "callback",
            caller=task.caller,
            request={"url": task.callback_url, "taskId": task.id, "state": task.state, "attempt": attempt},
            status=status,
            response={},
            note=note,
        )

    def _post(self, task: Task) -> tuple[int, str]:
        with requests.Session() as session:
            # A proxy from the environment would carry the call off this machine.
            session.trust_env = False
            try:
                with session.post(
                    task.callback_url,
                    json=self._payload(task),
                    headers=self._headers(task),
                    timeout=TIMEOUT_SECONDS,
                    # A redirect could lead off this machine.
                    allow_redirects=False,
                    stream=True,
                ) as answer:
                    return answer.status_code, ""
            except requests.RequestException as failed:
                return 0, type(failed).__name__

    def _payload(self, task: Task) -> dict[str, Any]:
        record = task.record(self._world.clock, self._settings) | task.newer_keys(self._world.clock)
        del record["progress"]
        if self._settings.callback_id != "taskId":
            record = {self._settings.callback_id: record.pop("taskId"), **record}
        if task.state == "success":
            return {"code": 200, "msg": "Playground task completed successfully.", "data": record}
        # Two oddities of the documented payload: null in place of "", and a code of its own.
        return {"code": 501, "msg": "Playground task failed.", "data": record | {"resultJson": None}}

    def _headers(self, task: Task) -> dict[str, str]:
        if not self._settings.hmac_key:
            return {}
        stamp = str(int(time.time()))
        signed = signature(task.id, stamp, self._settings.hmac_key)
        return {"X-Webhook-Timestamp": stamp, "X-Webhook-Signature": signed}

    def close(self) -> None:
        """End the sender threads; what is still waiting is not sent."""
        self._senders.close(seconds=0.5)
