"""From Telegram to the handlers without losing, doubling or reordering: take raw updates, store, acknowledge, handle in lanes.

An update is acknowledged only after it is stored: a polled one by asking for the next, one that came to the webhook by the 200. Each
person has a lane: their updates are handled one after another, those of different people side by side. Of several bot processes
one handles at a time, whichever way updates come; the others stand by.
"""

import json
import logging
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

from peewee import PeeweeException
from structlog.contextvars import bound_contextvars

from neurocards import inbox
from neurocards.classifiers import classify
from neurocards.clients.updates import Unreadable, readable
from neurocards.db import Unreachable
from neurocards.errors import ProviderError
from neurocards.logs import Redactor
from neurocards.models import InboxUpdate

log = logging.getLogger(__name__)

THREADS = 10
TRIES = 5
LONG_POLL = 25
# The longest a lane waits before it tries an update again (seconds).
PATIENCE = 30.0
# How often the handling process looks for what other processes' webhooks have stored (seconds).
LOOK_EVERY = 0.1
# Updates in memory at once; the rest of a backlog stays in the inbox for a moment longer.
MOST_IN_HAND = 1000
# A webhook that somebody has taken off is set again after this long (seconds).
REGISTER_EVERY = 300.0

# An error quotes what it choked on; what looks like a secret must not get into a row.
_redacted = Redactor(())

Update = dict[str, Any]


class Lanes:
    """Runs `handle` on stored updates, in order within a lane. `sorry` is called with an update that had to be set aside."""

    def __init__(self, handle: Callable[[Update], None], sorry: Callable[[Update, str], None]) -> None:
        self._handle = handle
        self._sorry = sorry
        self._waiting: dict[int, deque[InboxUpdate]] = {}
        self._left: set[int] = set()
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="lane")
        self._stopping = threading.Event()

    def put(self, row: InboxUpdate) -> None:
        """Queues a stored update behind the others of its lane."""
        with self._lock:
            busy = row.lane in self._waiting
            self._waiting.setdefault(row.lane, deque()).append(row)
        if not busy:
            self._threads.submit(self._next, row.lane)

    def in_hand(self) -> set[int]:
        """Ids of the updates that wait, are being handled, or are left for the next start."""
        with self._lock:
            return self._left | {row.update_id for waiting in self._waiting.values() for row in waiting}

    def drop_waiting(self) -> None:
        """Forgets what nobody has begun with: it is still in the inbox, and another process's now."""
        with self._lock:
            self._waiting = {lane: deque([waiting[0]]) for lane, waiting in self._waiting.items()}

    def stop(self, seconds: float) -> None:
        """Finishes what is being handled; the rest stays in the inbox for the next start."""
        self._stopping.set()
        closing = threading.Thread(target=self._threads.shutdown, kwargs={"cancel_futures": True})
        closing.start()
        closing.join(seconds)

    def _next(self, lane: int) -> None:
        # One update a turn, then back of the queue: a chatty person doesn't hold a thread.
        with self._lock:
            row = self._waiting[lane][0]
        with bound_contextvars(update_id=row.update_id):
            try:
                done = self._settle(row)
            except Exception:
                # The lane's edge: it must go on. The update stays unhandled, and the next start takes it up.
                log.exception("update %s is left for the next start", row.update_id)
                self._left.add(row.update_id)
                done = True
        with self._lock:
            if done:
                self._waiting[lane].popleft()
            if not self._waiting[lane]:
                del self._waiting[lane]
                return
        if not self._stopping.is_set():
            self._threads.submit(self._next, lane)

    def _settle(self, row: InboxUpdate) -> bool:
        for tries in count(1):
            if self._stopping.is_set():
                return False
            pause = self._attempt(row, tries)
            if pause is None:
                return True
            self._stopping.wait(min(pause, PATIENCE))
        raise AssertionError("unreachable: the loop has no end of its own")

    def _attempt(self, row: InboxUpdate, tries: int) -> float | None:
        """None when the update is done with, else how long to wait before the next try."""
        try:
            begun = inbox.taken_up(row.update_id, again=tries > 1)
            if begun is None:
                return None
            if tries == 1 and begun > TRIES:
                return self._set_aside(row, f"the bot ended {TRIES} times while it was at this update")
            self._handle(readable(json.loads(row.body)))
            inbox.handled(row.update_id)
        except Unreachable as error:
            log.warning("update %s waits for PostgreSQL: %s", row.update_id, str(error).splitlines()[0])
            return 0.5
        except (ProviderError, Unreadable) as error:
            return self._not_answered(row, error, tries)
        except Exception as error:
            # The bot's edge: a bug in one answer must cost neither the update nor the lane.
            log.exception("update %s could not be handled (try %s)", row.update_id, tries)
            return self._set_aside(row, f"{type(error).__name__}: {error}") if tries >= TRIES else 0.2
        return None

    def _not_answered(self, row: InboxUpdate, error: ProviderError | Unreadable, tries: int) -> float | None:
        failure = classify(error)
        if failure.category in ("RATE_LIMIT", "TEMPORARY") and tries < 10 * TRIES:
            return failure.retry_after or min(2.0**tries, PATIENCE)
        log.warning("update %s was not answered: %s", row.update_id, error)
        return self._set_aside(row, str(error))

    def _set_aside(self, row: InboxUpdate, why: str) -> float | None:
        reason = _redacted(why)
        again = self._quietly(lambda: inbox.set_aside(row.update_id, reason))
        if again is None:
            self._sorry(json.loads(row.body), reason)
        return again

    @staticmethod
    def _quietly(write: Callable[[], None]) -> float | None:
        try:
            write()
        except Unreachable:
            return 0.5
        return None


class Intake(ABC):
    """Takes updates until stopped. `may_handle` says whether this process is the one that does; `register` tells Telegram how."""

    register_every = float("inf")

    def __init__(self, lanes: Lanes, may_handle: Callable[[], bool], register: Callable[[], object]) -> None:
        self._lanes = lanes
        self._may_handle = may_handle
        self._register = register
        self._registered: float | None = None
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
                log.warning("waiting for PostgreSQL: %s", str(error).splitlines()[0])
                self._stopping.wait(1)
            except ProviderError as error:
                # Somebody may have told Telegram otherwise.
                self._registered = None
                log.warning("waiting for Telegram: %s", error)
                self._stopping.wait(error.retry_after or 1)
            except Exception:
                # The thread's edge: without it the bot would be deaf and look alive.
                log.exception("taking updates failed")
                self._stopping.wait(1)

    def _turn(self) -> None:
        if not self._may_handle():
            log.warning("another bot process handles updates; this one stands by until that one ends")
            # That one takes up whatever is not handled.
            self._lanes.drop_waiting()
            self._registered = None
            self._stopping.wait(2)
            return
        if self._registered is None or time.monotonic() - self._registered > self.register_every:
            self._tell_telegram()
        # Each time anew: others store too, such as a webhook that has been taken off while it was at an update.
        if self._take_up_stored():
            self._look()
        else:
            self._stopping.wait(LOOK_EVERY)

    def _tell_telegram(self) -> None:
        try:
            self._register()
        except ProviderError as error:
            if self._registered is None:
                raise
            # The way in is still open, as a rule; what has come must not stand still for this.
            log.warning("Telegram was not told again where updates go: %s", error)
        self._registered = time.monotonic()

    @abstractmethod
    def _look(self) -> None:
        """Waits a little while for updates, until some are stored."""

    def _take_up_stored(self) -> bool:
        """Takes up what is stored and in nobody's hand; whether that was all of it."""
        # In this order: what is in hand now is either still unhandled below, or no longer listed there.
        in_hand = self._lanes.in_hand()
        room = MOST_IN_HAND - len(in_hand)
        rows = inbox.unhandled(in_hand, room)
        for row in rows:
            # What comes in while stopping is stored, and the next start takes it up.
            if not self._stopping.is_set():
                self._lanes.put(row)
        return len(rows) < room


class Poller(Intake):
    """Long-polls with `fetch(offset, timeout)`."""

    def __init__(
        self,
        fetch: Callable[[int, int], list[Update]],
        lanes: Lanes,
        may_handle: Callable[[], bool],
        register: Callable[[], object] = lambda: None,
    ) -> None:
        super().__init__(lanes, may_handle, register)
        self._fetch = fetch
        self._offset = 0

    def _look(self) -> None:
        updates = self._fetch(self._offset, LONG_POLL)
        inbox.store(updates)
        if updates:
            # From this batch, not the highest ever seen: after a quiet week Telegram starts again at a random number.
            self._offset = int(updates[-1]["update_id"]) + 1


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
