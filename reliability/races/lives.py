"""Races for one job in each of its stages: each function prepares one and says who competes and how its course is known.

Whether the job was settled exactly once is checked for a whole batch: `Shop.end_batch`.
"""

from collections.abc import Callable, Mapping
from functools import partial

from neurocards import attempts, endings, jobs, maintenance, orders, pipeline, settlement, web
from neurocards.clients.kie import TaskRecord
from neurocards.db import db
from neurocards.models import Job, JobEvent, ProviderAttempt
from reliability.races.arena import Act, Race, Results, between, only_winner
from reliability.races.shop import FACTS, OVERDUE, Held, Shop, last_event, moves
from reliability.stateful.model import demand
from reliability.stateful.troubles import LOST, TROUBLES

# How a contender's move is signed in the job's events: the beginning of its reason.
SIGNS = {
    "cancelled by": "cancel",
    "taken up": "take up",
    "deadline passed": "expire",
    "its worker died": "reclaim",
    "its worker could not": "beat",
    "prompt:": "write",
    "answer lost": "lost answer",
    "task accepted": "accepted",
    "video ready": "ready",
    "went on": "write",
    "delivered": "deliver",
    "USER_ERROR": "refused",
    "UNKNOWN": "crashed",
    "TEMPORARY": "no video",
}


def _course(held: Held, _results: Results) -> str:
    """Whose moves were made, in their order."""
    return " > ".join(_mover(move.reason) for move in _fenced(held))


def _mover(reason: str) -> str:
    return next(name for sign, name in SIGNS.items() if reason.startswith(sign))


def _fenced(held: Held) -> list[JobEvent]:
    """The moves of the race; raises AssertionError when the first worker made one after its job had been taken from it."""
    made, lost = moves(held.job.id, held.last), False
    for move in made:
        demand(not lost or move.actor != held.job.claimed_by, f"job {held.job.id} was moved under a lost claim")
        lost = lost or _mover(move.reason) in ("reclaim", "beat")
    return made


def _about(held: Held, acts: Mapping[str, Act], judge: Callable[[Results], str] | None = None) -> Race:
    """A callback moves nothing: whether it came first is not always seen."""
    return Race(acts, judge or partial(_course, held), frozenset(acts) - {"callback"})


def same_job(stage: str, shop: Shop) -> Race:
    """A message that came four times is taken up once."""
    held = shop.held(stage, free=True)

    def take(process: str) -> object:
        with db:
            if stage == "render":
                return jobs.claim_renders([held.job.id], process)
            return jobs.claim(held.job.id, stage, process)

    return between({process: partial(take, process) for process in ("A", "B", "C", "D")})


def late_write(stage: str, shop: Shop) -> Race:
    """A worker that was only frozen wakes up while its job is given to another: one of the two goes on with it."""
    held, following = shop.held(stage), (*jobs.STAGES, "done")[jobs.STAGES.index(stage) + 1]

    def write(job: Job) -> None:
        if stage == "deliver":
            endings.delivered(job, "file")
            return
        with db:
            jobs.forward(job, following, "went on", **FACTS[following])

    def succeed() -> bool:
        maintenance.reclaim(shop.leader)
        with db:
            renders = jobs.claim_renders([held.job.id], "w2") if stage == "render" else []
            job = next(iter(renders), None) or jobs.claim(held.job.id, stage, "w2")
        if job is not None:
            write(job)
        return job is not None

    def late() -> bool:
        write(held.job)
        return True

    def judge(results: Results) -> str:
        _fenced(held)
        return only_winner(results)

    acts: dict[str, Act] = {"frozen worker": late, "successor": succeed}
    return Race(acts, judge, frozenset(acts))


def queued_job(shop: Shop) -> Race:
    """Cancelled, taken up, or refused by its deadline."""
    order = shop.order()
    with db:
        job = Job.get(Job.order == order.id)
        Job.update(**OVERDUE).where(Job.id == job.id).execute()
        held = Held(job, None, last_event(job.id))
    cancel, take_up = partial(orders.cancel, order.user_id, order.id), partial(_take_up, job.id)
    return _about(held, {"cancel": cancel, "take up": take_up, "expire": partial(maintenance.expire, shop.leader)})


def _take_up(job_id: int) -> Job | None:
    with db:
        return jobs.claim(job_id, "script", "A")


def _write_prompt(job: Job) -> None:
    with db:
        jobs.forward(job, "submit", "prompt: gpt", **FACTS["submit"])


def script_job(shop: Shop) -> Race:
    """The prompt is there, or refused, while the worker is taken for dead and the deadline passes."""
    held = shop.held("script", **OVERDUE)
    return _about(held, {"write": partial(_write_prompt, held.job), **_refused(shop, held), **_leader(shop)})


def _leader(shop: Shop) -> dict[str, Act]:
    return {
        "reclaim": partial(maintenance.reclaim, shop.leader),
        "expire": partial(maintenance.expire, shop.leader),
    }


def _refused(shop: Shop, held: Held) -> dict[str, Act]:
    return {"refused": partial(settlement.settle, shop.worker, held.job, TROUBLES["faces"].failure)}


def _callback(shop: Shop, held: Held, task: str) -> Act:
    nonce = held.attempt.nonce if held.attempt else ""
    return partial(web.take_callback, nonce, {"data": {"taskId": task}}, shop.worker.settings.admins)


def lost_answer(shop: Shop) -> Race:
    """KIE's answer is lost, its callback comes, the worker is taken for dead, and the deadline passes."""
    held = shop.asked(**OVERDUE)
    acts: dict[str, Act] = {
        "lost answer": partial(settlement.settle, shop.worker, held.job, LOST.failure),
        "callback": _callback(shop, held, task := f"task-{held.job.id}"),
        **_leader(shop),
    }

    def judge(results: Results) -> str:
        with db:
            attempt = ProviderAttempt.get(ProviderAttempt.job == held.job.id)
        known = {"running": task, "abandoned": attempt.task_id}.get(attempt.state)
        demand(known == attempt.task_id, f"the task is {attempt.task_id} in {attempt.state}")
        return _course(held, results)

    return _about(held, acts, judge)


def refused_task(shop: Shop) -> Race:
    """KIE refuses for good, and yet a callback comes."""
    held = shop.asked(**OVERDUE)
    return _about(held, {**_refused(shop, held), "callback": _callback(shop, held, "task-x"), **_leader(shop)})


def accepted_task(shop: Shop) -> Race:
    """KIE accepts, calls back at once, and somebody forges another task's id with a nonce that was seen."""
    held, task = shop.asked(**OVERDUE), "task-accepted"

    def accept() -> None:
        if held.attempt:
            pipeline._keep_task(held.attempt, f"{task}-{held.job.id}")
        pipeline._rendering(held.job, 18.0)

    def judge(results: Results) -> str:
        with db:
            attempt = ProviderAttempt.get(ProviderAttempt.job == held.job.id)
            later = attempts.adopt(attempt.nonce, "task-later")
        demand(attempt.task_id or attempt.state == "abandoned", f"a task was forgotten in {attempt.state}")
        demand(later is None or not attempt.task_id, "a task was replaced by another")
        return _course(held, results)

    callback = _callback(shop, held, f"{task}-{held.job.id}")
    return _about(held, {"accepted": accept, "callback": callback, **_leader(shop)}, judge)


def finished_render(shop: Shop) -> Race:
    """The video is ready, or refused, as the callback says so too, the worker is taken for dead and the deadline passes."""
    held = shop.held("render", **OVERDUE)
    record = TaskRecord("success", FACTS["deliver"]["result_url"])
    acts: dict[str, Act] = {
        "ready": partial(pipeline._judge, held.job, held.attempt, record),
        **_refused(shop, held),
        "callback": _callback(shop, held, f"task-{held.job.id}"),
        **_leader(shop),
    }
    return _about(held, acts)


def delivery(shop: Shop) -> Race:
    """The video is handed over while the worker is taken for dead for the last time: captured or refunded, never both."""
    held = shop.held("deliver", reclaims=jobs.MAX_RECLAIMS, **OVERDUE)
    acts: dict[str, Act] = {
        "deliver": partial(endings.delivered, held.job, "file"),
        "callback": _callback(shop, held, f"task-{held.job.id}"),
        "reclaim": partial(maintenance.reclaim, shop.leader),
    }
    return _about(held, acts)


def failed_delivery(shop: Shop) -> Race:
    """Handed over after all, or no video and no attempt left, or free again and overdue."""
    held = shop.held("deliver", render_attempts=3, **OVERDUE)
    acts: dict[str, Act] = {
        "deliver": partial(endings.delivered, held.job, "file"),
        "no video": partial(settlement.settle, shop.worker, held.job, TROUBLES["not_a_video"].failure),
        **_leader(shop),
    }
    return _about(held, acts)


def dropped_claim(shop: Shop) -> Race:
    """A process gives back what it thinks nobody holds, while one of its threads still settles it."""
    held = shop.held("deliver", shop.worker.process)
    acts: dict[str, Act] = {
        "deliver": partial(endings.delivered, held.job, "file"),
        "beat": partial(maintenance.beat, shop.worker),
        "reclaim": partial(maintenance.reclaim, shop.leader),
    }
    return _about(held, acts)
