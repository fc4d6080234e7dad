"""What happened in the chats, numbered, so that tests and the chat page can wait for it."""

import threading
from bisect import bisect_right
from collections import defaultdict
from typing import Any

Event = dict[str, Any]

_MAX_EVENTS = 100_000  # the oldest tenth is dropped above it


class EventLog:
    """Events of every chat in one order. Thread-safe; each chat's waiters are woken by that chat only."""

    def __init__(self) -> None:
        """Start empty."""
        self._lock = threading.Lock()
        self._all: list[Event] = []
        self._by_chat: dict[int, list[Event]] = defaultdict(list)
        self._changed: dict[int | None, threading.Condition] = defaultdict(lambda: threading.Condition(self._lock))
        self._last = 0
        self._closed = False

    def add(self, chat_id: int, kind: str, at: float, **details: Any) -> int:
        """Append one event and return its number.

        `at` is unix time: for what a user did, the moment its update became available to the bot; for what the bot did,
        the moment its request was received. Their difference is the latency a user feels.
        """
        with self._lock:
            self._last += 1
            event = {"n": self._last, "at": at, "chat_id": chat_id, "kind": kind, **details}
            for log in (self._all, self._by_chat[chat_id]):
                log.append(event)
                if len(log) > _MAX_EVENTS:
                    del log[: _MAX_EVENTS // 10]
            for key in (chat_id, None):
                if key in self._changed:
                    self._changed[key].notify_all()
            return self._last

    def after(self, n: int, chat_id: int | None = None) -> list[Event]:
        """The events numbered above `n`, oldest first, of one chat if named."""
        with self._lock:
            return self._after(n, chat_id)

    def _after(self, n: int, chat_id: int | None) -> list[Event]:
        log = self._all if chat_id is None else self._by_chat.get(chat_id, [])
        return log[bisect_right(log, n, key=lambda event: int(event["n"])) :]

    def wait(self, n: int, seconds: float, chat_id: int | None = None) -> list[Event]:
        """Like `after`, but wait up to `seconds` of real time for the first one; empty when none came."""
        # Several conditions share one lock: a person's waiter sleeps through what happens to the others.
        with self._lock:
            self._changed[chat_id].wait_for(lambda: self._closed or self._after(n, chat_id), seconds)
            return self._after(n, chat_id)

    @property
    def last(self) -> int:
        """The number of the newest event."""
        return self._last

    def close(self) -> None:
        """Let every waiter go, now and from now on."""
        with self._lock:
            self._closed = True
            for changed in self._changed.values():
                changed.notify_all()
