"""The bot's way in, whole: what getUpdates returned, the inbox, the lanes, the handlers; and a watchdog over all of it."""

import importlib
import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from telebot import apihelper

import handlers
from neurocards import inbox
from neurocards.clients import telegram
from neurocards.config import Settings
from neurocards.errors import ProviderError
from neurocards.intake import Poller
from neurocards.lanes import Lanes
from neurocards.leadership import HANDLER, Lock
from reliability.fuzz.findings import Tracebacks
from sandbox.client import SandboxClient

# A script and no module of a package: imported by name.
run_bot: Any = importlib.import_module("run_bot")

Update = dict[str, Any]
Found = Callable[[str, str, int | None], None]

SLOW = 2.0
HUNG = 60.0
# Fetches for one batch; more mean that it can be neither kept nor passed over.
MOST_FETCHES = 4
# The product's own words for what it refuses to read, and for people it can't write to.
UNREADABLE = "unreadable"
NOBODY_THERE = (
    "chat not found",
    "bot was blocked",
    "user is deactivated",
    "can't initiate conversation",
    "user not found",
)


class Intake:
    """A bot process's intake in this process. `found(kind, why, update_id)` hears of what should not be."""

    def __init__(self, settings: Settings, client: SandboxClient, found: Found) -> None:
        # The library takes 0 for its own default, which is this: nothing here waits for updates that nobody sends.
        apihelper.LONG_POLLING_TIMEOUT = 0
        # Real people never hear more than this in a second; the imitated ones do.
        telegram.SENDS_PER_SECOND = 100_000
        self._client = client
        self._found = found
        self.refused: dict[int, str] = {}
        self.late: dict[int, float] = {}
        self.slowest = 0.0
        self._begun: dict[int, tuple[int, float]] = {}
        self._bot = telegram.connect(settings.bot_token.get_secret_value(), settings.telegram_api_url)
        handlers.register(self._bot, handlers.Context(settings))
        self._lanes = Lanes(self._handle, partial(self._sorry, partial(run_bot.sorry, self._bot, settings)))
        self._lock = Lock(HANDLER)
        logging.getLogger().addHandler(Tracebacks(self._logged))

    def _handle(self, update: Update) -> str:
        began = time.monotonic()
        self._begun[threading.get_ident()] = (update["update_id"], began)
        try:
            return run_bot.handle(self._bot, update)
        finally:
            seconds = time.monotonic() - began
            self._begun.pop(threading.get_ident(), None)
            self.slowest = max(self.slowest, seconds)
            if seconds > SLOW:
                self.late[update["update_id"]] = seconds

    def _sorry(self, real: Callable[[Update, str], None], update: Update, reason: str) -> None:
        self.refused[update["update_id"]] = reason
        if not reason.startswith(UNREADABLE) and not any(words in reason for words in NOBODY_THERE):
            self._found("unhandled", f"set aside: {reason}", update["update_id"])
        real(update, reason)

    def _logged(self, record: logging.LogRecord, text: str) -> None:
        args = record.args if isinstance(record.args, tuple) else ()
        self._found("unhandled", text, args[0] if args and isinstance(args[0], int) else None)

    def feed(self, updates: Sequence[str]) -> None:
        """The next getUpdates answers with these, each a JSON object; returns when they, and what else waits, are dealt with."""
        body = f'{{"ok":true,"result":[{",".join(updates)}]}}'
        self.refused.clear()
        self.late.clear()
        self._client.fault("telegram", "getUpdates", "http", status=200, body=body)
        self.poll()

    def poll(self) -> None:
        """Fetches and handles until nothing comes any more."""
        fetches = 0

        def fetch(offset: int, _wait: int) -> list[Update]:
            nonlocal fetches
            fetches += 1
            if fetches > MOST_FETCHES:
                poller.stop()
                self._found("violations", "the poller is stuck", None)
                return []
            self._settle()
            updates = self._fetched(offset)
            # More of one person's than a lane takes in at once is still in the inbox.
            if not updates and not inbox.unhandled():
                poller.stop()
            return updates

        poller = Poller(fetch, self._lanes, self._lock.held)
        poller.run()
        self._settle()

    def _fetched(self, offset: int) -> list[Update]:
        # What isn't Telegram's is asked for again by the product; here the next answer is another one.
        with suppress(ProviderError):
            return telegram.get_updates(self._bot, offset, 0)
        return []

    def _settle(self) -> None:
        deadline = time.monotonic() + HUNG
        while self._lanes.in_hand():
            if time.monotonic() > deadline:
                self._hung()
            time.sleep(0.0005)

    def _hung(self) -> None:
        for thread, (update_id, _) in list(self._begun.items()):
            frames = traceback.format_stack(sys._current_frames()[thread])
            self._found("slow", "hangs\n" + "".join(frames[-6:]), update_id)
        raise TimeoutError("an update hangs; what follows can't be told from it")

    def close(self) -> None:
        """Ends the lanes."""
        self._lanes.stop(5)
        self._lock.release()
