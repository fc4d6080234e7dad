"""KIE's tasks: how each one is to go, how far it is, and the record that recordInfo shows."""

import json
import threading
import uuid
from dataclasses import dataclass, field
from typing import Any

from sandbox.clock import Clock
from sandbox.kie.accounts import Account
from sandbox.kie.files import StoredFile
from sandbox.kie.settings import Settings

MAX_TASKS = 100_000


@dataclass
class Plan:
    """How a task is to go: its time, the states it shows, its end, and what becomes of its callback.

    `ending` is "success", "fail" or "stuck". `seconds` are of the imitated KIE. The first `hidden_polls` polls do not
    find the task.
    """

    seconds: float
    states: tuple[str, ...]
    ending: str = "success"
    fail_code: str | int | None = None
    fail_msg: str | None = None
    bad_result: dict[str, Any] | None = None
    hidden_polls: int = 0
    callback_copies: int = 1
    callback_late: float = 0.0

    def fail(self, code: str | int | None, msg: str | None) -> None:
        """Plan a failure with what the record's failCode and failMsg will be."""
        self.ending, self.fail_code, self.fail_msg = "fail", code, msg


@dataclass
class Task:
    """One task. Times are unix seconds; `state` is empty until it is "success" or "fail" for good."""

    model: str
    family: str
    given: dict[str, Any]
    callback_url: str
    account: Account
    caller: str
    cost: float
    plan: Plan
    created: float
    ends: float
    photo: StoredFile | None = None
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    state: str = ""
    completed: float = 0.0
    result_urls: list[str] = field(default_factory=list)
    fail_code: str | int | None = None
    fail_msg: str | None = None
    polls: int = 0

    @property
    def param(self) -> str:
        """The request as KIE stores it: JSON in which the input is JSON once more."""
        stored = {"input": _dump(self.given), "model": self.model}
        return _dump({**stored, "callBackUrl": self.callback_url} if self.callback_url else stored)

    def shown_state(self, now: float) -> str:
        """The final state, or the planned running state at unix time `now`."""
        if self.state:
            return self.state
        share = (now - self.created) / max(self.ends - self.created, 1e-6)
        states = self.plan.states
        return states[min(int(max(share, 0.0) * len(states)), len(states) - 1)]

    def record(self, clock: Clock, settings: Settings) -> dict[str, Any]:
        """The `data` of recordInfo: KIE's ten keys, and the three newer ones if the settings say so.

        `costTime` is in seconds of the imitated KIE, so a time scale doesn't show in it; the time stamps are real.
        """
        # The order of the keys is the recorded one; failCode and failMsg are null, not "", on success.
        done = bool(self.state)
        record = {
            "taskId": self.id,
            "model": self.model,
            "state": self.shown_state(clock.now()),
            "param": self.param,
            "resultJson": _dump({"resultUrls": self.result_urls}) if self.state == "success" else "",
            "failCode": self.fail_code,
            "failMsg": self.fail_msg,
            "costTime": int((self.completed - self.created) * clock.time_scale) if done else None,
            "completeTime": _milliseconds(self.completed) if done else None,
            "createTime": _milliseconds(self.created),
        }
        return {**record, **self.newer_keys(clock)} if settings.extra_keys else record

    def newer_keys(self, clock: Clock) -> dict[str, Any]:
        """The keys that records got later: updateTime, creditsConsumed, progress."""
        now = clock.now()
        share = 1.0 if self.state else (now - self.created) / max(self.ends - self.created, 1e-6)
        return {
            "updateTime": _milliseconds(self.completed or now),
            "creditsConsumed": 0 if self.state == "fail" else self.cost,
            "progress": 100 if self.state else min(99, int(share * 100)),
        }


class TaskBook:
    """Every task by its id, the newest 100,000. Thread-safe."""

    def __init__(self) -> None:
        """Start empty."""
        self._changed = threading.Condition()
        self._tasks: dict[str, Task] = {}
        self._closed = False

    def add(self, task: Task) -> None:
        """Remember a task."""
        with self._changed:
            self._tasks[task.id] = task
            if len(self._tasks) > MAX_TASKS:
                del self._tasks[next(iter(self._tasks))]

    def find(self, task_id: str) -> Task | None:
        """The task of that id."""
        with self._changed:
            return self._tasks.get(task_id)

    def poll(self, task_id: str, account: Account) -> Task | None:
        """Count a poll and return the task; None when it isn't this account's, or is planned to be hidden still."""
        with self._changed:
            task = self._tasks.get(task_id)
            # To another account the task doesn't exist, as with any key that isn't its maker's.
            if task is None or task.account is not account:
                return None
            task.polls += 1
            return task if task.polls > task.plan.hidden_polls else None

    def finish(self, task: Task, now: float, *, urls: list[str] | None = None) -> bool:
        """Give a task its end: success with `urls`, else the failure of its plan; False when it had ended before."""
        with self._changed:
            # First come, first served: a task ended by hand is not ended again by its timetable.
            if task.state:
                return False
            task.completed = now
            task.result_urls = urls or []
            if urls is None:
                task.fail_code, task.fail_msg = task.plan.fail_code, task.plan.fail_msg
            task.state = "fail" if urls is None else "success"
            self._changed.notify_all()
            return True

    def wait(self, task: Task, seconds: float) -> None:
        """Wait up to `seconds` of real time for a task to end."""
        with self._changed:
            self._changed.wait_for(lambda: task.state or self._closed, seconds)

    def close(self) -> None:
        """End every wait."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def all(self) -> list[Task]:
        """Every task, oldest first."""
        with self._changed:
            return list(self._tasks.values())


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _milliseconds(at: float) -> int:
    return int(at * 1000)
