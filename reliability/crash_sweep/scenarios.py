"""What is killed: one entry for each thing the product does, with what comes before it and how it must end all the same."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from neurocards import attempts, key_health, maintenance, outbox
from neurocards.buttons import data
from neurocards.db import db
from neurocards.models import ApiKey, Job
from reliability.crash_sweep.elapse import let_pass
from reliability.crash_sweep.play import GHOST, Play
from reliability.crash_sweep.testbed import OPERATOR
from sandbox.client import User

Notes = dict[str, Any]
BUSY: Notes = {"code": 500, "msg": "Server exception, please try again later"}
FACES: Notes = {"code": 400, "msg": "Image contains faces."}


@dataclass(frozen=True)
class Fault:
    """A vendor's failure, armed before each run, or `in_preparation` only."""

    service: str
    endpoint: str
    kind: str
    times: int = 1
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Scenario:
    """`prepare` makes the rows all runs begin with; `people` is what a person does before each run; `act` has the armed part.

    `ends` are the states all jobs must have in the end, `faults` strike in the runs, `spoiled` while preparing.
    """

    prepare: Callable[[Play], object]
    act: Callable[[Play], None]
    ends: tuple[str, ...] = ("done",)
    people: Callable[[User, Notes], object] = lambda _user, _notes: None
    faults: tuple[Fault, ...] = ()
    spoiled: tuple[Fault, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)


def _at(stage: str, count: int = 1) -> Callable[[Play], object]:
    def prepare(play: Play) -> None:
        play.order(stage, count)
        play.make_due()

    return prepare


def _look_at(name: str) -> Callable[[Play], None]:
    def act(play: Play) -> None:
        jobs = play.notes["jobs"]
        play.message(name, jobs if name == "check" else jobs[0])

    return act


def _serve(acknowledge_first: bool) -> Callable[[Play], None]:
    def act(play: Play) -> None:
        bot = play.bot
        with play.points.armed():
            bot.serve(acknowledge_first)

    return act


def _sweep(part: str) -> Callable[[Play], None]:
    def act(play: Play) -> None:
        app = play.worker.app
        with play.points.armed():
            maintenance.wake(app, 1.0) if part == "wake" else getattr(maintenance, part)(app)

    return act


def _tell(kind: str) -> Callable[[Play], None]:
    def act(play: Play) -> None:
        _ = play.worker
        play.message("tell", play.told(kind))

    return act


# People ---------------------------------------------------------------------------------------------------------------


def _launches(user: User, notes: Notes) -> None:
    user.tap(notes["card"], data=data("run", notes["draft"], notes["version"]), forged=True)


def _cancels(user: User, notes: Notes) -> None:
    user.tap(notes["card"], data=data("cancel", notes["order"]), forged=True)


def _describes(user: User, _notes: Notes) -> None:
    user.say("Кружка с ручкой, 300 мл")


# Sweeps ---------------------------------------------------------------------------------------------------------------


def _ghost_died(play: Play) -> None:
    play.everywhere()
    let_pass(60)


def _all_free(play: Play) -> None:
    _ghost_died(play)
    maintenance.reclaim(play.worker.app)
    let_pass(20)


def _too_late(play: Play) -> None:
    _all_free(play)
    let_pass(3600)


def _give_back(part: str) -> Callable[[Play], None]:
    def act(play: Play) -> None:
        process = play.worker.app.process
        with db:
            Job.update(claimed_by=process).where(Job.claimed_by == GHOST).execute()
        _sweep(part)(play)

    return act


def _quarantined(play: Play) -> None:
    play.worker.app.keys.enrol()
    with db:
        first = ApiKey.select().order_by(ApiKey.fingerprint).first()
        key_health.quarantine(first.fingerprint, "no credit")
    let_pass(120)


# Telling --------------------------------------------------------------------------------------------------------------


def _failed(play: Play) -> None:
    play.order("failed")


def _alarm(_play: Play) -> None:
    with db:
        outbox.alert((OPERATOR,), "billing:kie", text="Insufficient credits")


# Callbacks ------------------------------------------------------------------------------------------------------------


def _orphaned(play: Play) -> None:
    play.order("render")
    with db:
        attempt = attempts.live(play.notes["jobs"][0])
    play.note(calls=[play.call_to(attempt.nonce if attempt else "")])


def _called(play: Play) -> None:
    play.callback(play.notes["calls"][0])


def _creating(kind: str, times: int = 1, **params: Any) -> tuple[Fault, ...]:
    return (Fault("kie", "createTask", kind, times, params),)


def _submitting(*faults: Fault, ends: tuple[str, ...] = ("done",), callbacks: bool = True) -> Scenario:
    settings = {} if callbacks else {"PUBLIC_BASE_URL": ""}
    return Scenario(_at("submit"), _look_at("submit"), ends, faults=faults, settings=settings)


def _rendering(*spoiled: Fault, ends: tuple[str, ...] = ("done",)) -> Scenario:
    return Scenario(_at("render"), _look_at("check"), ends, spoiled=spoiled)


def _delivering(*faults: Fault, **more: Any) -> Scenario:
    return Scenario(_at("deliver"), _look_at("deliver"), faults=faults, **more)


_LOST = _creating("lost_reply")

SCENARIOS: dict[str, Scenario] = {
    # the bot
    "intake": Scenario(lambda play: play.draft(state="description", description=None), _serve(False), (), _describes),
    "confirm": Scenario(lambda play: play.draft(3), _serve(False), ("done",) * 3, _launches),
    "confirm_acknowledged": Scenario(lambda play: play.draft(), _serve(True), ("done",), _launches),
    "cancel": Scenario(lambda play: play.order(count=3), _serve(False), ("cancelled",) * 3, _cancels),
    "callback_adopts": Scenario(_orphaned, _called, spoiled=_LOST),
    "callback_hints": Scenario(_orphaned, _called),
    # the stages, when all goes well
    "script": Scenario(_at("queued"), _look_at("script")),
    "submit": _submitting(),
    "submit_without_callbacks": _submitting(callbacks=False),
    "check": _rendering(),
    "check_too_early": Scenario(_at("render"), _look_at("check"), faults=(Fault("kie", "recordInfo", "not_ready", 1, {"n": 1}),)),
    "deliver": _delivering(),
    # what goes wrong, as settled
    "user_error_in_script": Scenario(
        _at("queued"), _look_at("script"), ("failed",),
        faults=(Fault("openai", "chat/completions", "refusal", -1, {"text": "I can't help with that."}),),
    ),
    "user_error_in_submit": _submitting(*_creating("code", -1, **FACES), ends=("failed",)),
    "user_error_in_render": _rendering(
        *_creating("fail", failCode="400", failMsg="This image contains photorealistic people.", seconds=0.01), ends=("failed",)
    ),
    "temporary_in_submit": _submitting(*_creating("code", **BUSY)),
    "temporary_in_render": _rendering(
        *_creating("fail", failCode="500", failMsg="Internal Error, Please try again later.", seconds=0.01)
    ),
    "maintenance": _submitting(*_creating("code", code=455, msg="Service is under maintenance")),
    "rate_limit": _submitting(*_creating("code", code=429, msg="Your call frequency is too high.")),
    "billing": _submitting(*_creating("code", code=402, msg="Credits insufficient")),
    "billing_everywhere": _submitting(*_creating("code", -1, code=402, msg="Credits insufficient"), ends=("failed",)),
    "configuration": _submitting(
        *_creating("code", code=422, msg="The model name you specified is not supported. Please verify your input.")
    ),
    "unknown": _submitting(*_creating("code", -1, code=599, msg="The frobnicator declined"), ends=("failed",)),
    "ambiguous": _submitting(*_LOST),
    "ambiguous_without_callbacks": _submitting(*_LOST, callbacks=False),
    "ambiguous_delivery": _delivering(Fault("telegram", "sendVideo", "lost_reply")),
    "blocked": _delivering(Fault("telegram", "sendVideo", "blocked", -1)),
    "bad_result": _delivering(spoiled=_creating("bad_result", what="html")),
    # the sweeps
    "wake": Scenario(_all_free, _sweep("wake"), ("done",) * 5),
    "reclaim": Scenario(_ghost_died, _sweep("reclaim"), ("done",) * 5),
    "expire": Scenario(_too_late, _sweep("expire"), ("failed",) * 5),
    "beat": Scenario(_ghost_died, _give_back("beat"), ("done",) * 5),
    "leave": Scenario(_ghost_died, _give_back("leave"), ("done",) * 5),
    "probe": Scenario(_quarantined, _sweep("probe"), ()),
    # telling
    "tell_card": Scenario(lambda play: play.order(), _tell("card")),
    "tell_new_card": Scenario(lambda play: play.order(card=False), _tell("card")),
    "tell_notice": Scenario(_failed, _tell("notice"), ("failed",), spoiled=_creating("code", -1, **FACES)),
    "tell_alert": Scenario(_alarm, _tell("alert"), ()),
}  # fmt: skip
