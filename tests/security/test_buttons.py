"""Foreign, stale and finished: every button there is, pressed by whom or when it must do nothing, gets a polite word and moves no row.

The bot's handlers run here in one thread, before a stand-in for Telegram; presses are forged as a modified client could.
"""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from peewee import fn
from telebot.types import Update

import handlers
from neurocards import attempts, broadcasts, buttons, drafts, endings, jobs, operators, orders
from neurocards.clients import telegram
from neurocards.db import db
from neurocards.keys import KeyPool, fingerprint
from neurocards.models import TABLES, Draft, Job, OperatorAction, Order
from neurocards.texts import say
from sandbox.client import SandboxClient, User
from sandbox.server import Sandbox
from tests import canaries
from tests.conftest import PICTURE, jobs_of, ready_draft
from tests.integration.conftest import OPERATOR, settings_with

# Whose row a button names first.
OF_DRAFT = {"go", "template", "wish", "skip", "count", "run", "replace", "drop"}
OF_ORDER = {"cancel", "again", "wishes", "restyle", "rephoto"}
OF_JOB = {"video", "file", "older"}
OF_NOTHING = {"newest", "new"}
OF_OPERATORS = set(handlers.operator.BUTTONS)
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
    groups = (OF_DRAFT, OF_ORDER, OF_JOB, OF_NOTHING, OF_OPERATORS)
    assert set().union(*groups) == set(buttons.GRAMMAR)
    assert set(buttons.GRAMMAR) == set(handlers.OF_DRAFT) | set(handlers.OTHERS) | OF_OPERATORS
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


# Operators ------------------------------------------------------------------------------------------------------------

EVERYTHING = (*MONEY, "operator_actions", "broadcasts", "outbox", "api_keys", "pauses")


def of_operators(what: Belongings, number: int = 1) -> list[str]:
    """Every operator's button, with all that can be guessed right about it."""
    prints = [fingerprint("key-a")] * 2
    of_people = every({"op-user", "op-give", "op-bar"}, VICTIM)
    of_jobs = every({"op-job", "op-hurry", "op-refund"}, jobs_of(what.queued)[0].id)
    keys = [buttons.data(action, print_) for action, print_ in zip(("op-lock", "op-release"), prints, strict=True)]
    return [
        *every({"op-stats", "op-keys", "op-orders"}),
        *of_people,
        *of_jobs,
        *keys,
        *every({"op-yes", "op-no", "op-cast"}, number),
    ]


@pytest.fixture
def asked(victim) -> int:
    """A deed that an operator has asked for, a draft of a broadcast and a key: what forged buttons could name."""
    KeyPool([("one", "key-a")]).enrol()
    broadcasts.draft(OPERATOR, "текст")
    with db:
        operators.record(OPERATOR, "ask grant", f"{STRANGER} 100 x")
        return OperatorAction.select(fn.MAX(OperatorAction.id)).scalar()


@pytest.mark.parametrize("where", ["in their own chat", "in the victim's chat", "in the operator's chat"])
def test_an_operators_button_is_nobodys_in_another_hand(bot, client, victim, asked, where):
    user, message, belongings = victim
    # Given a stranger who knows every operator's button, and the ids of what was asked and written
    stranger, boss = client.user(id=STRANGER, first_name="Борис"), client.user(id=OPERATOR)
    own, theirs = bot.hello(stranger), bot.hello(boss)
    chat, under = {"in their own chat": (stranger, own), "in the victim's chat": (user, message)}.get(
        where, (boss, theirs)
    )
    before = rows(*EVERYTHING)
    shown = [len(person.chat()) for person in (user, stranger, boss)]
    for data in of_operators(belongings, asked):
        # When they press it, Then it is as unknown as one that never was
        answer = bot.press(chat, under, data, from_user=STRANGER)
        assert answer["text"] == say("toast-unknown", "ru"), data
    assert rows(*EVERYTHING) == before
    assert [len(person.chat()) for person in (user, stranger, boss)] == shown


def test_an_operators_button_works_in_their_own_chat_alone(bot, client, victim, asked):
    user, message, belongings = victim
    client.user(id=OPERATOR)
    before = rows(*EVERYTHING)["operator_actions"]
    # When an operator's press comes from under a message elsewhere, Then it is unknown too
    for data in of_operators(belongings, asked):
        assert bot.press(user, message, data, from_user=OPERATOR)["text"] == say("toast-unknown", "ru")
    assert rows("operator_actions")["operator_actions"] == before


COMMANDS = (
    "/admin", "/stats", f"/user {VICTIM}", "/user @anna", f"/grant {STRANGER} 100", f"/grant {STRANGER} 100 оплата", f"/ban {VICTIM}",
    f"/unban {VICTIM}", "/job 1", "/job 1-1", "/keys", "/pause", "/resume", "/broadcast Привет", "/broadcast", "/grant", "/job x",
)  # fmt: skip


def test_an_operators_command_is_unknown_to_everybody_else(bot, client, victim):
    stranger = client.user(id=STRANGER)
    bot.hello(stranger)
    stranger.say("/nothing")
    bot.answer()
    unknown = stranger.chat()[-1]
    before = rows(*EVERYTHING), rows("drafts", of=VICTIM)
    for command in COMMANDS:
        # When somebody else gives it
        stranger.say(command)
        bot.answer()
        # Then the answer is that to any command there is not, to the letter
        last = stranger.chat()[-1]
        assert (last.text, last.labels) == (unknown.text, unknown.labels), command
    # And nothing has changed
    assert (rows(*EVERYTHING), rows("drafts", of=VICTIM)) == before


def test_an_operators_command_in_a_group_is_not_heard(bot, client, victim):
    client.user(id=OPERATOR)
    before = rows(*EVERYTHING)
    group = {"id": -100500, "type": "supergroup", "title": "Группа"}
    for number, command in enumerate(COMMANDS, 1):
        entities = [{"type": "bot_command", "offset": 0, "length": len(command.split()[0])}]
        person = {"id": OPERATOR, "is_bot": False, "first_name": "Оператор"}
        said = {"message_id": number, "date": 1, "chat": group, "from": person, "text": command, "entities": entities}
        client.raw_update({"message": said})
        bot.answer()
    assert rows(*EVERYTHING) == before


@pytest.mark.parametrize(
    "command",
    [
        "/grant", "/grant 7", "/grant 7 x", "/grant x 7", "/grant -7 1", "/grant 7 1000000000", f"/grant {10**18} 1", f"/grant {10**30} 1",
        "/grant 7 0", "/grant 7 -100", "/grant 7 1001", "/grant 7 1.5", "/grant 7 ٣", "/user", "/user 0", f"/user {10**18}", "/user @a",
        "/user @nobody_here", "/user 7 8", "/user 7; DROP TABLE users", "/ban", "/ban 7x", f"/ban {OPERATOR}", "/unban 7", "/unban",
        "/job", "/job 0", f"/job {10**18}", f"/job {10**18 - 1}-{10**18 - 1}", "/job -1", "/job 1-", "/job \x00", "/broadcast",
        "/broadcast  ", "/broadcast \u202e", "/user " + "9" * 4000, "/grant 7 1 " + "я" * 4000,
    ],
)  # fmt: skip
def test_a_command_of_the_wrong_shape_is_answered_with_a_line(bot, client, victim, command):
    boss = client.user(id=OPERATOR)
    bot.hello(boss)
    before = rows(*EVERYTHING)
    # When an operator mistypes, Then the answer says how it goes or why not, and nothing has changed
    client.raw_update({"message": typed(command)})
    bot.answer()
    last = boss.chat()[-1]
    assert last.from_bot and len(last.text) < 250 and not last.buttons
    assert rows(*EVERYTHING) == before


def typed(text: str) -> dict[str, Any]:
    person = {"id": OPERATOR, "is_bot": False, "first_name": "Анна", "language_code": "ru"}
    return {"message_id": 10**6, "date": 1, "chat": {"id": OPERATOR, "type": "private"}, "from": person, "text": text}


def test_no_credit_moves_without_a_yes(bot, client, victim):
    boss = client.user(id=OPERATOR)
    bot.hello(boss)
    before = rows(*MONEY)
    # When an operator asks for credits in every way there is
    boss.say(f"/grant {VICTIM} 100 оплата")
    bot.answer()
    question = boss.chat()[-1]
    for data in (buttons.data("op-give", VICTIM, 5), buttons.data("op-refund", 1)):
        bot.press(boss, question.id, data)
    # Then nothing has moved, and a no leaves it so, even if a yes comes after it
    yes, no = (
        next(data for row in question.buttons for _, data in row if f":op-{word}:" in data) for word in ("yes", "no")
    )
    for data in (no, yes, no, yes):
        bot.press(boss, question.id, data)
    assert rows(*MONEY) == before
    # And when it is asked again, a yes moves it once, however often it is pressed, and a no after it doesn't say otherwise
    boss.say(f"/grant {VICTIM} 100 оплата")
    bot.answer()
    question = boss.chat()[-1]
    yes, no = (
        next(data for row in question.buttons for _, data in row if f":op-{word}:" in data) for word in ("yes", "no")
    )
    for data in (yes, yes, no, yes):
        bot.press(boss, question.id, data)
    assert "ничего не изменилось" not in boss.chat()[-1].text
    assert orders.balance(VICTIM) == 7 + 100


def test_a_banned_person_is_told_once_and_changes_nothing(bot, client, victim):
    user, message, belongings = victim
    operators.ban(OPERATOR, VICTIM, "спам", (OPERATOR,))
    before, seen = (rows(*MONEY), rows("drafts", of=VICTIM)), len(user.chat())
    # When a banned person writes, sends a photo, edits, and presses every button of theirs
    for command in ("/start", "/balance", "/cancel", "/help", "Привет", "/nothing"):
        user.say(command)
    user.photo(PICTURE)
    user.sticker()
    bot.answer()
    for data in foreign(belongings):
        assert not bot.press(user, message, data)["text"]
    # Then nothing happens, and one notice waits for them
    assert (rows(*MONEY), rows("drafts", of=VICTIM)) == before
    assert len(user.chat()) - seen == 8  # their own
    told = [row["key"] for row in rows("outbox")["outbox"] if row["payload"].get("what") == "banned"]
    assert len(told) == 1
