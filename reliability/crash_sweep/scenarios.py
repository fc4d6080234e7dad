"""What is killed: one entry for each thing the product does, with what comes before it and how it must end all the same."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from reliability.crash_sweep import acts
from reliability.crash_sweep.acts import Act, Notes, Prepare, at, look_at, serve, sweep, tell
from sandbox.client import User

Params = dict[str, Any]
BUSY: Params = {"code": 500, "msg": "Server exception, please try again later"}
FACES: Params = {"code": 400, "msg": "Image contains faces."}
PEOPLE: Params = {"failCode": "400", "failMsg": "This image contains photorealistic people.", "seconds": 0.01}
INTERNAL: Params = {"failCode": "500", "failMsg": "Internal Error, Please try again later.", "seconds": 0.01}
# The first of the configured models: gone for everybody who asks for it, however often.
NO_MODEL: Params = {
    "code": 422, "msg": "The model name you specified is not supported. Please verify your input.",
    "match": {"model": "bytedance/seedance-1.5-pro"},
}  # fmt: skip


@dataclass(frozen=True)
class Fault:
    """A vendor's failure that strikes `times` (-1: for ever)."""

    service: str
    endpoint: str
    kind: str
    times: int = 1
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Scenario:
    """`prepare` makes the rows all runs begin with; `people` is what a person does before each run; `act` has the armed part.

    `ends` are the states all jobs must have in the end, `faults` strike in the runs, `spoiled` while preparing. `credits` are
    those of KIE's accounts in the runs that don't have plenty. `varying` is a pattern of what may be told otherwise after a
    crash. What must be told of a failure must not pass with it: the vendors' failures that are written down (a key without
    credit, a model that is gone) last.
    """

    prepare: Prepare
    act: Act
    ends: tuple[str, ...] = ("done",)
    people: Callable[[User, Notes], object] = lambda _user, _notes: None
    faults: tuple[Fault, ...] = ()
    spoiled: tuple[Fault, ...] = ()
    credits: Mapping[str, float] = field(default_factory=dict)
    varying: str = "$^"
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def callbacks(self) -> bool:
        """Whether KIE calls back: a task whose id was lost is then found again."""
        return self.settings.get("PUBLIC_BASE_URL") != ""


def _creating(kind: str, times: int = 1, **params: Any) -> tuple[Fault, ...]:
    return (Fault("kie", "createTask", kind, times, params),)


def _submitting(
    *faults: Fault, ends: tuple[str, ...] = ("done",), callbacks: bool = True, broke: tuple[str, ...] = ()
) -> Scenario:
    settings = {} if callbacks else {"PUBLIC_BASE_URL": ""}
    return Scenario(
        at("submit", len(ends)), look_at("submit"), ends, faults=faults, settings=settings, credits=dict.fromkeys(broke, 0.0)
    )  # fmt: skip


def _rendering(*spoiled: Fault, ends: tuple[str, ...] = ("done",)) -> Scenario:
    return Scenario(at("render"), look_at("check"), ends, spoiled=spoiled)


def _delivering(*faults: Fault, **more: Any) -> Scenario:
    return Scenario(at("deliver"), look_at("deliver"), faults=faults, **more)


def _scripting(*faults: Fault, ends: tuple[str, ...] = ("done",)) -> Scenario:
    return Scenario(at("queued"), look_at("script"), ends, faults=faults)


def _gpt(kind: str, **params: Any) -> Fault:
    return Fault("openai", "chat/completions", kind, -1, params)


_LOST = _creating("lost_reply")
_THREE, _FIVE = 3, 5

SCENARIOS: dict[str, Scenario] = {
    # the bot
    # The gift is named as a gift by whoever gave it; a bot that comes after it names it as the balance.
    "welcome": Scenario(acts.nothing, serve(), (), acts.brings_a_friend, varying=r"\n\n(🎁|💳)[^\n]*"),
    "photo": Scenario(acts.nothing, serve(), (), acts.sends_photo),
    "intake": Scenario(lambda play: play.draft(state="description", description=None), serve(), (), acts.describes),
    "confirm": Scenario(lambda play: play.draft(3), serve(), ("done",) * _THREE, acts.launches),
    "confirm_acknowledged": Scenario(lambda play: play.draft(), serve(True), people=acts.launches),
    "cancel": Scenario(lambda play: play.order(count=3), serve(), ("cancelled",) * _THREE, acts.cancels),
    "again": Scenario(lambda play: play.order("done"), serve(), people=acts.wants_another),
    "operators_grant": Scenario(acts.asked, serve(), (), acts.says_yes),
    "callback_adopts": Scenario(acts.called_back, acts.be_called, spoiled=_LOST),
    "callback_hints": Scenario(acts.called_back, acts.be_called),
    "callback_too_late": Scenario(acts.called_too_late, acts.be_called, ("failed",)),
    # the stages, when all goes well
    "script": _scripting(),
    "submit": _submitting(),
    "submit_without_callbacks": _submitting(callbacks=False),
    "check": _rendering(),
    "check_too_early": Scenario(at("render"), look_at("check"), faults=(Fault("kie", "recordInfo", "not_ready", 1, {"n": 1}),)),
    "deliver": _delivering(),
    # what goes wrong, as settled
    "refund_in_script": _scripting(_gpt("refusal", text="I can't help with that."), ends=("failed",)),
    "refund_in_submit": _submitting(*_creating("code", -1, **FACES), ends=("failed",)),
    "refund_in_render": _rendering(*_creating("fail", **PEOPLE), ends=("failed",)),
    "script_without_gpt": _scripting(_gpt("error", row="insufficient_quota")),
    "temporary_in_submit": _submitting(*_creating("code", **BUSY)),
    "temporary_in_render": _rendering(*_creating("fail", **INTERNAL)),
    "temporary_in_deliver": _delivering(Fault("telegram", "sendVideo", "internal")),
    "maintenance": _submitting(*_creating("code", code=455, msg="Service is under maintenance")),
    "outage_holds": Scenario(acts.paused, look_at("submit")),
    "outage_ends": Scenario(acts.held_back, look_at("submit"), ("done",) * _THREE),
    "rate_limit": _submitting(*_creating("code", code=429, msg="Your call frequency is too high.")),
    # Five jobs, so that the key without credit is asked again whenever nobody noted its answer.
    "billing": _submitting(ends=("done",) * _FIVE, broke=("one",)),
    "billing_everywhere": _submitting(ends=("failed",), broke=("one", "two")),
    "configuration": _submitting(*_creating("code", -1, **NO_MODEL)),
    "unknown": _submitting(*_creating("code", -1, code=599, msg="The frobnicator declined"), ends=("failed",)),
    "ambiguous": _submitting(*_LOST),
    "ambiguous_without_callbacks": _submitting(*_LOST, callbacks=False),
    "ambiguous_delivery": _delivering(Fault("telegram", "sendVideo", "lost_reply")),
    "blocked": _delivering(Fault("telegram", "sendVideo", "blocked", -1)),
    "bad_result": _delivering(spoiled=_creating("bad_result", what="html")),
    # the sweeps
    "lead": Scenario(acts.all_free, acts.take_lead, ("done",) * _FIVE),
    "wake": Scenario(acts.all_free, sweep("wake"), ("done",) * _FIVE),
    "reclaim": Scenario(acts.ghost_died, sweep("reclaim"), ("done",) * _FIVE),
    "reclaim_too_often": Scenario(acts.ghost_kills, sweep("reclaim"), ("failed",) * _FIVE),
    "expire": Scenario(acts.too_late, sweep("expire"), ("failed",) * _FIVE),
    "beat": Scenario(acts.ghost_died, acts.give_back("beat"), ("done",) * _FIVE),
    "leave": Scenario(acts.ghost_died, acts.give_back("leave"), ("done",) * _FIVE),
    "probe": Scenario(acts.quarantined, sweep("probe"), ()),
    "credit": Scenario(acts.enrolled, sweep("look_at_credit"), (), credits={"one": 500.0, "two": 500.0}),
    "audit": Scenario(acts.all_free, sweep("audit_books"), ("done",) * _FIVE),
    "prune": Scenario(acts.long_done, acts.prune),
    "figures": Scenario(acts.all_free, acts.save_figures, ("done",) * _FIVE),
    # telling
    "tell_card": Scenario(lambda play: play.order(), tell("card")),
    "tell_new_card": Scenario(lambda play: play.order(card=False), tell("card")),
    "tell_notice": Scenario(acts.failed, tell("notice"), ("failed",), spoiled=_creating("code", -1, **FACES)),
    "tell_alert": Scenario(acts.alarmed, tell("alert"), ()),
    "tell_everybody": Scenario(acts.announced, tell("broadcast", "announce"), ()),
}  # fmt: skip
