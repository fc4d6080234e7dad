"""The bot dies in mid-dialogue, or no worker is there: on a system of its own, since its processes are killed."""

from collections import Counter
from collections.abc import Iterator

import pytest

from sandbox.customer import PHOTO, Customer
from sandbox.local import Local
from tests.acceptance.conftest import Query, eventually, start
from tests.acceptance.dialogue import ANSWERS, QUESTIONS, STEPS, complete, press, reach


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory, database_server: str, redis_url: str) -> Iterator[Local]:
    """A system whose processes may be killed."""
    yield from start(tmp_path_factory.mktemp("interruptions"), database_server, redis_url)


@pytest.fixture
def no_worker(system: Local) -> Iterator[None]:
    """The only worker is killed before the test and started again after it."""
    worker = system.child("run_workers")
    worker.kill()
    yield
    worker.start()


def test_a_bot_that_is_killed_in_mid_dialogue_remembers_the_answers(anna, records, system):
    # Given a dialogue in which the bot is killed before a text, a button and the launch
    bot = system.child("run_bot")
    reach(anna, "photo")
    for step in STEPS:
        if step in ("description", "wishes", "confirm"):
            before = records.everything()
            bot.kill()
            bot.start()
            assert records.everything() == before
        # When the question is answered that the earlier bot had asked
        ANSWERS[step](anna)
    # Then the order has all the answers
    assert "Заказ №" in anna.answer.text
    records.check_one_order()


def test_what_was_sent_while_the_bot_was_away_is_answered_in_order(anna, records, system):
    # Given a bot that is away in mid-dialogue
    bot = system.child("run_bot")
    reach(anna, "photo")
    bot.kill()
    # When the customer goes on without it
    updates = [*anna.user.photo(PHOTO), *anna.user.say("Кружка"), *anna.user.say("/balance")]
    bot.start()
    # Then everything is answered when it is back, each in its turn
    assert records.wait_for(updates) == [None] * 3
    said = [shown.text for shown in anna.user.chat() if shown.from_bot][-3:]
    marks = (QUESTIONS["description"], QUESTIONS["template"], "На балансе")
    assert [mark in text for mark, text in zip(marks, said, strict=True)] == [True] * 3
    anna.answer = anna.user.wait(QUESTIONS["template"])
    complete(anna, "template")
    assert records.check_one_order()["description"] == "Кружка"


def test_an_order_in_the_queue_is_cancelled_on_its_card_and_refunded(anna, records, client, rows, no_worker):
    # Given an order of three that nobody takes up
    card = anna.order(count=3)
    assert (records.credits(), card.text.count("в очереди"), card.labels) == (2, 3, ["✖️ Отменить"])
    order = records.orders()[0]["id"]
    # When somebody else tries to cancel it, who knows its number
    boris = client.user(first_name="Борис")
    boris.say("/start")
    hello = boris.wait(QUESTIONS["photo"])
    assert "Отменять уже нечего" in press(boris, hello, data=f"v1:cancel:{order}", forged=True)["text"]
    # Then it is still in the queue
    assert statuses(rows, anna) == {"queued": 3}
    # And when it is cancelled on its card
    card = anna.tap("Отменить")
    # Then the card says so, with the money, and has no button any more
    assert "отменён" in card.text and "3\u00a0кредита вернулись" in card.text and "баланс 5" in card.text
    assert card.labels == []
    assert statuses(rows, anna) == {"cancelled": 3}
    records.check_one_order(credits_left=5)
    # And cancelling it again finds nothing
    assert "Отменять уже нечего" in press(anna.user, card, data=f"v1:cancel:{order}", forged=True)["text"]
    records.check_one_order(credits_left=5)


def test_cancel_lists_what_waits_and_leaves_the_rest(anna, records, no_worker):
    # Given two orders in the queue and a draft
    for _ in range(2):
        reach(anna, "confirm")
        complete(anna, "confirm")
    reach(anna, "template")
    first, second = (order["id"] for order in records.orders())
    # When /cancel is said and the first order is chosen
    answer = anna.say("/cancel")
    assert "Черновик удалён" in answer.text and "Эти заказы ещё в очереди" in answer.text
    assert answer.labels == [f"✖️ Отменить заказ №{second}", f"✖️ Отменить заказ №{first}"]
    answer = anna.tap(f"Отменить заказ №{first}")
    # Then its credit is back, and the other one is still offered
    assert f"Заказ №{first} отменён: 1\u00a0кредит вернулся, баланс 4" in answer.text
    assert answer.labels == [f"✖️ Отменить заказ №{second}"]
    # And when nothing is left, that is said
    answer = anna.tap(f"Отменить заказ №{second}")
    assert "баланс 5" in answer.text and answer.labels == []
    assert "Отменять нечего" in anna.say("/cancel").text
    assert (records.credits(), records.set_aside()) == (5, [])


def test_of_an_order_partly_taken_up_the_rest_is_cancelled(anna, records, client, rows):
    # Given an order of five, too many for the threads of the worker
    client.fault("openai", "chat/completions", "slow", times=-1, seconds=2.5)
    anna.order(count=5)
    eventually(lambda: {"processing", "queued"} == statuses(rows, anna).keys())
    # When the order is cancelled
    order = records.orders()[0]["id"]
    anna.say("/cancel")
    answer = anna.tap(f"Отменить заказ №{order}")
    client.clear_faults()
    # Then what waited is off, and it is said that the rest goes on
    off = statuses(rows, anna)["cancelled"]
    assert f"убрано из очереди {off}\u00a0видео" in answer.text and f"баланс {off}" in answer.text
    assert "Остальное уже в работе или готово" in answer.text
    # And it does, which can't be stopped any more
    assert "заказ уже в работе" in anna.say("/cancel").text
    card = anna.user.wait(f"{5 - off} из 5 готовы", 30)
    assert f"баланс {off}" in card.text
    records.check_one_order(credits_left=off)


def statuses(rows: Query, customer: Customer) -> Counter[str]:
    """How many of the customer's jobs are in each status."""
    return Counter(row["status"] for row in rows("SELECT status FROM jobs WHERE user_id = %s", customer.user.id))


def test_what_was_not_cancelled_is_made_once_a_worker_is_back(anna, records, system):
    # Given an order placed while there was no worker
    worker = system.child("run_workers")
    worker.kill()
    anna.order()
    # When a worker comes back
    worker.start()
    # Then the video comes, and the order can no longer be cancelled
    anna.video()
    assert "Отменять нечего" in anna.say("/cancel").text
    records.check_one_order()
