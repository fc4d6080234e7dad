"""A worker process's beginning and end: the key pool's rows, the scheduler, and claims given back."""

import logging
import os
import threading

from dramatiq import Broker, Middleware, Worker
from peewee import PeeweeException

from neurocards import maintenance, samples
from neurocards.app import App
from neurocards.schedule import Scheduler

log = logging.getLogger(__name__)

# A process told to stop is gone within ten seconds, finished or not.
GRACE = 7.0
# How soon an idle worker looks for new messages (milliseconds).
PICK_UP_MS = 100


class Lifecycle(Middleware):
    """Starts the scheduler with the worker and stops it with it."""

    def __init__(self, app: App) -> None:
        self._app = app

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:
        """Dramatiq's own setting is an environment variable read at its import, too early for `dramatiq actors`."""
        worker.worker_timeout = PICK_UP_MS

    def after_worker_boot(self, broker: Broker, worker: Worker) -> None:
        """The process begins to beat and to try for the lead. PostgreSQL may still be away: the scheduler keeps trying."""
        self._scheduler = Scheduler(self._app)
        self._scheduler.start()

    def before_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """Running actors get GRACE seconds; what they then still hold is given back, and the fence refuses their later writes."""
        self._scheduler.stop()
        self._overtime = threading.Timer(GRACE, self._leave_at_once)
        self._overtime.daemon = True
        self._overtime.start()

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """All actors have finished. The timer runs on: Python waits for the threads of its pools, and one may ask a silent vendor."""
        self._leave()

    def _leave_at_once(self) -> None:
        log.warning("out of time: unfinished work is given back")
        try:
            self._leave()
        finally:
            os._exit(0)

    def _leave(self) -> None:
        try:
            maintenance.leave(self._app)
            samples.of_this_process.save()
        except PeeweeException as error:
            log.warning("could not give work back, the sweep will: %s", str(error).splitlines()[0])
