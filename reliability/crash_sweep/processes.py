"""Bot and worker, made by their own parts and driven step by step: nothing of theirs runs unless it is asked to.

Real middleware, messages, handlers and lanes; left out are Dramatiq's threads, the scheduler's clock and waitress.
"""

import importlib
import time
from collections.abc import Sequence
from functools import partial
from queue import PriorityQueue
from typing import Any

import dramatiq
from dramatiq.worker import ConsumerThread, WorkerThread
from PIL import Image
from telebot import apihelper

import handlers
from neurocards import clock, db, dispatch
from neurocards.app import App
from neurocards.clients import telegram
from neurocards.config import Settings, load
from neurocards.intake import Poller
from neurocards.lanes import Lanes
from neurocards.leadership import HANDLER, Lock
from neurocards.models import InboxUpdate
from neurocards.plugins import load_plugins
from neurocards.texts import say

# A script and no module of a package: imported by name.
run_bot: Any = importlib.import_module("run_bot")

QUEUES = sorted({kind.queue for kind in dispatch.MESSAGES.values()})
# Messages that may follow from one another; more are a loop.
MANY = 500


def warm_up() -> None:
    """Reads what a process reads once: modules, plugins and texts. Connects to nothing; children forked later have it."""
    for module in ("middleware", "flask.testing", "neurocards.courier", "neurocards.pipeline", "av.subtitles.stream"):
        importlib.import_module(module)
    Image.init()
    for package in ("neurocards.classifiers", "neurocards.policies", "neurocards.reactions"):
        load_plugins(package)
    for language in ("ru", "en"):
        say("sorry", language)


class Worker:
    """A worker process that has just started. `step` takes one message from a queue and treats it as Dramatiq's threads do."""

    def __init__(self) -> None:
        # Imported and not forked with: a start of the product runs its composition root.
        actors = importlib.import_module("actors")
        self.app: App = actors.app
        self._broker: dramatiq.Broker = actors.broker
        self._queue: PriorityQueue[Any] = PriorityQueue()
        self._consumers = {name: self._consumer(name) for name in QUEUES}
        self._thread = WorkerThread(
            broker=self._broker, consumers=self._consumers, work_queue=self._queue, worker_timeout=1
        )

    def _consumer(self, queue: str) -> ConsumerThread:
        thread = ConsumerThread(
            broker=self._broker, queue_name=queue, prefetch=1, work_queue=self._queue, worker_timeout=1
        )
        # Never started: only what it does after a message is wanted.
        thread.consumer = self._broker.consume(queue, prefetch=1, timeout=1)
        return thread

    def step(self, queue: str) -> bool:
        """Fetches and processes one message; False when there is none."""
        consumer = self._consumers[queue].consumer
        message = next(consumer) if consumer else None
        if message is None:
            return False
        self._queue.put(message)
        self._queue.get()
        self._thread.process_message(message)
        return True

    def step_any(self) -> bool:
        """As `step`, from the first queue that has a message."""
        return any(self.step(queue) for queue in QUEUES)

    def drain(self) -> int:
        """Works until no message is left; returns how many there were."""
        done = 0
        while self.step_any():
            done += 1
            if done > MANY:
                raise RuntimeError("messages beget messages without end")
        return done


class HeldLanes(Lanes):
    """Lanes that begin when told to: so that polling and handling have a fixed order, and a point its number."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._held: list[InboxUpdate] = []

    def put(self, rows: Sequence[InboxUpdate]) -> bool:
        """Keeps the updates until `work_off`."""
        self._held.extend(rows)
        return False

    def work_off(self) -> None:
        """Handles what was put, and returns when that is done."""
        held, self._held = self._held, []
        super().put(held)
        while self.in_hand():
            time.sleep(0.001)


class Bot:
    """A bot process that has just started."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        # The library takes 0 for "its own default", which is this: nothing here waits for updates that nobody sends.
        apihelper.LONG_POLLING_TIMEOUT = 0
        self._bot = telegram.connect(settings.bot_token.get_secret_value(), settings.telegram_api_url)
        handlers.register(self._bot, handlers.Context(settings))
        self._lanes = HeldLanes(partial(run_bot.handle, self._bot), partial(run_bot.sorry, self._bot, settings))

    def serve(self, acknowledge_first: bool = False) -> None:
        """Takes up what an earlier bot left and all that Telegram has, and handles it: before it is acknowledged, or after."""

        def fetch(offset: int, _wait: int) -> list[dict[str, Any]]:
            if not acknowledge_first:
                self._lanes.work_off()
            updates = telegram.get_updates(self._bot, offset, 0)
            if not updates:
                poller.stop()
            return updates

        lock = Lock(HANDLER)
        poller = Poller(fetch, self._lanes, lock.held)
        poller.run()
        self._lanes.work_off()
        lock.release()


def start_bot() -> Bot:
    """The bot alone, as `run_bot.main` makes it."""
    settings = load(Settings)
    clock.set_scale(settings.time_scale)
    db.connect(settings.database_url.get_secret_value(), pool_size=12)
    dramatiq.set_broker(dispatch.make_broker(settings.redis_url.get_secret_value(), []))
    return Bot(settings)
