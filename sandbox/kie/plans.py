"""From armed faults and settings to the plan of one task."""

from collections.abc import Mapping
from typing import Any

from sandbox.faults import Fault, Faults
from sandbox.kie.settings import RUNNING_STATES, Settings
from sandbox.kie.tasks import Plan

# One fault of each row can hit a task, so that a test can arm, say, a slow render that fails and loses its callback.
ENDINGS = frozenset({"fail", "stuck", "bad_result"})
TIMINGS = frozenset({"duration", "states"})
HIDINGS = frozenset({"not_ready"})
CALLBACKS = frozenset({"callback_lost", "callback_duplicate", "callback_late"})
# What is answered instead of the truth: `code` before anything happens, `false_error` after the task was made.
ANSWERS = frozenset({"code"})
LIES = frozenset({"false_error"})
KINDS = ENDINGS | TIMINGS | HIDINGS | CALLBACKS | ANSWERS | LIES
BAD_RESULTS = ("html", "empty", "endless", "not_video", "404")


def plan_task(faults: Faults, settings: Settings, context: Mapping[str, object]) -> tuple[Plan, str]:
    """The plan of a new task, and a note naming the faults that shaped it."""
    plan = Plan(settings.render_time(), tuple(settings.states))
    taken = []
    for kinds in (ENDINGS, TIMINGS, HIDINGS, CALLBACKS):
        if fault := faults.take("kie", "createTask", kinds=kinds, **context):
            _SHAPES[fault.kind](plan, fault.params)
            taken.append(fault)
    return plan, note_of(*taken)


def check_fault(fault: Fault) -> None:
    """Raise ValueError for params that a KIE fault can't be made of."""
    if fault.kind == "bad_result" and fault.params.get("what", "404") not in BAD_RESULTS:
        raise ValueError(f"params.what must be one of {BAD_RESULTS}")
    if fault.kind == "states" and not set(fault.params.get("states", RUNNING_STATES)) <= set(RUNNING_STATES):
        raise ValueError(f"params.states must be some of {RUNNING_STATES}")
    if fault.kind == "duration" and not isinstance(fault.params.get("seconds"), (int, float)):
        raise ValueError("params.seconds must be a number")


def note_of(*faults: Fault) -> str:
    """The journal's note for faults that were taken."""
    return "; ".join(f"fault {fault.kind}" for fault in faults)


def _fail(plan: Plan, params: Mapping[str, Any]) -> None:
    plan.fail(params.get("failCode", "500"), params.get("failMsg", "Internal Error, Please try again later."))
    # A moderated task fails sooner than a good one renders.
    plan.seconds = float(params.get("seconds", plan.seconds))


def _stuck(plan: Plan, params: Mapping[str, Any]) -> None:
    plan.ending = "stuck"
    plan.states = (str(params.get("state", "waiting")),)


def _bad_result(plan: Plan, params: Mapping[str, Any]) -> None:
    plan.bad_result = {"what": "404", **params}


def _duration(plan: Plan, params: Mapping[str, Any]) -> None:
    plan.seconds = float(params["seconds"])


def _states(plan: Plan, params: Mapping[str, Any]) -> None:
    plan.states = tuple(params.get("states", RUNNING_STATES))


def _not_ready(plan: Plan, params: Mapping[str, Any]) -> None:
    plan.hidden_polls = int(params.get("n", 1))


def _callback_lost(plan: Plan, _params: Mapping[str, Any]) -> None:
    plan.callback_copies = 0


def _callback_duplicate(plan: Plan, params: Mapping[str, Any]) -> None:
    plan.callback_copies = int(params.get("copies", 2))


def _callback_late(plan: Plan, params: Mapping[str, Any]) -> None:
    plan.callback_late = float(params.get("seconds", 60))


_SHAPES = {
    "fail": _fail,
    "stuck": _stuck,
    "bad_result": _bad_result,
    "duration": _duration,
    "states": _states,
    "not_ready": _not_ready,
    "callback_lost": _callback_lost,
    "callback_duplicate": _callback_duplicate,
    "callback_late": _callback_late,
}
