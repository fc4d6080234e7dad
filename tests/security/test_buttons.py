"""Foreign, stale and finished: every button there is, pressed by whom or when it must do nothing, gets a polite word and moves no row.

The bot's handlers run here in one thread, before a stand-in for Telegram; presses are forged as a modified client could.
"""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from telebot.types import Update

import handlers
from neurocards import attempts, buttons, drafts, endings, jobs, orders
from neurocards.clients import telegram
from neurocards.db import db
from neurocards.models import TABLES, Draft, Job, Order
from sandbox.client import SandboxClient, User
from sandbox.server import Sandbox
from tests import canaries
from tests.conftest import jobs_of, ready_draft
from tests.integration.conftest import OPERATOR, settings_with

# Whose row a button names first.
OF_DRAFT = {"go", "template", "wish", "skip", "count", "run", "replace", "drop"}
OF_ORDER = {"cancel", "again", "wishes", "restyle", "rephoto"}
OF_JOB = {"video", "file", "older"}
OF_NOTHING = {"newest", "new"}
# These name a row to begin after, or none: whoever presses sees their own.
OWN_VIEW = {"older", "newest", "new"}
MONEY = ("users", "orders", "jobs", "job_events", "ledger_entries", "provider_attempts", "photos")
VICTIM, STRANGER = 7, 8


class Bot:
    """The bot, which answers when it is told to."""

    def __init__(self, url: str) -> None:
        self._bot = telegram.connect(canaries.BOT_TOKEN, url)
        handlers.register(self._bot, handlers.Context(settings_with()))
        self._offset = 0

    def answer(self) -> None:
        """Handles every update that waits."""
        for update in telegram.get_updates(self._bot, self._offset, 0):
            self._offset = update["update_id"] + 1
            telegram.translated(self._bot.process_new_updates, [Update.de_json(update)])

    def hello(self, user: User) -> int:
        """Lets a person say /start; the id of the answer, under which buttons are pressed."""
        user.say("/start")
        self.answer()
        return user.chat()[-1].id

    def press(self, user: User, message: int, data: str, from_user: int | None = None) -> dict[str, Any]:
        """Presses what may not be there; returns the answer to the press."""
        seen = user.events()[-1]["n"]
        user.tap(message, data=data, forged=True, from_user=from_user)
        self.answer()
        [answer] = [event for event in user.events(seen) if event["kind"] == "callback_answer"]
        return answer


@pytest.fixture
def client(clean_db: str, idle_broker: Any) -> Iterator[SandboxClient]:
    """A Telegram of this test's own."""
    with Sandbox() as sandbox, SandboxClient(sandbox.url) as client:
        yield client


@pytest.fixture
def bot(client: SandboxClient) -> Bot:
    """The bot in front of it."""
    return Bot(client.url)


class Belongings:
    """What the victim has: an order that waits, one whose video came, and a draft that waits for its confirm."""

    def __init__(self) -> None:
        orders.meet(VICTIM, "Анна", "ru", 9)
        self.done = placed()
        self.video = delivered(jobs_of(self.done)[0])
        self.used = self.done.draft_key.split(":")
        self.queued = placed()
        self.draft = ready_draft(VICTIM)


def placed() -> Order:
    draft = ready_draft(VICTIM)
    return orders.place(VICTIM, VICTIM, draft.id, draft.version, None)


def delivered(job: Job) -> Job:
    """Takes a job through its life."""
    with db:
        jobs.forward(jobs.claim(job.id, "script", "w"), "submit", "x", due_in=0.0, prompt="p", prompt_source="gpt")
        taken = jobs.claim(job.id, "submit", "w")
        attempts.accepted(attempts.begin(taken, "key", "model").id, f"task-{job.id}")
        jobs.forward(taken, "render", "x", due_in=0.0)
        [taken] = jobs.claim_renders([job.id], "w")
        attempts.end(job.id, "succeeded")
        jobs.forward(taken, "deliver", "x", due_in=0.0, result_url="https://cdn.example/x.mp4")
        taken = jobs.claim(job.id, "deliver", "w")
    endings.delivered(taken, "a-file")
    return job


@pytest.fixture
def victim(client: SandboxClient, bot: Bot) -> tuple[User, int, Belongings]:
    """The victim, a message in their chat, and what they have."""
    belongings = Belongings()
    user = client.user(id=VICTIM)
    drafts.clear(VICTIM, VICTIM)
    message = bot.hello(user)
    belongings.draft = ready_draft(VICTIM)
    return user, message, belongings


def every(actions: set[str], *ids: int) -> Iterator[str]:
    """The data of all buttons of these actions: each word they can end with, their ids in the order given."""
    for action in sorted(actions):
        numbers = iter(ids)
        choices = [[next(numbers)] if part == buttons._ID else part.split("|") for part in buttons.GRAMMAR[action]]
        yield from (buttons.data(action, *arguments) for arguments in itertools.product(*choices))


def rows(*names: str, of: int | None = None) -> dict[str, list[dict[str, Any]]]:
    """The rows of some tables, or of one person."""
    found = {}
    with db:
        for model in TABLES:
            name = model._meta.table_name
            if name in names:
                mine = model.select() if of is None else model.select().where(model.user_id == of)
                found[name] = list(mine.order_by(model._meta.primary_key).dicts())
    return found


def test_every_button_is_in_this_matrix():
    groups = (OF_DRAFT, OF_ORDER, OF_JOB, OF_NOTHING)
    assert set().union(*groups) == set(buttons.GRAMMAR) == set(handlers.OF_DRAFT) | set(handlers.OTHERS)
    assert sum(map(len, groups)) == len(buttons.GRAMMAR)


def foreign(what: Belongings) -> list[str]:
    """Every button that names something of the victim's, with all that can be guessed right about it."""
    draft = what.draft
    of_orders = (every(OF_ORDER, order.id) for order in (what.done, what.queued))
    of_jobs = (every(OF_JOB, job.id) for job in (what.video, *jobs_of(what.queued)))
    return [
        *every(OF_DRAFT, draft.id, draft.version),
        *every(OF_DRAFT, *map(int, what.used)),
        *itertools.chain(*of_orders, *of_jobs),
    ]


@pytest.mark.parametrize("where", ["in their own chat", "in the victim's chat"])
def test_a_stranger_gets_nothing_with_buttons_of_another(bot, client, victim, where):
    user, message, belongings = victim
    # Given a stranger who knows the ids and versions of all that is somebody else's
    stranger = client.user(id=STRANGER, first_name="Борис")
    own_message = bot.hello(stranger)
    before = rows(*MONEY), rows("drafts", of=VICTIM), rows("drafts", of=STRANGER)
    for data in foreign(belongings):
        # When they press it
        if where == "in their own chat":
            answer = bot.press(stranger, own_message, data)
        else:
            answer = bot.press(user, message, data, from_user=STRANGER)
        # Then they are told that it is out of date, or see what is their own: nothing
        action = data.split(":")[1]
        assert action in OWN_VIEW or (answer["text"] and answer["alert"]), data
    # And not a row has changed, nor was anything sent to them that is not theirs
    assert (rows(*MONEY), rows("drafts", of=VICTIM), rows("drafts", of=STRANGER)) == before
    assert {shown.kind for shown in stranger.chat()} == {"text"}


def test_buttons_of_nothing_show_a_stranger_only_their_own(bot, client, victim):
    stranger = client.user(id=STRANGER, first_name="Борис")
    message = bot.hello(stranger)
    before = rows(*MONEY), rows("drafts", of=VICTIM)
    for data in every(OF_NOTHING):
        bot.press(stranger, message, data)
    assert (rows(*MONEY), rows("drafts", of=VICTIM)) == before


def test_buttons_of_a_finished_order_and_its_draft_do_nothing(bot, victim):
    user, message, belongings = victim
    before = rows(*MONEY, "drafts")
    # When the owner presses what stood on the questions of an order that has ended, or on its card
    for data in (*every(OF_DRAFT, *map(int, belongings.used)), *every({"cancel"}, belongings.done.id)):
        answer = bot.press(user, message, data)
        # Then each press is answered with words
        assert answer["text"], data
    assert rows(*MONEY, "drafts") == before


def test_a_launch_that_shows_another_version_launches_nothing(bot, victim):
    user, message, belongings = victim
    draft = belongings.draft
    before = rows(*MONEY)
    # When the summary's button has an older version of the draft, or one there never was
    for version in (*range(1, draft.version), draft.version + 1, draft.version + 1000, buttons.BIGGEST_ID):
        assert bot.press(user, message, buttons.data("run", draft.id, version))["alert"]
    # Then nothing is ordered
    assert rows(*MONEY) == before
    # And the button as it is now works, once
    for _ in range(3):
        assert bot.press(user, message, buttons.data("run", draft.id, draft.version))["text"]
    assert len(rows("orders")["orders"]) == 3
    assert orders.balance(VICTIM) == 6


def test_a_draft_begun_anew_makes_the_buttons_of_the_one_before_stale(bot, victim):
    user, message, belongings = victim
    old = belongings.draft
    # Given a new draft with the same answers
    drafts.clear(VICTIM, VICTIM)
    ready_draft(VICTIM)
    before = rows(*MONEY), answers()
    # When buttons of the old one are pressed
    for data in every(OF_DRAFT, old.id, old.version):
        assert bot.press(user, message, data)["alert"], data
    # Then the new one is as it was
    assert (rows(*MONEY), answers()) == before


def answers() -> list[tuple]:
    with db:
        return [(draft.id, draft.version, draft.state, draft.data) for draft in Draft.select()]


@pytest.mark.parametrize("who", [STRANGER, OPERATOR], ids=["a customer", "an operator"])
def test_no_command_in_the_chat_is_an_operators(bot, client, victim, who):
    """ADMIN_IDS says who gets alerts; whatever moves credits is typed at a shell. So there is no command to be forged."""
    user = client.user(id=who)
    bot.hello(user)
    before = rows(*MONEY), rows("drafts", of=VICTIM)
    for command in (
        f"/grant {who} 100", f"/credits grant {who} 100", "/admin", "/stats", "/refund 1", f"/user {VICTIM}", "/jobs", "/keys", "/audit",
        "/broadcast hi", f"/balance {VICTIM}", f"/history {VICTIM}", "/cancel 1", f"/start {VICTIM}", f"/start grant_{who}_100",
    ):  # fmt: skip
        # When commands are guessed, Then each is answered
        user.say(command)
        bot.answer()
        last = user.chat()[-1]
        assert last.from_bot and last.text
        assert "Анна" not in last.text and "https://cdn.example" not in last.text
    # And nobody's credits or orders have changed, nor is anybody's told
    assert (rows(*MONEY), rows("drafts", of=VICTIM)) == before
