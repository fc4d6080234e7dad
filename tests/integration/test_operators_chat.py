"""The operator's buttons when Telegram fails in between, and when they are pressed twice or too late."""

import pytest

from neurocards import broadcasts, operators
from neurocards.db import db
from neurocards.errors import ProviderError
from neurocards.keys import KeyPool, fingerprint
from neurocards.models import Broadcast, OperatorAction
from sandbox.client import ChatMessage, SandboxClient, User
from tests.conftest import jobs_of
from tests.integration.conftest import OPERATOR
from tests.security.test_buttons import Bot, bot, client

__all__ = ["bot", "client"]  # fixtures: pytest finds them by their names


@pytest.fixture
def boss(client: SandboxClient, bot: Bot) -> User:
    """An operator who has said hello."""
    user = client.user(id=OPERATOR)
    bot.hello(user)
    return user


def said(boss: User, bot: Bot, text: str) -> ChatMessage:
    """The bot's last word after the operator's."""
    boss.say(text)
    bot.answer()
    return boss.chat()[-1]


def tapped(boss: User, bot: Bot, message: ChatMessage, label: str) -> ChatMessage:
    """The bot's last word after a tap."""
    boss.tap(message, label)
    bot.answer()
    return boss.chat()[-1]


def labels(boss: User, message: ChatMessage) -> str:
    """The buttons under a message as it is now."""
    return str(next(shown for shown in boss.chat() if shown.id == message.id).labels)


def test_a_broadcast_whose_start_was_not_shown_can_be_stopped(boss, bot, client, person):
    person(7)
    draft = said(boss, bot, "/broadcast Новость")
    # Given a start after which Telegram fails
    client.fault("telegram", "answerCallbackQuery", "http", status=502, times=-1)
    [update] = boss.tap(draft, "Отправить всем")
    with pytest.raises(ProviderError):
        bot.answer()
    assert "Отправить всем" in labels(boss, draft)
    # When the update is handled again
    client.clear_faults()
    client.redeliver(update)
    bot.answer()
    # Then the panel shows what runs, with its stop
    assert "Остановить" in labels(boss, draft) and "Отправить всем" not in labels(boss, draft)
    with db:
        assert Broadcast.get().state == "running"


@pytest.mark.parametrize(
    ("done", "tap", "shows"),
    [
        (broadcasts.start, "Отправить всем", "идёт"),
        (broadcasts.start, "Удалить", "идёт"),
        (broadcasts.start, "только мне", "идёт"),
        (broadcasts.drop, "Отправить всем", "Черновик рассылки удалён"),
    ],
)
def test_an_old_panel_is_drawn_anew_as_things_stand(boss, bot, done, tap, shows):
    # Given a panel of a draft that is none any more
    panel = said(boss, bot, "/broadcast Новость")
    with db:
        number = Broadcast.get().id
    done(OPERATOR, number)
    # When it is pressed
    shown = tapped(boss, bot, panel, tap)
    # Then nothing was done, and it shows how things stand
    assert shown.id == panel.id and shows in shown.text


def test_the_panel_of_a_broadcast_that_is_over_says_so(boss, bot, person):
    person(7)
    panel = tapped(boss, bot, said(boss, bot, "/broadcast Новость"), "Отправить всем")
    with db:
        number = Broadcast.get().id
    broadcasts.stop(OPERATOR, number)
    assert "остановлена" in tapped(boss, bot, panel, "Остановить").text


def test_a_broadcast_with_a_date_in_it_is_a_draft(boss, bot):
    text = "/broadcast до 12:00"
    entities = [
        {"type": "bot_command", "offset": 0, "length": 10},
        {"type": "date_time", "offset": 14, "length": 5, "unix_time": 1},
    ]
    person = {"id": OPERATOR, "is_bot": False, "first_name": "Анна"}
    message = {"message_id": 900, "date": 1, "chat": {"id": OPERATOR, "type": "private"}, "from": person}
    boss.raw({"message": {**message, "text": text, "entities": entities}})
    bot.answer()
    assert "черновик" in boss.chat()[-1].text and boss.chat()[-2].text == "до 12:00"


def test_two_taps_on_a_present_are_one_question(boss, bot, person):
    person(7)
    card = said(boss, bot, "/user 7")
    # When the gift is tapped twice, Then both questions are the same one: two yeses give once
    first, second = (tapped(boss, bot, card, "➕ 1") for _ in range(2))
    assert first.id != second.id and first.buttons == second.buttons
    for question in (first, second):
        tapped(boss, bot, question, "Да")
    assert "Начислено: 1\u00a0кредит. 7, на балансе 6" in boss.chat()[-1].text
    assert "На балансе 6" in said(boss, bot, "/user 7").text
    with db:
        assert OperatorAction.select().where(OperatorAction.action == "grant").count() == 1


def test_a_refund_is_answered_as_one(boss, bot, ordered):
    job = jobs_of(ordered())[0]
    question = tapped(boss, bot, said(boss, bot, f"/job {job.id}"), "вернуть кредит")
    assert "1\u00a0кредит вернулся. 7, на балансе 5" in tapped(boss, bot, question, "Да").text


def test_a_key_goes_out_of_use_only_after_a_yes(boss, bot):
    KeyPool([("one", "key-a"), ("one", "key-b")]).enrol()
    panel = said(boss, bot, "/keys")
    question = tapped(boss, bot, panel, f"В карантин {fingerprint('key-a')}")
    assert "В карантин" in labels(boss, panel) and "карантин?" in question.text
    # When it is agreed to, Then the keys are shown, and the last of them can't go
    keys = tapped(boss, bot, question, "Да")
    assert "в карантине" in keys.text
    answer = bot.press(boss, keys.id, f"v1:op-lock:{fingerprint('key-b')}")
    assert "/pause" in answer["text"] and answer["alert"]
    # And after a pause it is asked with a warning
    operators.close_orders(OPERATOR)
    assert "последний рабочий" in tapped(boss, bot, keys, f"В карантин {fingerprint('key-b')}").text
