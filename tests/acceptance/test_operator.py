"""An operator at their phone: every command, with the whole system behind it."""

import json
from collections.abc import Iterator

import pytest

from sandbox.customer import Customer
from sandbox.local import Local
from tests.acceptance.books import assert_balanced, assert_refunded, the_job
from tests.acceptance.conftest import OPERATOR, eventually, start
from tests.acceptance.dialogue import press, raw_message, reach


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory, database_server: str, redis_url: str) -> Iterator[Local]:
    """A system of this module's own: what it says, it says to everybody."""
    yield from start(tmp_path_factory.mktemp("operator"), database_server, redis_url)


@pytest.fixture
def boss(client, rows) -> Iterator[Customer]:
    """The operator. After each test nothing more is to be told them, orders are taken and the books balance."""
    boss = Customer(client.user(id=OPERATOR, first_name="Оператор"))
    # Their /start from when the system came up is answered: what is said next has an answer of its own.
    boss.user.wait(lambda shown: shown.from_bot)
    yield boss
    untold = "SELECT 1 FROM outbox WHERE kind = 'alert' AND sent_at IS NULL AND error IS NULL"
    eventually(lambda: rows(untold) == [])
    assert_balanced(rows)
    assert rows("SELECT 1 FROM pauses WHERE provider = 'orders'") == []


def test_the_operators_menu_is_theirs_alone(boss, client):
    # When an operator asks what they can do
    assert "/broadcast" in boss.say("/admin").text
    # Then their menu has it, and the public one hasn't
    menus = [entry["request"] for entry in client.journal(service="telegram", endpoint="setMyCommands")]
    scopes = {json.loads(menu["scope"])["chat_id"] for menu in menus if "scope" in menu}
    assert scopes == {OPERATOR}
    assert all(("stats" in menu["commands"]) == ("scope" in menu) for menu in menus)


def test_figures_a_person_and_a_job_can_be_looked_at(boss, anna, rows):
    anna.order()
    anna.video()
    job = the_job(rows, anna)
    # When the operator looks at everything
    stats = boss.say("/stats")
    assert "Заказы принимаются" in stats.text and "Ключей в работе: 2 из 2" in stats.text
    assert "На балансе 4\u00a0кредита" in boss.say(f"/user {anna.user.id}").text
    # Then each screen leads to the next, and the code for support leads to the job
    shown = boss.tap(f"🔎 {job['id']}")
    assert f"Задание {job['id']}" in shown.text and "succeeded" in shown.text
    assert boss.say(f"/job {job['order_id']}-{job['id']}").text == shown.text
    assert "здоров" in boss.say("/keys").text


def test_credits_are_given_with_a_yes_and_the_person_hears_of_it(boss, anna, rows):
    anna.say("/start")
    question = boss.say(f"/grant {anna.user.id} 3 оплата картой")
    assert "Начислить 3\u00a0кредита" in question.text
    # When the yes is pressed twice
    yes = question.buttons[0][0][1]
    assert press(boss.user, question, "Да")["text"] == "Готово"
    assert press(boss.user, question, data=yes, forged=True)["text"] == "Готово"
    # Then it has happened once
    anna.user.wait("Вам начислено: 3\u00a0кредита")
    assert rows("SELECT credits FROM users WHERE id = %s", anna.user.id) == [{"credits": 8}]


def test_a_waiting_order_is_stopped_and_refunded(boss, anna, client, rows):
    # Given a render that takes an hour
    client.fault("kie", "createTask", "duration", seconds=3000)
    anna.order()
    eventually(lambda: the_job(rows, anna)["stage"] == "render" and not the_job(rows, anna)["claim_token"])
    boss.say(f"/job {the_job(rows, anna)['id']}")
    # When the operator stops it
    assert "Остановить задание" in boss.tap("вернуть кредит").text
    assert "1\u00a0кредит вернулся" in boss.tap("Да").text
    # Then the customer has the credit back and is told so
    assert_refunded(rows, anna, "operator")


def test_closed_orders_are_refused_until_opened(boss, anna, rows):
    reach(anna, "confirm")
    boss.say("/pause")
    assert "закрыт" in boss.tap("Закрыть приём").text
    # Given that no orders are taken
    assert "технические работы" in press(anna.user, anna.answer, "Запустить")["text"]
    # When they are taken again, Then the same button works
    boss.say("/resume")
    assert "принимаются" in boss.tap("Открыть приём").text
    anna.tap("Запустить")
    anna.video()


def test_a_banned_person_hears_it_once_and_comes_back(boss, anna, rows):
    anna.order()
    assert "Доступ закрыт" in boss.say(f"/ban {anna.user.id} спам").text
    # When a banned person goes on writing
    for text in ("/start", "/balance", "Почему?"):
        anna.user.say(text)
    anna.user.wait("Доступ к боту закрыт")
    # Then they are told once, and what they ordered comes all the same
    anna.video()
    eventually(lambda: rows("SELECT 1 FROM inbox WHERE lane = %s AND handled_at IS NULL", anna.user.id) == [])
    assert sum("Доступ к боту закрыт" in shown.text for shown in anna.user.chat()) == 1
    assert "На связи" in boss.say(f"/unban {anna.user.id}").text
    assert "На балансе" in anna.say("/balance").text


def test_a_broadcast_is_tried_sent_and_reported(boss, client, rows):
    # Given people, one of whom has blocked the bot without its hearing of it
    people = [Customer(client.user(first_name=f"П{number}")) for number in range(4)]
    for person in people:
        person.say("/start")
    people[0].user.block()
    eventually(lambda: rows("SELECT 1 FROM users WHERE NOT reachable"))
    run(rows, "UPDATE users SET reachable = true")
    # When a text is written, tried and sent
    boss.user.say("/broadcast Новые <шаблоны> & скидки")
    draft = boss.user.wait("черновик", fresh=True)
    assert press(boss.user, draft, "только мне")["text"] == "Готово"
    boss.user.tap(draft, "Отправить всем")
    # Then everybody has it once, as it was shown, and its operator a report
    report = boss.user.wait("закончена", 30)
    assert "заблокировали бота 1, не вышло 0" in report.text
    for person in people[1:]:
        assert sum(shown.text == "Новые <шаблоны> & скидки" for shown in person.user.chat()) == 1
    assert sum("закончена" in shown.text for shown in boss.user.chat()) == 1


def test_a_broadcast_is_stopped(boss, client, rows):
    # Given somebody to whom Telegram wants nothing sent for a while
    anna = Customer(client.user())
    anna.say("/start")
    boss.user.say("/broadcast Раз")
    draft = boss.user.wait("черновик", fresh=True)
    client.fault("telegram", "sendMessage", "flood", match={"chat_id": str(anna.user.id)}, retry_after=60, times=-1)
    boss.user.tap(draft, "Отправить всем")
    eventually(lambda: rows("SELECT 1 FROM pauses WHERE provider = 'broadcasts'"))
    going = boss.user.wait("идёт")
    # When the operator stops it
    boss.user.tap(going, "Остановить")
    # Then it is over at once, and nothing waits to be sent
    boss.user.wait("остановлена")
    assert rows("SELECT 1 FROM outbox WHERE kind = 'broadcast' AND sent_at IS NULL AND error IS NULL") == []
    run(rows, "DELETE FROM pauses WHERE provider = 'broadcasts'")


def test_an_alert_has_a_way_to_act(boss, anna):
    anna.say("/start")
    # Given an update that can't be answered
    anna.user.raw({"message": raw_message(anna.user, text=5)})
    alert = boss.user.wait("не обработано и отложено")
    # When the operator presses the button under the alert
    boss.user.tap(alert, "Человек")
    # Then they see whom it was about, and the alert stays
    card = boss.user.wait(lambda shown: "На балансе" in shown.text and str(anna.user.id) in shown.text, fresh=True)
    assert card.id != alert.id
    assert any(shown.id == alert.id and shown.text == alert.text for shown in boss.user.chat())


def run(rows, statement: str) -> None:
    """Changes rows; the query's helper wants some back."""
    rows(f"{statement} RETURNING 1")
