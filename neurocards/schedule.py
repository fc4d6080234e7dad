"""The table of what runs when, and who leads.

Every worker process starts the scheduler; all beat, one leads.
"""

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime

from apscheduler.schedulers.background import BackgroundScheduler
from peewee import PeeweeException

from neurocards import clock, liveness, maintenance
from neurocards.app import App
from neurocards.leadership import LEADER, Lock

log = logging.getLogger(__name__)

TICK = 1.0
# How soon another process notices that the leader is gone (real seconds).
ASK_FOR_LEAD = 2.0


class Scheduler:
    """The scheduler of one worker process."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._lock = Lock(LEADER)
        self._leading = False
        self._ask_again = 0.0
        self._enrolled = False
        self._last_tick = time.monotonic()
        self._jobs = BackgroundScheduler(
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}, timezone="UTC"
        )

    def start(self) -> None:
        """Begins to beat and to try for the lead."""
        self._every(liveness.BEAT_EVERY, self.beat, "beat")
        self._every(max(0.1, min(TICK, clock.scaled(TICK))), self.tick, "tick")
        self._jobs.start()

    def stop(self) -> None:
        """Stops both and frees the lead for another process."""
        self._jobs.shutdown(wait=False)
        self._lock.release()

    def beat(self) -> None:
        """What every process does each five seconds; the first time it also makes the rows of its keys."""
        maintenance.beat(self._app)
        if not self._enrolled:
            self._app.keys.enrol()
            self._enrolled = True

    def tick(self) -> None:
        """What the leader does each second; others only try for the lead."""
        if not self._lead():
            return
        since, self._last_tick = time.monotonic() - self._last_tick, time.monotonic()
        maintenance.wake(self._app, min(since, 5.0))
        maintenance.reclaim(self._app)
        maintenance.expire(self._app)
        maintenance.probe(self._app)

    def _lead(self) -> bool:
        # Asking for the lead costs a connection: followers ask more seldom than the leader ticks.
        if not self._leading and time.monotonic() < self._ask_again:
            return False
        self._ask_again = time.monotonic() + ASK_FOR_LEAD
        leading = self._lock.held()
        if leading and not self._leading:
            log.info("this process leads")
            self._last_tick = time.monotonic()
            maintenance.prune()
        self._leading = leading
        return leading

    def _every(self, seconds: float, task: Callable[[], None], name: str) -> None:
        self._jobs.add_job(_guarded(task, name), "interval", seconds=seconds, id=name, next_run_time=datetime.now(UTC))


def _guarded(task: Callable[[], None], name: str) -> Callable[[], None]:
    def run() -> None:
        try:
            task()
        except PeeweeException as error:
            log.warning("%s: PostgreSQL is away: %s", name, str(error).splitlines()[0])
        except Exception:
            # The loop's edge: one bad tick must not end all later ones.
            log.exception("%s failed", name)

    return run
