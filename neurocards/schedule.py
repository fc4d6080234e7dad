"""The table of what runs when, and who leads.

Every worker process starts the scheduler; all beat, one leads.
"""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler
from peewee import PeeweeException

from neurocards import broadcasts, clock, liveness, maintenance, privileges, samples
from neurocards.app import App
from neurocards.db import in_a_line
from neurocards.leadership import LEADER, Lock

log = logging.getLogger(__name__)

TICK = 1.0
# A window of 10 s that is filled a second late costs a tenth of the orders (real seconds).
ADMIT = 0.1
# Too often for followers to be called for nothing: it stands still until this process leads.
OF_THE_LEADER = "admit"
# How soon another process notices that the leader is gone (real seconds).
ASK_FOR_LEAD = 2.0
# After the database or this process stood still, every living process has beaten again within this (real seconds).
STEADY_AFTER = 2 * liveness.BEAT_EVERY
PRUNE_EVERY = 3600.0
# Nothing waits for this: each look is at one key (real seconds).
CREDIT_LOOK = 10.0
# How often rows are looked for that don't move though they should (real seconds).
WATCH_EVERY = 60.0
# At night in Moscow (hour, UTC).
AUDIT_AT = 1


class Scheduler:
    """The scheduler of one worker process."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._lock = Lock(LEADER)
        self._leading = self._ready = False
        self._ask_again = 0.0
        self._last_tick = self._steady_since = time.monotonic()
        self._jobs = BackgroundScheduler(
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}, timezone="UTC"
        )
        self._fill()

    def start(self) -> None:
        """Begins to beat and to try for the lead."""
        self._jobs.start()

    def _fill(self) -> None:
        # What asks a vendor runs apart: it must not hold up the sweep.
        tick = max(0.1, min(TICK, clock.scaled(TICK)))
        self._every(liveness.BEAT_EVERY, self.beat, "beat")
        self._every(samples.SAVE_EVERY, samples.of_this_process.save, "metrics")
        self._every(tick, self.tick, "tick")
        self._every(ADMIT, lambda: maintenance.admit(self._app), OF_THE_LEADER, begin=False)
        self._every(tick, self._if_leading(lambda: maintenance.probe(self._app)), "probe")
        self._every(CREDIT_LOOK, self._if_leading(lambda: maintenance.look_at_credit(self._app)), "credit")
        self._every(WATCH_EVERY, self._if_leading(lambda: maintenance.watch(self._app)), "watch")
        self._every(PRUNE_EVERY, self._if_leading(maintenance.prune), "prune")
        nightly = self._if_leading(lambda: maintenance.audit_books(self._app))
        self._jobs.add_job(_guarded(nightly, "audit"), "cron", hour=AUDIT_AT, id="audit")

    def stop(self) -> None:
        """Stops both and frees the lead for another process."""
        self._jobs.shutdown(wait=False)
        self._lock.release()

    def beat(self) -> None:
        """What every process does each five seconds; at first it also sees what it may do, and makes the rows of its keys."""
        maintenance.beat(self._app)
        if not self._ready:
            privileges.check()
            self._app.keys.enrol()
            self._ready = True

    def tick(self) -> None:
        """What the leader does each second; others only try for the lead.

        While the database was away nobody could beat, so silence proves nothing until all have had the time to.
        """
        if not self._lead():
            return
        now = time.monotonic()
        since, self._last_tick = now - self._last_tick, now
        if since > liveness.BEAT_EVERY:
            self._steady_since = now
        maintenance.wake(self._app, min(since, 5.0))
        if now - self._steady_since > STEADY_AFTER:
            maintenance.reclaim(self._app)
        maintenance.expire(self._app)
        broadcasts.finish()

    def _if_leading(self, task: Callable[[], None]) -> Callable[[], None]:
        return lambda: task() if self._leading else None

    def _lead(self) -> bool:
        # Asking for the lead costs a connection: followers ask more seldom than the leader ticks.
        if not self._leading and time.monotonic() < self._ask_again:
            return False
        self._ask_again = time.monotonic() + ASK_FOR_LEAD
        was_leading = self._leading
        try:
            self._leads(self._lock.held())
        except PeeweeException:
            self._leads(False)
            raise
        if self._leading and not was_leading:
            log.info("this process leads")
            self._last_tick = self._steady_since = time.monotonic()
            maintenance.prune()
        return self._leading

    def _leads(self, leading: bool) -> None:
        if leading == self._leading:
            return
        self._leading = leading
        change = self._jobs.resume_job if leading else self._jobs.pause_job
        # A scheduler that has been stopped meanwhile has no jobs any more.
        with suppress(JobLookupError):
            change(OF_THE_LEADER)

    def _every(self, seconds: float, task: Callable[[], None], name: str, begin: bool = True) -> None:
        first = datetime.now(UTC) if begin else None
        self._jobs.add_job(_guarded(task, name), "interval", seconds=seconds, id=name, next_run_time=first)


def _guarded(task: Callable[[], None], name: str) -> Callable[[], None]:
    def run() -> None:
        try:
            task()
        except PeeweeException as error:
            log.warning("%s: PostgreSQL is away or refuses: %s", name, in_a_line(error))
        except Exception:
            # The loop's edge: one bad tick must not end all later ones.
            log.exception("%s failed", name)

    return run
