"""From Telegram to the handlers without losing, doubling or reordering: take raw updates, store, acknowledge, hand to the lanes.

An update is acknowledged only after it is stored: a polled one by asking for the next, one that came to the webhook by the 200.
Of several bot processes one handles at a time, whichever way updates come; the others stand by.
"""

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable

from peewee import PeeweeException

from neurocards import inbox
from neurocards.db import in_a_line
from neurocards.errors import ProviderError
from neurocards.lanes import Lanes, Update

log = logging.getLogger(__name__)

LONG_POLL = 25
# While some of what is stored can't be taken up yet, it is looked at again after so long even if nobody writes (seconds).
SHORT_POLL = 1
# How often the handling process looks for what other processes' webhooks have stored (seconds).
LOOK_EVERY = 0.1
# Updates in memory at once; the rest of a backlog stays in the inbox for a moment longer.
MOST_IN_HAND = 1000
# A webhook that somebody has taken off is set again after this long (seconds).
REGISTER_EVERY = 300.0
# Telegram, when it could not be told where updates go, is told again after this long, unless it names a time (seconds).
REGISTER_AGAIN = 5.0
# While another program polls with our token we ask this seldom: two who fight get half of the updates each (seconds).
CONFLICT_PAUSE = 60.0


class Intake(ABC):
    """Takes updates until stopped. `may_handle` says whether this process is the one that does; `register` tells Telegram how."""

    register_every = float("inf")

    def __init__(self, lanes: Lanes, may_handle: Callable[[], bool], register: Callable[[], object]) -> None:
        self._lanes = lanes
        self._may_handle = may_handle
        self._register = register
        self._standing_by = False
        # Some of what is stored was left in the inbox, and nobody says when there is room for it.
        self._behind = False
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
            full = self._lanes.full()
            rows = inbox.unhandled(in_hand, full, room)
            refused = self._lanes.put(rows)
            self._behind = bool(full) or refused
            if len(rows) < room:
                return True
            # As many as were asked for may be one person's, whose lane is full now: then the others are behind them.
            if not refused:
                return False
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
            updates = self._fetch(self._offset, SHORT_POLL if self._behind else LONG_POLL)
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
