"""Delivering updates to a bot's webhook: in order within a chat, in parallel across chats, again until accepted."""

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import requests

from sandbox.clock import Clock
from sandbox.telegram.updates import Update, UpdateQueue

SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 - the header's name, not a secret
_ANSWER_SECONDS = 60.0
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 60.0
_LONGEST_RETRY_AFTER = 3600.0


@dataclass
class WebhookSettings:
    """What setWebhook was told, and the last thing that went wrong."""

    url: str
    secret: str = field(default="", repr=False)
    max_connections: int = 40
    last_error_date: int = 0
    last_error_message: str = ""


class Webhook:
    """One active webhook. Updates leave the queue only when the bot's server has answered 2xx or they expire."""

    def __init__(self, settings: WebhookSettings, queue: UpdateQueue, clock: Clock) -> None:
        """Start delivering at once, in background threads."""
        self.settings = settings
        self._queue = queue
        self._clock = clock
        self._ended = threading.Event()
        self._slots = threading.Semaphore(settings.max_connections)
        self._lanes: dict[str, deque[tuple[Update, bool]]] = {}
        self._lock = threading.Lock()
        self._known: set[int] = set()
        threading.Thread(target=self._dispatch, name="telegram-webhook", daemon=True).start()

    def stop(self) -> None:
        """End delivery; what wasn't accepted stays in the queue."""
        self._ended.set()
        with self._queue.changed:
            self._queue.changed.notify_all()

    @property
    def _over(self) -> bool:
        return self._ended.is_set() or self._queue.closed

    def _dispatch(self) -> None:
        while not self._over:
            with self._queue.changed:
                fresh, again = self._queue.for_webhook(self._known)
                if not fresh and not again:
                    self._queue.changed.wait()
            for update in fresh:
                self._enqueue(update, False)
            for update in again:
                self._enqueue(update, True)

    def _enqueue(self, update: Update, repeated: bool) -> None:
        lane = lane_of(update)
        with self._lock:
            waiting = self._lanes.get(lane)
            if waiting is not None:
                waiting.append((update, repeated))
                return
            self._lanes[lane] = deque([(update, repeated)])
        threading.Thread(target=self._run_lane, args=(lane,), name="telegram-webhook-lane", daemon=True).start()

    # A thread for each lane and not a pool: a lane may wait a minute between tries, and must not hold up the others.
    def _run_lane(self, lane: str) -> None:
        with requests.Session() as session:
            # A proxy of the environment must not stand between us and this machine.
            session.trust_env = False
            while not self._over:
                with self._lock:
                    if not self._lanes[lane]:
                        del self._lanes[lane]
                        return
                    update, repeated = self._lanes[lane].popleft()
                self._deliver(session, update, repeated)

    def _deliver(self, session: requests.Session, update: Update, repeated: bool) -> None:
        update_id, pause = update["update_id"], _FIRST_PAUSE
        # A duplicate isn't in the queue any more; everything else is given up once it has expired there.
        while not self._over and (repeated or self._queue.is_waiting(update_id)):
            accepted, asked_pause = self._post(session, update)
            if accepted:
                self._queue.done(update_id)
                return
            self._ended.wait(self._clock.scaled(asked_pause or pause))
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _post(self, session: requests.Session, update: Update) -> tuple[bool, float]:
        """Whether the bot took the update, and the pause it asked for (0 = its own choice)."""
        headers = {SECRET_HEADER: self.settings.secret} if self.settings.secret else {}
        with self._slots:
            try:
                answer = session.post(
                    self.settings.url, json=update, headers=headers, timeout=_ANSWER_SECONDS, allow_redirects=False
                )
            except requests.Timeout:
                return self._failed("Read timeout expired"), 0.0
            except requests.RequestException:
                return self._failed("Connection refused"), 0.0
        if answer.ok:
            return True, 0.0
        asked = answer.headers.get("Retry-After", "")
        failed = self._failed(f"Wrong response from the webhook: {answer.status_code} {answer.reason}")
        return failed, min(float(asked), _LONGEST_RETRY_AFTER) if asked.isdecimal() else 0.0

    def _failed(self, why: str) -> bool:
        self.settings.last_error_date = int(self._clock.now())
        self.settings.last_error_message = why
        return False


def lane_of(update: Update) -> str:
    """Updates of one lane arrive one after another: messages by chat, everything else by kind and person."""
    for kind, content in update.items():
        if isinstance(content, dict):
            owner: dict[str, Any] = content.get("chat" if "message" in kind else "from") or {}
            return f"{'message' if 'message' in kind else kind}:{owner.get('id')}"
    return "other"
