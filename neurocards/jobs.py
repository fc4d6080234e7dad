"""A job's life: its states, the table of moves, and the guarded writes that make them.

`status` is what people see (queued, processing, done, failed, cancelled); inside processing, `stage` says what happens next.
A state here is the stage, or the status where there is no stage. Each move is one UPDATE that must touch one row, and one
`job_events` row with its reason, in the caller's transaction. Taking a job up writes a fresh `claim_token`; every later write of that
claim carries it, so that a worker presumed dead can't finish a job that was given to another.
"""

import logging
import uuid
from collections.abc import Sequence
from typing import Any

from peewee import SQL, Case, Expression, fn

from neurocards import clock, metrics
from neurocards.db import db
from neurocards.errors import LostClaim
from neurocards.models import NOW, Job, JobEvent, ProviderAttempt

log = logging.getLogger(__name__)

# state -> states it may move to. The same arrows are drawn in docs/states.md and stand as a CHECK in schema.sql; a test compares them.
MOVES = {
    "new": {"queued"},
    "queued": {"script", "cancelled", "failed"},
    "script": {"script", "submit", "failed"},
    "submit": {"submit", "render", "failed"},
    "render": {"render", "submit", "deliver", "failed"},
    "deliver": {"deliver", "submit", "done", "failed"},
    "done": set(),
    "failed": set(),
    "cancelled": set(),
}
STAGES = ("script", "submit", "render", "deliver")
OPEN = ("queued", "processing")

# From confirm to refund when nothing else decides; longer than the evening peak takes at one account's rate.
DEADLINE = 3600.0
# A job whose stage crashed this often without a step forward is failed: it may be what kills the process.
MAX_RECLAIMS = 5

# Each further open video of a person waits as if it had been ordered so much later (seconds): nobody's fifth goes before another's first.
TURN = 30.0

_FREE: dict[str, Any] = {"claim_token": None, "claimed_by": None, "claimed_at": None}


def state(job: Job) -> str:
    """The stage, or the status of a job that has none."""
    return job.stage or job.status


def create(order_id: int, user_id: int, count: int, before: int) -> list[Job]:
    """Makes the `count` queued jobs of an order for somebody who has `before` open ones. They are due at once, in their turn.

    The caller sends a message for one that is nobody's second, while nobody waits to be called up (its `woken_at` is set); the sweep sends
    the others' in their turn. A message sent past those that wait would stand before them in Redis.
    """
    at_once = before == 0 and not anybody_waits("script")
    rows = [
        {
            "order": order_id,
            "user": user_id,
            "number": number + 1,
            "deadline_at": clock.after(DEADLINE),
            "turn_at": clock.after(TURN * (before + number)),
            "woken_at": NOW if at_once and number == 0 else None,
        }
        for number in range(count)
    ]
    made = list(Job.insert_many(rows).returning(Job).execute())
    for job in made:
        _record(job.id, (None, None), ("queued", None), "ordered", f"user:{user_id}")
    return made


def open_of(user_id: int) -> int:
    """How many of a person's videos have not ended."""
    return int(Job.select().where((Job.user == user_id) & Job.status.in_(OPEN)).count())


def claim(job_id: int, stage: str, process: str) -> Job | None:
    """Takes the job up for `stage`: None when it is not due, not there any more, or someone else has it.

    A script asks GPT, so its attempt is counted here, before the call: a crash counts.
    """
    queued = Job.select(Job.id).where((Job.id == job_id) & (Job.status == "queued")).exists()
    taken = _take((Job.id == job_id), stage, process, script_attempts=Job.script_attempts + int(stage == "script"))
    if taken and queued:
        _record(job_id, ("queued", None), ("processing", stage), "taken up", process)
    return taken[0] if taken else None


def claim_renders(job_ids: Sequence[int], process: str) -> list[Job]:
    """Takes up those of the rendering jobs that are due and free. Checking is not a move, so no event is written."""
    return _take(Job.id.in_(job_ids), "render", process)


def _take(which: Expression, stage: str, process: str, **changes: Any) -> list[Job]:
    rows = (
        Job.update(
            status="processing",
            stage=stage,
            claim_token=fn.gen_random_uuid(),
            claimed_by=process,
            claimed_at=fn.clock_timestamp(),
            **changes,
        )
        .where(which & _wants(stage) & Job.claim_token.is_null() & (Job.due_at <= fn.clock_timestamp()))
        .returning(Job)
    )
    return list(rows.execute())


def _wants(stage: str) -> Expression:
    """Jobs whose next step is `stage`: the script also of those that nobody has taken up yet."""
    there = (Job.status == "processing") & (Job.stage == stage)
    return there | (Job.status == "queued") if stage == "script" else there


def _waiting(stage: str) -> Expression:
    """Free jobs whose next step is `stage`, and due."""
    # Named for the index of what is open and free.
    free = Job.status.in_(OPEN) & Job.claim_token.is_null()
    return free & _wants(stage) & (Job.due_at <= NOW)


def forward(job: Job, to: str, reason: str, due_in: float | None = None, **facts: Any) -> None:
    """Moves a claimed job to its next stage with what was found out, and lets go of it.

    It is looked at in `due_in` seconds, or at once: the caller then sends the message, and the sweep only a lost one's successor.
    """
    woken = {"woken_at": NOW} if due_in is None else {}
    _move(job, _held(job), ("processing", to), reason, due_at=clock.after(due_in or 0.0), reclaims=0, **woken, **facts)


def again(job: Job, stage: str, reason: str, due_in: float, **facts: Any) -> None:
    """Puts a claimed job back to try `stage` in `due_in` seconds."""
    _move(job, _held(job), ("processing", stage), reason, due_at=clock.after(due_in), **facts)


def reclaim(job: Job, stage: str, reason: str, due_in: float = 0.0, crash: str | None = "died") -> None:
    """Takes a job from a process that is gone. A crash is counted (`crash` is one of metrics.RECLAIM_REASONS); None: the process
    stopped in order."""
    reclaims = Job.reclaims + int(crash is not None)
    _move(job, _held(job), ("processing", stage), reason, due_at=clock.after(due_in), reclaims=reclaims)
    if crash is not None:
        db.after_commit(metrics.RECLAIMS.labels(crash).inc)


def look_again(job: Job, due_in: float, **facts: Any) -> None:
    """Lets go of a claimed job that is where it was, to be looked at in `due_in` seconds, or at once if a callback came meanwhile
    (`call_back`): what we have seen may be older. Not a move."""
    due_at = Case(None, ((Job.due_at == job.due_at, clock.after(due_in)),), Job.due_at)
    changed = Job.update(due_at=due_at, woken_at=None, **_FREE, **facts).where(_held(job)).execute()
    if changed != 1:
        raise LostClaim(f"job {job.id}: nothing to let go of")


def confirm(job: Job) -> None:
    """Makes sure that a claim holds, and keeps it so until the transaction ends. Raises LostClaim.

    Whoever changes a job and its attempt begins here, with the job: in another order, two could wait for each other.
    """
    if not holds(job):
        raise LostClaim(f"job {job.id} was taken away")


def holds(job: Job) -> bool:
    """Whether a claim holds; if it does, it will until the transaction ends."""
    return bool(list(Job.select(Job.id).where(_held(job)).for_update()))


def finish(job: Job, reason: str, file_id: str | None = None) -> None:
    """Delivered. The caller captures the debit in the same transaction."""
    _move(job, _held(job), ("done", None), reason, finished_at=NOW, file_id=file_id)


def fail(job: Job, reason: str, category: str, subtype: str = "", actor: str | None = None) -> None:
    """Gives the job up, claimed or not. The caller refunds the debit in the same transaction."""
    guard = _held(job) if job.claim_token else _untouched(job)
    why = {"failure_category": category, "failure_subtype": subtype}
    _move(job, guard, ("failed", None), reason, actor, finished_at=NOW, **why)


def cancel(job: Job, reason: str, actor: str) -> None:
    """Withdraws a job that no worker has taken up. The caller refunds the debit in the same transaction."""
    _move(job, _untouched(job), ("cancelled", None), reason, actor=actor, finished_at=NOW)


def _held(job: Job) -> Expression:
    return (Job.id == job.id) & (Job.claim_token == job.claim_token) & (Job.stage == job.stage)


def _untouched(job: Job) -> Expression:
    same_stage = Job.stage.is_null() if job.stage is None else Job.stage == job.stage
    return (Job.id == job.id) & (Job.status == job.status) & same_stage & Job.claim_token.is_null()


def _move(
    job: Job, guard: Expression, to: tuple[str, str | None], reason: str, actor: str | None = None, **changes: Any
) -> None:
    status, stage = to
    free = {"woken_at": None, "held_at": None, **_FREE}
    changed = Job.update(**{**free, **changes}, status=status, stage=stage).where(guard).execute()
    if changed != 1:
        raise LostClaim(f"job {job.id} is no longer in {state(job)} under this claim ({reason})")
    category, actor = changes.get("failure_category", ""), actor or job.claimed_by or "scheduler"
    _record(job.id, (job.status, job.stage), to, reason, actor, category=category)


# How long the job has been where it comes from, and how long there has been a job. A retry is no new stage.
_SPENT = (
    SQL("""extract(epoch FROM at - (SELECT max(e.at) FROM job_events e WHERE e.job_id = job_events.job_id
        AND coalesce(e.from_stage, e.from_status) IS DISTINCT FROM coalesce(e.to_stage, e.to_status)))"""),
    SQL("extract(epoch FROM at - (SELECT created_at FROM jobs WHERE id = job_id))"),
)

_Place = tuple[str | None, str | None]


def _record(job_id: int, start: _Place, to: _Place, reason: str, actor: str, *, category: str = "") -> None:
    event = JobEvent.insert(
        job=job_id,
        from_status=start[0],
        from_stage=start[1],
        to_status=to[0],
        to_stage=to[1],
        reason=reason[:1000],
        actor=actor,
    )
    [spent] = event.returning(*_SPENT).tuples().execute()
    in_stage, in_all = (clock.unscaled(float(seconds or 0.0)) for seconds in spent)
    before, after = start[1] or start[0] or "new", to[1] or to[0] or ""

    def committed() -> None:
        metrics.moved(before, after, category, in_stage, in_all)
        log.info("job %s: %s > %s: %s", job_id, before, after, reason, extra={"job_id": job_id, "stage": after})

    db.after_commit(committed)


def call_back(job_id: int) -> bool:
    """KIE says that the job's task has ended: it is due now, even while somebody is looking at it. Whether a look must be sent."""
    rendering = (Job.id == job_id) & (Job.stage == "render")
    rows = Job.update(due_at=NOW, woken_at=NOW).where(rendering).returning(Job.claim_token).execute()
    return any(row.claim_token is None for row in rows)


def hurry(job_id: int) -> bool:
    """Makes an open job that nobody has claimed due now; False when it is not such a one. Not a move."""
    free = (Job.id == job_id) & Job.status.in_(OPEN) & Job.claim_token.is_null()
    return bool(Job.update(due_at=NOW, woken_at=None).where(free).execute())


def wake_due(stage: str, limit: int, lease: float) -> list[int]:
    """Marks due, free jobs whose next step is `stage` as woken and returns their ids, in their turns.

    A job woken less than `lease` real seconds ago is left alone: its message is still on the way.
    """
    due = (
        Job.select(Job.id)
        .where(_waiting(stage) & (Job.woken_at.is_null() | (Job.woken_at < clock.in_real(-lease))))
        .order_by(Job.turn_at, Job.id)
        .limit(limit)
        .for_update("FOR UPDATE SKIP LOCKED")
    )
    rows = Job.update(woken_at=NOW).where(Job.id.in_(due)).returning(Job.id, Job.turn_at).execute()
    return [job.id for job in sorted(rows, key=lambda job: (job.turn_at, job.id))]


def anybody_waits(stage: str) -> bool:
    """Whether a job that has not been woken wants `stage` now."""
    return bool(Job.select(Job.id).where(_waiting(stage) & Job.woken_at.is_null()).exists())


def called_up(lease: float) -> int:
    """How many jobs were woken to be submitted less than `lease` real seconds ago and have not asked the provider yet."""
    asking = ProviderAttempt.select(ProviderAttempt.job).where(ProviderAttempt.state == "submitting")
    woken = (Job.woken_at > Job.due_at) & (Job.woken_at > clock.in_real(-lease))
    return int(
        Job.select()
        .where((Job.status == "processing") & (Job.stage == "submit") & woken & Job.id.not_in(asking))
        .count()
    )


def jumps_the_queue(job: Job) -> bool:
    """Whether a claimed job comes straight from its script while others wait to be submitted whose turn is before its own."""
    if job.woken_at is None or job.woken_at > job.due_at:
        return False
    return bool(Job.select(Job.id).where(_waiting("submit") & (Job.turn_at < job.turn_at)).exists())


def new_process_id(host: str, pid: int) -> str:
    """A name no other process ever had: claims of an earlier process with the same pid are not ours."""
    return f"{host}:{pid}:{uuid.uuid4().hex[:8]}"
