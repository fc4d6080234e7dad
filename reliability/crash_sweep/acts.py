"""The parts that scenarios are put together from: what comes before, what a person does, and what is killed while it runs."""

from collections.abc import Callable
from typing import Any

from neurocards import (
    attempts,
    broadcasts,
    clock,
    dispatch,
    jobs,
    key_health,
    maintenance,
    metrics,
    operators,
    outages,
    outbox,
    samples,
)
from neurocards.buttons import data
from neurocards.db import db
from neurocards.models import ApiKey, Job, Pause
from neurocards.schedule import Scheduler
from reliability.crash_sweep.elapse import let_pass
from reliability.crash_sweep.play import A_DAY, GHOST, PHOTO, Play
from reliability.crash_sweep.testbed import OPERATOR
from sandbox.client import User

Notes = dict[str, Any]
Prepare = Callable[[Play], object]
Act = Callable[[Play], None]

# An outage as long as no scenario's recovery takes (seconds).
LONG_PAUSE = 600.0

# What comes before ----------------------------------------------------------------------------------------------------


def nothing(_play: Play) -> None:
    """The customer has said /start and no more."""


def at(stage: str, count: int = 1) -> Prepare:
    """An order whose jobs are all due in `stage`."""

    def prepare(play: Play) -> None:
        play.order(stage, count)
        play.make_due()

    return prepare


def ghost_died(play: Play) -> None:
    """Orders in every stage, in the hands of a process that has been silent for a minute."""
    play.everywhere()
    let_pass(60)


def ghost_kills(play: Play) -> None:
    """As before, and the jobs have brought down their workers as often as they may."""
    ghost_died(play)
    with db:
        Job.update(reclaims=jobs.MAX_RECLAIMS).execute()


def all_free(play: Play) -> None:
    """Orders in every stage, due and in nobody's hands."""
    ghost_died(play)
    maintenance.reclaim(play.worker.app)
    let_pass(20)


def too_late(play: Play) -> None:
    """As before, past their deadlines."""
    all_free(play)
    let_pass(3600)


def quarantined(play: Play) -> None:
    """A key is out, and its time for a probe has come."""
    play.worker.app.keys.enrol()
    with db:
        first = ApiKey.select().order_by(ApiKey.fingerprint).first()
        key_health.quarantine(first.fingerprint, "no credit")
    let_pass(120)


def enrolled(play: Play) -> None:
    """The keys have their rows, and nobody has asked for their credit."""
    play.worker.app.keys.enrol()


def paused(play: Play) -> None:
    """An order is due at KIE's door, and KIE is down for longer than a restart takes."""
    at("submit")(play)
    with db:
        Pause.insert(provider="kie", reason="Service is under maintenance", until=clock.after(LONG_PAUSE)).execute()


def held_back(play: Play) -> None:
    """Three jobs have waited for the end of an outage, and now one of them may ask."""
    at("submit", 3)(play)
    with db:
        outages.pause("kie", "Service is under maintenance")
    for job in play.notes["jobs"]:
        dispatch.send("submit", job)
    play.worker.drain()
    let_pass(outages.PAUSE + 1)


def failed(play: Play) -> None:
    """An order has failed, and its customer has not been told."""
    play.order("failed")


def alarmed(_play: Play) -> None:
    """The operators have not been told of something."""
    with db:
        outbox.alert((OPERATOR,), "billing:kie", text="Insufficient credits")


def asked(play: Play) -> None:
    """An operator has asked for credits for the customer, and has not said yes."""
    play.note(asked=operators.ask_grant(OPERATOR, play.customer, 5, "paid"))


def announced(play: Play) -> None:
    """A broadcast has been started, and nobody has been told."""
    broadcasts.start(OPERATOR, broadcasts.draft(OPERATOR, "Новые шаблоны!").id)


def called_back(play: Play) -> None:
    """KIE has called about an order's task, and nobody has listened yet."""
    play.order("render")
    with db:
        attempt = attempts.live(play.notes["jobs"][0])
    play.note(calls=[play.call_to(attempt.nonce if attempt else "")])


def called_too_late(play: Play) -> None:
    """As before, and the order was given up meanwhile."""
    called_back(play)
    let_pass(jobs.DEADLINE + 60)
    maintenance.expire(play.worker.app)


def long_done(play: Play) -> None:
    """An order was delivered eight days ago, and its customer was told everything."""
    play.order("done")
    let_pass(outbox.CARD_PAUSE + 20)
    maintenance.wake(play.worker.app, 1.0)
    play.worker.drain()
    let_pass(8 * A_DAY)


# What a person does ---------------------------------------------------------------------------------------------------


def launches(user: User, notes: Notes) -> None:
    """Confirms the draft."""
    user.tap(notes["card"], data=data("run", notes["draft"], notes["version"]), forged=True)


def cancels(user: User, notes: Notes) -> None:
    """Withdraws the order."""
    user.tap(notes["card"], data=data("cancel", notes["order"]), forged=True)


def says_yes(user: User, notes: Notes) -> None:
    """The operator agrees to what they asked."""
    boss = user.client.user(id=OPERATOR)
    boss.say("/stats")
    boss.tap(boss.last_message_ids[-1], data=data("op-yes", notes["asked"]), forged=True)


def describes(user: User, _notes: Notes) -> None:
    """Answers the question for a description."""
    user.say("Кружка с ручкой, 300 мл")


def sends_photo(user: User, _notes: Notes) -> None:
    """Begins an order."""
    user.photo(PHOTO)


def wants_another(user: User, notes: Notes) -> None:
    """Asks for one more video of the same product."""
    user.tap(notes["card"], data=data("again", notes["order"]), forged=True)


def brings_a_friend(user: User, _notes: Notes) -> None:
    """Somebody writes for the first time, and is given credits."""
    user.client.user(id=user.id + 1000).say("/start")


# What is killed -------------------------------------------------------------------------------------------------------


def look_at(name: str) -> Act:
    """A worker takes the message about the order's first job."""

    def act(play: Play) -> None:
        ids = play.notes["jobs"]
        play.message(name, ids if name == "check" else ids[0])

    return act


def serve(acknowledge_first: bool = False) -> Act:
    """The bot fetches, keeps and handles what Telegram has for it."""

    def act(play: Play) -> None:
        bot = play.bot
        with play.points.armed():
            bot.serve(acknowledge_first)

    return act


def sweep(part: str) -> Act:
    """The leader runs one of its sweeps."""

    def act(play: Play) -> None:
        app = play.worker.app
        with play.points.armed():
            maintenance.wake(app, 1.0) if part == "wake" else getattr(maintenance, part)(app)

    return act


def give_back(part: str) -> Act:
    """A worker gives back what it holds."""

    def act(play: Play) -> None:
        process = play.worker.app.process
        with db:
            Job.update(claimed_by=process).where(Job.claimed_by == GHOST).execute()
        sweep(part)(play)

    return act


def take_lead(play: Play) -> None:
    """A worker process begins to beat, takes the lead and does a leader's first round."""
    scheduler = Scheduler(play.worker.app)
    with play.points.armed():
        scheduler.beat()
        scheduler.tick()


def save_figures(play: Play) -> None:
    """A process adds what it has counted to the figures of all."""
    _ = play.worker
    metrics.VIDEOS.inc()
    with play.points.armed():
        samples.of_this_process.save()


def prune(play: Play) -> None:
    """The leader forgets what is old."""
    _ = play.worker
    with play.points.armed():
        maintenance.prune()


def tell(kind: str, name: str = "tell") -> Act:
    """A worker takes the message about the outbox row of this kind."""

    def act(play: Play) -> None:
        _ = play.worker
        play.message(name, play.told(kind))

    return act


def be_called(play: Play) -> None:
    """The bot's HTTP side takes KIE's call."""
    play.callback(play.notes["calls"][0])
