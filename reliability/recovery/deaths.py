"""Workers that are killed with jobs in their hands, and how long until somebody works on those again."""

import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psutil

from reliability.chaos.system import System, leads
from reliability.chaos.verdict import spread
from reliability.recovery.instruments import rows
from sandbox.local import Child

# Every other killed worker stays away, and the rest must do; a new leader is left alone long enough to be one.
WAYS = ("restarted", "replaced") * 4 + ("leader",)
PAUSE = (3.5, 5.0)
AWAY_FOR = 2  # deaths of others
# So long a worker is sought that has something in its hands (looks, seconds between them).
LOOKS, LOOK_EVERY = 100, 0.1

HELD = """SELECT id, stage, claimed_by FROM jobs
    WHERE claim_token IS NOT NULL AND split_part(claimed_by, ':', 2)::int = ANY (%s)"""
# A claim under way when its worker died is no sign of life.
AFTERWARDS = """
    SELECT (SELECT extract(epoch FROM min(at))::float8 FROM job_events WHERE job_id = %s AND at > to_timestamp(%s)),
           (SELECT extract(epoch FROM min(at))::float8 FROM rehearsal.claims
            WHERE job_id = %s AND at > to_timestamp(%s) AND process <> %s)"""


@dataclass(frozen=True)
class Interrupted:
    """A job that `process` had in its hands when it was killed at `at` (unix)."""

    job: int
    stage: str
    process: str
    at: float


class Deaths:
    """Kills workers of a system, some seconds apart, and remembers what they held."""

    def __init__(self, system: System, seed: int) -> None:
        self.ways: Counter[str] = Counter()
        self.interrupted: list[Interrupted] = []
        self._system = system
        self._rng = random.Random(seed)  # noqa: S311  a replay is wanted, not a secret
        self._away: list[Child] = []

    def bring(self, number: int) -> None:
        """So many deaths; on return all workers run again."""
        for n in range(number):
            time.sleep(self._rng.uniform(*PAUSE))
            self._one(WAYS[n % len(WAYS)])
        for worker in self._away:
            worker.start()

    def _one(self, way: str) -> None:
        victim = self._victim(way == "leader")
        pids = _family(victim)
        began = time.time()
        victim.kill()
        # Only now: until its last moment it may take a job up or let go of one.
        held = rows(self._system.database, HELD, pids)
        self.interrupted += [Interrupted(job, stage, process, began) for job, stage, process in held]
        self.ways[way] += 1
        if way == "replaced":
            self._away.append(victim)
        else:
            victim.start()
        if len(self._away) > AWAY_FOR:
            self._away.pop(0).start()

    def _victim(self, leading: bool) -> Child:
        for _ in range(LOOKS):
            alive = [worker for worker in self._system.workers if worker.running and leads(worker) == leading]
            busy = [worker for worker in alive if rows(self._system.database, HELD, _family(worker))]
            if busy:
                return self._rng.choice(busy)
            time.sleep(LOOK_EVERY)
        raise TimeoutError(f"no {'leading ' if leading else ''}worker has a job in its hands")

    def figures(self) -> dict[str, Any]:
        """How long until a job was taken from its dead worker, and until another had it in its hands; once all has settled."""
        after = [(one, *_seconds_after(self._system.database, one)) for one in self.interrupted]
        claims = [(one.stage, claim) for one, _, claim in after if claim is not None]
        return {
            "kills": self.ways.total(),
            "ways": dict(self.ways),
            "jobs_interrupted": len(self.interrupted),
            "resume_seconds": spread([first for _, first, _ in after if first is not None]),
            "claimed_again_seconds": spread([claim for _, claim in claims]),
            "claimed_again_by_stage": _by_stage(claims),
            "never_resumed": [one.job for one, first, _ in after if first is None],
        }


def _by_stage(claims: Sequence[tuple[str, float]]) -> dict[str, dict[str, float]]:
    seconds: dict[str, list[float]] = {}
    for stage, claim in sorted(claims):
        seconds.setdefault(stage, []).append(claim)
    return {stage: {**spread(of), "jobs": len(of)} for stage, of in seconds.items()}


def _family(worker: Child) -> list[int]:
    try:
        process = psutil.Process(worker.pid)
        return [worker.pid, *(child.pid for child in process.children(recursive=True))]
    except psutil.NoSuchProcess:
        return []


def _seconds_after(database: str, one: Interrupted) -> tuple[float | None, float | None]:
    """Until the job's first event or claim after the death, and until its first claim."""
    event, claim = rows(database, AFTERWARDS, one.job, one.at, one.job, one.at, one.process)[0]
    first = min((at for at in (event, claim) if at is not None), default=None)
    return (None if first is None else first - one.at, None if claim is None else claim - one.at)
