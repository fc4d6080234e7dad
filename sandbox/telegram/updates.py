"""The queue of updates of one bot: long polling, confirmation by offset, expiry, and deliberate duplicates."""

import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sandbox.clock import Clock
from sandbox.telegram.errors import conflict
from sandbox.telegram.limits import MAX_BATCH

Update = dict[str, Any]

# Telegram leaves these out unless they are asked for by name.
_ONLY_ON_REQUEST = frozenset({"chat_member", "message_reaction", "message_reaction_count"})
_MAX_HISTORY = 20_000
_SAME_OFFSET_SECONDS = 0.5  # polled again with the same offset within it: one update at a time
_IMPATIENT_SECONDS = 3.0  # polled again with the same offset within it: held at least this long
_CONFLICT_PAUSE_SECONDS = 3.0  # at most one immediate conflict answer in this time

TERMINATED = "terminated by other getUpdates request; make sure that only one bot instance is running"
TERMINATED_BY_WEBHOOK = "terminated by setWebhook request"
WEBHOOK_ACTIVE = "can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"


@dataclass
class _Queued:
    update: Update
    expires: float


class UpdateQueue:
    """Updates that wait for one bot. Thread-safe; `changed` is notified whenever something arrives or ends."""

    def __init__(self, clock: Clock) -> None:
        """Start empty; the first id comes from the time, so that a restarted sandbox doesn't repeat ids a bot knows."""
        self._clock = clock
        self.changed = threading.Condition()
        self._next_id = int(clock.now() * 10) % 1_000_000_000 + 1
        self._queue: OrderedDict[int, _Queued] = OrderedDict()
        self._again: list[Update] = []
        self._to_double = 0
        self._history: OrderedDict[int, Update] = OrderedDict()
        self._allowed: list[str] = []
        self._poll = 0
        self._ended_by = TERMINATED
        self._last_poll = (0, 0.0)
        self._next_conflict = 0.0
        self.webhook_active = False
        self.closed = False

    @property
    def allowed(self) -> list[str]:
        """The update kinds the bot asked for; empty means the default ones."""
        return list(self._allowed)

    def allow(self, kinds: Iterable[str]) -> None:
        """Remember which kinds the bot wants from now on; none = the default ones."""
        self._allowed = [kind for kind in kinds if isinstance(kind, str)]

    def wants(self, kind: str) -> bool:
        """True when updates of this kind are to be kept for the bot."""
        return kind in self._allowed if self._allowed else kind not in _ONLY_ON_REQUEST

    def put(self, kind: str, content: Any, lifetime: float) -> int:
        """Queue an update that lives `lifetime` real seconds; its id, or 0 when the bot doesn't want such updates."""
        return self.put_raw({kind: content}, lifetime) if self.wants(kind) else 0

    # Ids only grow, so the queue is always in order of ids: confirming is dropping from its head.
    def put_raw(self, update: Update, lifetime: float) -> int:
        """Queue any JSON object as an update under a new id, whatever the bot wants."""
        with self.changed:
            update_id, self._next_id = self._next_id, self._next_id + 1
            complete = {**update, "update_id": update_id}
            self._queue[update_id] = _Queued(complete, self._clock.now() + lifetime)
            self._history[update_id] = complete
            if len(self._history) > _MAX_HISTORY:
                self._history.popitem(last=False)
            self.changed.notify_all()
            return update_id

    def redeliver(self, update_id: int) -> bool:
        """Hand an update out once more, even though it was confirmed; False when it isn't known (any more)."""
        with self.changed:
            update = self._history.get(update_id)
            if update is not None:
                self._again.append(update)
                self.changed.notify_all()
            return update is not None

    def double_next(self) -> None:
        """Hand the next batch that isn't empty out twice."""
        with self.changed:
            self._to_double += 1

    def __len__(self) -> int:
        """How many updates are not confirmed yet."""
        with self.changed:
            self._drop_expired()
            return len(self._queue)

    def clear(self) -> None:
        """Forget every waiting update."""
        with self.changed:
            self._queue.clear()

    def poll(self, offset: int, limit: int, seconds: float) -> list[Update]:
        """What getUpdates returns. Raises ApiError 409 while a webhook is set or when another poll takes over."""
        with self.changed:
            if self.webhook_active:
                self._refuse(WEBHOOK_ACTIVE)
            # The newcomer wins: whoever is waiting now is told, and may come back.
            self.end_poll(TERMINATED)
            mine = self._poll
            limit, seconds = self._humbled(offset, limit, seconds)
            self._confirm(offset)
            self.changed.wait_for(lambda: self._ready() or mine != self._poll or self.closed, seconds)
            if mine != self._poll:
                self._refuse(self._ended_by)
            return self._batch(limit)

    def end_poll(self, why: str) -> None:
        """Make a poll that is waiting fail with 409 `why`; the caller holds `changed`."""
        self._poll += 1
        self._ended_by = why
        self.changed.notify_all()

    def _refuse(self, why: str) -> None:
        """Raise the 409, later if one was raised just now: two bots that fight must not turn into a busy loop."""
        now = self._clock.now()
        pause = self._clock.scaled(_CONFLICT_PAUSE_SECONDS)
        if now < self._next_conflict:
            self.changed.wait_for(lambda: self.closed, pause)
        else:
            self._next_conflict = now + pause
        raise conflict(why)

    def _humbled(self, offset: int, limit: int, seconds: float) -> tuple[int, float]:
        last_offset, last_at = self._last_poll
        now = time.monotonic()
        self._last_poll = (offset, now)
        if offset != last_offset:
            return limit, seconds
        limit = 1 if now < last_at + _SAME_OFFSET_SECONDS else limit
        impatient = seconds < _IMPATIENT_SECONDS and now < last_at + _IMPATIENT_SECONDS
        return limit, self._clock.scaled(_IMPATIENT_SECONDS) if impatient else seconds

    def _confirm(self, offset: int) -> None:
        if offset < 0:
            while len(self._queue) > -offset:
                self._queue.popitem(last=False)
        # An offset from the future is taken for a mistake and confirms nothing.
        elif offset <= self._next_id:
            while self._queue and next(iter(self._queue)) < offset:
                self._queue.popitem(last=False)

    def _drop_expired(self) -> None:
        now = self._clock.now()
        for expired in [key for key, queued in self._queue.items() if queued.expires <= now]:
            del self._queue[expired]

    def _ready(self) -> bool:
        self._drop_expired()
        return bool(self._queue or self._again)

    def _batch(self, limit: int) -> list[Update]:
        self._drop_expired()
        most = min(limit, MAX_BATCH)
        again, self._again = self._again[:most], self._again[most:]
        batch = (again + [queued.update for queued in self._queue.values()])[:most]
        if batch and self._to_double:
            self._to_double -= 1
            self._again.extend(batch)
        return batch

    def for_webhook(self, known: set[int]) -> tuple[list[Update], list[Update]]:
        """Updates a webhook hasn't taken up yet (their ids join `known`), and duplicates to send once more."""
        self._drop_expired()
        fresh = [queued.update for key, queued in self._queue.items() if key not in known]
        known.intersection_update(self._queue)
        known.update(update["update_id"] for update in fresh)
        again, self._again = self._again, []
        return fresh, again

    def is_waiting(self, update_id: int) -> bool:
        """True while the update is neither delivered, confirmed nor expired."""
        with self.changed:
            self._drop_expired()
            return update_id in self._queue

    def done(self, update_id: int) -> None:
        """A webhook accepted the update."""
        with self.changed:
            self._queue.pop(update_id, None)

    def close(self) -> None:
        """Let every waiter go, now and from now on."""
        with self.changed:
            self.closed = True
            self.changed.notify_all()
