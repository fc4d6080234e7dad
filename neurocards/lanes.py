"""One person's updates one after another, those of different people side by side; whoever has to wait holds up nobody else."""

import json
import logging
import sched
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from structlog.contextvars import bound_contextvars

from neurocards import inbox
from neurocards.classifiers import classify
from neurocards.clients.updates import Unreadable, readable
from neurocards.db import Unreachable, in_a_line
from neurocards.errors import ProviderError
from neurocards.logs import Redactor
from neurocards.models import InboxUpdate

log = logging.getLogger(__name__)

THREADS = 10
TRIES = 5
# The longest a lane waits before it tries an update again, unless Telegram names a longer time (seconds).
PATIENCE = 30.0
# Updates of one person in memory at once; the rest of a backlog stays in the inbox for a moment longer.
MOST_OF_ONE = 50

# An error quotes what it choked on; what looks like a secret must not get into a row.
_redacted = Redactor(())

Update = dict[str, Any]


@dataclass(eq=False)
class _Lane:
    """One person's updates in hand, the next one first. `tries` counts those of that one; whether the running one is `counted` in the
    inbox as well is known for when PostgreSQL goes away in the middle of it."""

    number: int
    rows: deque[InboxUpdate] = field(default_factory=deque)
    tries: int = 0
    counted: bool = False
    # A thread is at the first.
    busy: bool = False
    # Takes in no more until it is empty: what is behind its last must not be passed by what comes later.
    full: bool = False


class Lanes:
    """Runs `handle` on stored updates, in order within a lane; it returns what the update counts as (`inbox.handled`).
    `sorry` is called with an update that had to be set aside. A lane that has to wait holds no thread.
    """

    def __init__(self, handle: Callable[[Update], str], sorry: Callable[[Update, str], None]) -> None:
        self._handle = handle
        self._sorry = sorry
        self._lanes: dict[int, _Lane] = {}
        self._left: set[int] = set()
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="lane")
        self._pauses = sched.scheduler()
        self._news = threading.Event()
        self._stopping = threading.Event()
        self._waker = threading.Thread(target=self._watch_pauses, name="pauses", daemon=True)
        self._waker.start()

    def put(self, rows: Sequence[InboxUpdate]) -> bool:
        """Queues stored updates, each behind the others of its lane. What a full lane doesn't take in stays in the inbox; whether there
        was such."""
        idle, refused = [], False
        # All under one lock: a lane that empties in between would take in what comes after a row it had no room for.
        with self._lock:
            for row in rows:
                if row.lane not in self._lanes:
                    self._lanes[row.lane] = _Lane(row.lane)
                    idle.append(self._lanes[row.lane])
                lane = self._lanes[row.lane]
                lane.full = lane.full or len(lane.rows) >= MOST_OF_ONE
                refused |= lane.full
                if not lane.full:
                    lane.rows.append(row)
        for lane in idle:
            self._submit(lane)
        return refused

    def in_hand(self) -> set[int]:
        """Ids of the updates that wait, are being handled, or are left for the next start."""
        with self._lock:
            return self._left | {row.update_id for lane in self._lanes.values() for row in lane.rows}

    def full(self) -> set[int]:
        """Lanes that take in no more until they are empty."""
        with self._lock:
            return {lane.number for lane in self._lanes.values() if lane.full}

    def drop_waiting(self) -> None:
        """Forgets what no thread is at: it is still in the inbox, and another process's now."""
        with self._lock:
            for lane in list(self._lanes.values()):
                if lane.busy:
                    lane.rows = deque([lane.rows[0]])
                else:
                    lane.rows.clear()
                    del self._lanes[lane.number]

    def make_room(self) -> None:
        """Leaves to the inbox what is behind an update that waits to be tried again: many who must wait would fill the room of all."""
        with self._lock:
            for lane in self._lanes.values():
                if lane.tries and not lane.busy and len(lane.rows) > 1:
                    lane.rows, lane.full = deque([lane.rows[0]]), True

    def stop(self, seconds: float) -> None:
        """Finishes what is being handled; the rest stays in the inbox for the next start."""
        self._stopping.set()
        closing = threading.Thread(target=self._close)
        closing.start()
        closing.join(seconds)

    def let_go(self) -> None:
        """After `stop`: what took longer than that is left in order, and not because it ended the bot."""
        with self._lock:
            begun = [lane.rows[0].update_id for lane in self._lanes.values() if lane.busy]
        if begun:
            inbox.let_go(begun)

    def _close(self) -> None:
        self._news.set()
        self._waker.join()
        self._threads.shutdown(cancel_futures=True)

    def _submit(self, lane: _Lane, pause: float = 0.0) -> None:
        if self._stopping.is_set():
            return
        if pause:
            self._pauses.enter(pause, 0, self._submit, (lane,))
            self._news.set()
        else:
            self._threads.submit(self._turn, lane)

    def _watch_pauses(self) -> None:
        """One thread for the pauses of all lanes."""
        while not self._stopping.is_set():
            self._news.wait(self._pauses.run(blocking=False))
            self._news.clear()

    def _turn(self, lane: _Lane) -> None:
        # One update a turn, then back of the queue: a chatty person doesn't hold a thread.
        with self._lock:
            # Dropped while it waited, or nobody begins anything any more.
            if not lane.rows or self._stopping.is_set():
                return
            row, lane.busy, lane.tries = lane.rows[0], True, lane.tries + 1
        with bound_contextvars(update_id=row.update_id):
            pause = self._settle(lane, row)
        with self._lock:
            lane.busy = False
            if pause is None:
                lane.rows.popleft()
                lane.tries, lane.counted = 0, False
            if not lane.rows:
                del self._lanes[lane.number]
                return
        self._submit(lane, pause or 0.0)

    def _settle(self, lane: _Lane, row: InboxUpdate) -> float | None:
        try:
            return self._attempt(lane, row)
        except Unreachable as error:
            log.warning("update %s waits for PostgreSQL: %s", row.update_id, in_a_line(error))
            # That was no try of the update's.
            lane.tries -= 1
            # In this thread, unlike other pauses: nobody else could be answered now.
            self._stopping.wait(0.5)
            return 0.0
        except Exception:
            # The lane's edge: it must go on. The update stays unhandled, and the next start takes it up.
            log.exception("update %s is left for the next start", row.update_id)
            self._left.add(row.update_id)
            return None

    def _attempt(self, lane: _Lane, row: InboxUpdate) -> float | None:
        """None when the update is done with, else how long to wait before the next try."""
        begun = inbox.taken_up(row.update_id, again=lane.counted)
        if begun is None:
            return None
        lane.counted = True
        if lane.tries == 1 and begun > TRIES:
            self._set_aside(row, f"the bot ended {TRIES} times while it was at this update")
            return None
        pause = self._answer(row, lane.tries)
        if pause is not None:
            inbox.let_go([row.update_id])
            lane.counted = False
        return pause

    def _answer(self, row: InboxUpdate, tries: int) -> float | None:
        try:
            outcome = self._handle(readable(json.loads(row.body)))
            inbox.handled(row.update_id, outcome)
        except Unreachable:
            raise
        except (ProviderError, Unreadable) as error:
            return self._not_answered(row, error, tries)
        except Exception as error:
            # The bot's edge: a bug in one answer must cost neither the update nor the lane.
            log.exception("update %s could not be handled (try %s)", row.update_id, tries)
            if tries < TRIES:
                return 0.2
            self._set_aside(row, f"{type(error).__name__}: {error}")
        return None

    def _not_answered(self, row: InboxUpdate, error: ProviderError | Unreadable, tries: int) -> float | None:
        failure = classify(error)
        if failure.category in ("RATE_LIMIT", "TEMPORARY") and tries < 10 * TRIES:
            pause = failure.retry_after or min(2.0**tries, PATIENCE)
            log.info("update %s waits %g s for Telegram: %s", row.update_id, pause, error)
            return pause
        log.warning("update %s was not answered: %s", row.update_id, error)
        self._set_aside(row, str(error))
        return None

    def _set_aside(self, row: InboxUpdate, why: str) -> None:
        reason = _redacted(why)
        inbox.set_aside(row.update_id, reason)
        self._sorry(json.loads(row.body), reason)
