"""From Telegram to the handlers without losing, doubling or reordering: take raw updates, store, acknowledge, handle in lanes.

An update is acknowledged only after it is stored: a polled one by asking for the next, one that came to the webhook by the 200. Each
person has a lane: their updates are handled one after another, those of different people side by side. Of several bot processes
one handles at a time, whichever way updates come; the others stand by.
"""

import json
import logging
import sched
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from peewee import PeeweeException
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
LONG_POLL = 25
# While some of what is stored can't be taken up yet, it is looked at again after so long even if nobody writes (seconds).
SHORT_POLL = 1
# The longest a lane waits before it tries an update again, unless Telegram names a longer time (seconds).
PATIENCE = 30.0
# How often the handling process looks for what other processes' webhooks have stored (seconds).
LOOK_EVERY = 0.1
# Updates in memory at once, and those of one person; the rest of a backlog stays in the inbox for a moment longer.
MOST_IN_HAND = 1000
MOST_OF_ONE = 50
# A webhook that somebody has taken off is set again after this long (seconds).
REGISTER_EVERY = 300.0
# Telegram, when it could not be told where updates go, is told again after this long, unless it names a time (seconds).
REGISTER_AGAIN = 5.0
# While another program polls with our token we ask this seldom: two who fight get half of the updates each (seconds).
CONFLICT_PAUSE = 60.0

# An error quotes what it choked on; what looks like a secret must not get into a row.
_redacted = Redactor(())

Update = dict[str, Any]


@dataclass(eq=False)
class _Lane:
    """One person's updates in hand, the next one first. `tries` counts those of that one."""

    number: int
    rows: deque[InboxUpdate] = field(default_factory=deque)
    tries: int = 0
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

    def put(self, rows: Sequence[InboxUpdate]) -> None:
        """Queues stored updates, each behind the others of its lane. What a full lane doesn't take in stays in the inbox."""
        idle = []
        # All under one lock: a lane that empties in between would take in what comes after a row it had no room for.
        with self._lock:
            for row in rows:
                if row.lane not in self._lanes:
                    self._lanes[row.lane] = _Lane(row.lane)
                    idle.append(self._lanes[row.lane])
                lane = self._lanes[row.lane]
                lane.full = lane.full or len(lane.rows) >= MOST_OF_ONE
                if not lane.full:
                    lane.rows.append(row)
        for lane in idle:
            self._submit(lane)

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
            pause = self._settle(row, lane.tries)
        with self._lock:
            lane.busy = False
            if pause is None:
                lane.rows.popleft()
                lane.tries = 0
            if not lane.rows:
                del self._lanes[lane.number]
                return
        self._submit(lane, pause or 0.0)

    def _settle(self, row: InboxUpdate, tries: int) -> float | None:
        try:
            return self._attempt(row, tries)
        except Unreachable as error:
            log.warning("update %s waits for PostgreSQL: %s", row.update_id, in_a_line(error))
            # In this thread, unlike other pauses: nobody else could be answered now.
            self._stopping.wait(0.5)
            return 0.0
        except Exception:
            # The lane's edge: it must go on. The update stays unhandled, and the next start takes it up.
            log.exception("update %s is left for the next start", row.update_id)
            self._left.add(row.update_id)
            return None

    def _attempt(self, row: InboxUpdate, tries: int) -> float | None:
        """None when the update is done with, else how long to wait before the next try."""
        begun = inbox.taken_up(row.update_id)
        if begun is None:
            return None
        if tries == 1 and begun > TRIES:
            self._set_aside(row, f"the bot ended {TRIES} times while it was at this update")
            return None
        pause = self._answer(row, tries)
        if pause is not None:
            inbox.let_go([row.update_id])
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


class Intake(ABC):
    """Takes updates until stopped. `may_handle` says whether this process is the one that does; `register` tells Telegram how."""

    register_every = float("inf")

    def __init__(self, lanes: Lanes, may_handle: Callable[[], bool], register: Callable[[], object]) -> None:
        self._lanes = lanes
        self._may_handle = may_handle
        self._register = register
        self._standing_by = False
        self._registered = False
        self._register_at = 0.0
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Ends the loop after the current turn."""
        self._stopping.set()

    def run(self) -> None:
        """Takes up what an earlier bot left, then what comes. Trouble is waited out with a log line; nothing is acknowledged meanwhile."""
        while not self._stopping.is_set():
            try:
                self._turn()
            except PeeweeException as error:
                log.warning("waiting for PostgreSQL: %s", in_a_line(error))
                self._stopping.wait(1)
            except Exception:
                # The thread's edge: without it the bot would be deaf and look alive.
                log.exception("taking updates failed")
                self._stopping.wait(1)

    def _turn(self) -> None:
        if not self._is_ours():
            # The one whose turn it is takes up whatever is not handled.
            self._lanes.drop_waiting()
            self._forget_registration()
            self._stopping.wait(2)
            return
        if time.monotonic() >= self._register_at:
            self._tell_telegram()
        # Each time anew: others store too, such as a webhook that has been taken off while it was at an update.
        if self._take_up_stored():
            self._look()
        else:
            self._stopping.wait(LOOK_EVERY)

    def _is_ours(self) -> bool:
        standing_by = not self._may_handle()
        if standing_by and not self._standing_by:
            log.warning("another bot process handles updates; this one stands by until that one ends")
        if self._standing_by and not standing_by:
            log.warning("this process handles updates now")
        self._standing_by = standing_by
        return not standing_by

    def _tell_telegram(self) -> None:
        try:
            self._register()
        except ProviderError as error:
            # What is stored is acknowledged: it must not stand still for this.
            log.warning("Telegram was not told where updates go: %s", error)
            self._registered, again = False, error.retry_after or REGISTER_AGAIN
        else:
            self._registered, again = True, self.register_every
        self._register_at = time.monotonic() + again

    def _forget_registration(self) -> None:
        # One that Telegram wants later stays later.
        if self._registered:
            self._registered, self._register_at = False, 0.0

    @abstractmethod
    def _look(self) -> None:
        """Waits a little while for updates, until some are stored."""

    def _take_up_stored(self) -> bool:
        """Takes up what is stored and in nobody's hand; false when hands are full."""
        while not self._stopping.is_set():
            self._lanes.make_room()
            # In this order: what is in hand now is either still unhandled below, or no longer listed there.
            in_hand = self._lanes.in_hand()
            room = MOST_IN_HAND - len(in_hand)
            if room <= 0:
                return False
            rows = inbox.unhandled(in_hand, self._lanes.full(), room)
            self._lanes.put(rows)
            # As many as were asked for may be one person's, whose lane is full now: then the others are behind them.
            if len(rows) < room:
                return True
        # What comes in while stopping is stored, and the next start takes it up.
        return False


class Poller(Intake):
    """Long-polls with `fetch(offset, timeout)`. `conflict` is called when another program takes our updates away."""

    conflict_pause = CONFLICT_PAUSE

    def __init__(
        self,
        fetch: Callable[[int, int], list[Update]],
        lanes: Lanes,
        may_handle: Callable[[], bool],
        register: Callable[[], object] = lambda: None,
        conflict: Callable[[], object] = lambda: None,
    ) -> None:
        super().__init__(lanes, may_handle, register)
        self._fetch = fetch
        self._conflict = conflict
        self._offset = 0
        self._fetch_at = 0.0

    def _look(self) -> None:
        if time.monotonic() < self._fetch_at:
            # In short steps: the lock wants to be asked for, and what others store to be taken up.
            self._stopping.wait(LOOK_EVERY)
            return
        try:
            updates = self._fetch(self._offset, SHORT_POLL if self._lanes.full() else LONG_POLL)
        except ProviderError as error:
            self._fetch_at = time.monotonic() + self._pause_after(error)
            return
        inbox.store(updates)
        if updates:
            # From this batch, not the highest ever seen: after a quiet week Telegram starts again at a random number.
            self._offset = int(updates[-1]["update_id"]) + 1

    def _pause_after(self, error: ProviderError) -> float:
        # A bot process of ours that has got the lock meanwhile is no stranger.
        if "terminated by other getUpdates" in error.text and self._may_handle():
            log.warning("another program polls with this BOT_TOKEN: stop it or use another token (%s)", error)
            self._conflict()
            return self.conflict_pause
        # Somebody may have told Telegram otherwise.
        self._forget_registration()
        log.warning("waiting for Telegram: %s", error)
        return error.retry_after or 1


class Receiver(Intake):
    """Waits for what webhooks store: this process's, which sets `news`, and those of the others, which it looks for.

    Telegram sends one person's messages one after another, so each is stored before the next arrives, wherever the proxy sends it.
    """

    register_every = REGISTER_EVERY

    def __init__(
        self, news: threading.Event, lanes: Lanes, may_handle: Callable[[], bool], register: Callable[[], object]
    ) -> None:
        super().__init__(lanes, may_handle, register)
        self._news = news

    def _look(self) -> None:
        self._news.wait(LOOK_EVERY)
        self._news.clear()
