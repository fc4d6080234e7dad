"""Threads of this KIE: a few workers that run jobs at low priority, and one timetable that starts them on time."""

import contextlib
import heapq
import itertools
import logging
import os
import queue
import threading
import time
from collections.abc import Callable

Job = Callable[[], None]
_log = logging.getLogger(__name__)


class Workers:
    """A few daemon threads that run jobs in the order they came; what is unfinished at the end is dropped."""

    def __init__(self, count: int, name: str, niceness: int = 0) -> None:
        """Start `count` threads; `niceness` above 0 makes them give way to the rest of the machine (Linux)."""
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._niceness = niceness
        self._threads = [threading.Thread(target=self._run, name=f"{name}-{n}", daemon=True) for n in range(count)]
        for thread in self._threads:
            thread.start()

    def submit(self, job: Job) -> None:
        """Run `job` as soon as a thread is free."""
        self._jobs.put(job)

    def _run(self) -> None:
        if self._niceness and hasattr(os, "setpriority"):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), self._niceness)
        while (job := self._jobs.get()) is not None:
            run_logged(job)

    def close(self, seconds: float = 3.0) -> None:
        """Drop what waits, and give each thread up to `seconds` to finish what it is at."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._jobs.get_nowait()
        # One None ends one thread.
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join(seconds)


class Timetable:
    """One thread that starts each job at its time."""

    def __init__(self, name: str) -> None:
        """Start with nothing planned."""
        self._changed = threading.Condition()
        self._planned: list[tuple[float, int, Job]] = []
        self._order = itertools.count()
        self._open = True
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def at(self, moment: float, job: Job) -> None:
        """Run a short `job` at a unix time, or at once if that is past."""
        with self._changed:
            # The running number keeps jobs of the same moment in order, and the heap from comparing functions.
            heapq.heappush(self._planned, (moment, next(self._order), job))
            self._changed.notify()

    def _run(self) -> None:
        while (job := self._next()) is not None:
            run_logged(job)

    def _next(self) -> Job | None:
        with self._changed:
            while self._open:
                left = self._planned[0][0] - time.time() if self._planned else None
                if left is not None and left <= 0:
                    return heapq.heappop(self._planned)[2]
                self._changed.wait(left)
            return None

    def close(self) -> None:
        """Forget the plan and end the thread."""
        with self._changed:
            self._open = False
            self._changed.notify()
        self._thread.join(3.0)


def run_logged(job: Job) -> None:
    """Run a job at the edge of its thread."""
    try:
        job()
    except Exception:  # noqa: BLE001 - the thread serves every other task too; a fault in one job must not end it.
        _log.exception("a job of the KIE stand-in failed")
