"""The dialogue beside the straight way: commands at any step, back and out, money, several people, and a customer in a hurry."""

import itertools
import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from sandbox.client import User
from sandbox.customer import PHOTO, TEXT, Customer
from tests.acceptance.conftest import Query, eventually
from tests.acceptance.dialogue import ANSWERS, QUESTIONS, STEPS, Records, complete, grant, press, reach, send_raw

# Commands that only tell something: what their answer begins with.
TELLING = {"/help": "Как получить видео", "/balance": "💳 На балансе 5", "/history": "Готовых видео пока нет"}


def test_a_command_that_tells_something_may_come_at_any_step(anna, records):
    reach(anna, "photo")
    for step in STEPS:
        question, before = anna.answer, records.everything()
        for command, beginning in TELLING.items():
            # When it is given at any step
            answer = anna.say(command)
            # Then it is answered, nothing changes, and the question above still takes its answer
            assert answer.text.startswith(beginning), (command, step)
            assert records.everything() == before, (command, step)
        anna.answer = question
        ANSWERS[step](anna)
    assert "Заказ №" in anna.answer.text
    records.check_one_order()


def test_the_language_may_be_switched_at_any_step(anna, records):
    english = {
        "photo": "Send a photo", "description": "Describe the product", "template": "What kind of video",
        "wishes": "Any wishes", "count": "How many videos", "confirm": "Check your order",
    }  # fmt: skip
    reach(anna, "photo")
    for step in STEPS:
        before = records.everything()
        # When the language is switched at each step
        answer = anna.say("/language")
        # Then the question is asked again in English, and back in Russian
        assert "I write in English now" in answer.text and english[step] in answer.text
        assert QUESTIONS[step] in anna.say("/language").text
        assert records.everything() == before
        ANSWERS[step](anna)
    records.check_one_order()


def test_start_offers_to_go_on_with_what_is_half_made(anna, records):
    reach(anna, "photo")
    for step in STEPS:
        # Given a draft with at least a photo
        if step != "photo":
            before = records.everything()
            # When the customer comes again
            answer = anna.say("/start")
            # Then they may go on where they were
            assert "Есть незаконченный заказ" in answer.text, step
            assert ("чашка" in answer.text.lower()) == (step != "description"), step
            assert QUESTIONS[step] in anna.tap("Продолжить").text, step
            assert records.everything() == before, step
        ANSWERS[step](anna)
    records.check_one_order()


def test_start_offers_a_new_order_too(anna, records):
    reach(anna, "count")
    anna.say("/start")
    # When a new order is preferred
    answer = anna.tap("Новое видео")
    # Then the way begins anew
    assert QUESTIONS["photo"] in answer.text
    assert records.draft() == {"step": "photo"}
    complete(anna, "photo")
    records.check_one_order()


@pytest.mark.parametrize("how", ["/cancel", "✖️"])
def test_a_draft_can_be_dropped_at_any_step(anna, records, how):
    for step in STEPS:
        # Given a draft at some step
        reach(anna, step)
        # When it is dropped
        answer = anna.say(how) if how == "/cancel" else anna.tap(how)
        # Then that is said with the way to a new one, no credit is gone, and no button is left
        assert "Черновик удалён, кредиты на месте" in answer.text and "пришлите фото" in answer.text, step
        assert records.everything() == (None, 5, []), step
        assert not [shown for shown in anna.user.chat() if shown.buttons], step
    # And a photo begins a new one at once
    assert "Фото принято" in anna.send(PHOTO).text
    complete(anna, "description")
    records.check_one_order()


def test_one_summary_at_a_time_can_be_launched(anna, records):
    # Given a finished video whose «Ещё вариант» was pressed twice
    anna.order()
    video = anna.video()
    for _ in range(2):
        anna.answer = video
        anna.tap("Ещё вариант")
    # Then only the newer summary has buttons, and after /cancel none has
    eventually(lambda: launches(anna) == [anna.answer.id])
    anna.say("/cancel")
    assert launches(anna) == []
    # And a text at the summary brings it again, in place of the one above
    anna.answer = video
    anna.tap("Ещё вариант")
    anna.say("Запускай")
    eventually(lambda: launches(anna) == [anna.answer.id])
    complete(anna, "confirm")
    assert (len(records.orders()), records.credits(), launches(anna)) == (2, 3, [])


def launches(customer: Customer) -> list[int]:
    """The messages with a button that launches an order."""
    return [shown.id for shown in customer.user.chat() if any("Запустить" in label for label in shown.labels)]


def test_there_may_be_nothing_to_cancel(anna):
    anna.say("/help")
    assert "Отменять нечего" in anna.say("/cancel").text


def test_back_leads_through_all_questions_and_every_answer_is_still_there(anna, records):
    # Given a whole draft
    reach(anna, "wishes")
    anna.tap("Дома")
    anna.tap("Дальше")
    anna.tap("3 видео")
    before = records.draft()
    # When the customer goes back to the beginning
    seen = [anna.tap("Назад") for _ in STEPS[1:]]
    # Then each question shows what was answered
    assert [QUESTIONS[step] in answer.text for step, answer in zip(reversed(STEPS[:-1]), seen, strict=True)] == [
        True
    ] * 5
    assert [any("✓" in label for label in answer.labels) for answer in seen] == [True, True, True, False, False]
    assert f"Сейчас: {TEXT}" in seen[3].text
    assert not any("Назад" in label for label in anna.answer.labels)
    # And with one button they are at the summary again, with the same answers
    assert QUESTIONS["confirm"] in anna.tap("Оставить как есть").text
    assert records.draft() == before
    complete(anna, "confirm")
    assert records.check_one_order(credits_left=2)["wishes"] == "Дома"


def test_someone_who_begins_without_start_is_told_of_the_gift(client, rows):
    # Given someone who never pressed /start
    olga = Customer(client.user(first_name="Ольга"))
    # When their first message is a photo with a description
    answer = olga.send(PHOTO, "Кружка")
    # Then it is taken, and the gift is mentioned
    assert "Фото и описание приняты" in answer.text and "Вам начислено: 5\u00a0кредитов" in answer.text
    complete(olga, "template")
    Records(rows, olga.user).check_one_order()


def test_without_credits_the_draft_waits_for_them(anna, records, system):
    # Given someone whose five credits went into an order
    anna.order(count=5)
    # When they order three more
    anna.say("/start")
    for step in STEPS[:4]:
        ANSWERS[step](anna)
    anna.tap("3 видео")
    assert "на балансе пока 0\u00a0кредитов" in anna.answer.text
    before = records.draft()
    answer = anna.tap("Запустить")
    # Then they learn the price, the balance, whom to write to, and that nothing is lost
    for words in (
        "Не хватает кредитов",
        "стоит 3\u00a0кредита",
        "на балансе 0\u00a0кредитов",
        "Черновик сохранён",
        "@kirbudilov",
    ):
        assert words in answer.text
    assert records.draft() == before
    # And asking again says the same, until the credits are there
    assert "цена 3, баланс 0" in press(anna.user, answer, "Проверить снова")["text"]
    grant(system.environment, anna.user.id, 2)
    answer = anna.tap("Проверить снова")
    assert "на балансе 2\u00a0кредита" in answer.text and "выберите меньше видео" in answer.text
    assert [label for label in answer.labels if "видео" in label] == ["1 видео · 1 кредит"]
    grant(system.environment, anna.user.id, 1)
    card = anna.tap("Проверить снова")
    # Then the very same draft is ordered
    assert "Заказ №" in card.text
    assert [order["count"] for order in records.orders()] == [5, 3]
    assert (records.credits(), records.draft(), records.set_aside()) == (0, None, [])


def test_the_balance_shows_what_moved_it(anna):
    anna.order(count=3)
    answer = anna.say("/balance")
    assert "На балансе 2\u00a0кредита" in answer.text
    assert answer.text.count("−1 · видео") == 3
    assert "+5 · начислено" in answer.text and "@kirbudilov" in answer.text


def test_a_long_history_is_turned_page_by_page(anna: Customer, rows: Query):
    # Given twelve finished videos, whose files Telegram has forgotten
    anna.say("/start")
    seed_delivered(rows, anna.user, 12)
    # When the history is asked for and turned to its end and back
    first = anna.say("/history")
    pages = [first, anna.tap("Раньше"), anna.tap("Раньше")]
    # Then each page has five, newest first, and the last one leads back
    shown = [[label.split(" · ")[1] for label in page.labels if label.startswith("▶️")] for page in pages]
    names = [f"Товар {number}" for number in range(12, 0, -1)]
    assert shown == [names[:5], names[5:10], names[10:]]
    assert not any("Раньше" in label for label in pages[2].labels)
    assert anna.tap("К последним").labels == first.labels
    # And a video that is nowhere any more is apologised for, with whom to write to
    answer = anna.tap(first.labels[0])
    assert "Не получилось достать видео" in answer.text and "@kirbudilov" in answer.text


def seed_delivered(rows: Query, user: User, count: int) -> None:
    """Writes orders as they are in the database when they are long over, with their money."""
    rows(
        """
        WITH granted AS (
            INSERT INTO ledger_entries (user_id, kind, amount, reason, actor)
            VALUES (%s, 'grant', %s, 'seeded', 'test') RETURNING user_id, amount
        ), product AS (
            INSERT INTO photos (user_id, jpeg, width, height) SELECT user_id, 'x', 720, 1280 FROM granted RETURNING id
        ), ordered AS (
            INSERT INTO orders (user_id, chat_id, draft_key, photo_id, description, template, count)
            SELECT user_id, user_id, 'seeded:' || n, id, 'Товар ' || n, 'ugc', 1
            FROM product, granted, generate_series(1, amount) n RETURNING id, user_id
        ), done AS (
            INSERT INTO jobs (order_id, user_id, number, status, deadline_at, finished_at, file_id)
            SELECT id, user_id, 1, 'done', now(), now(), 'forgotten' FROM ordered RETURNING id, user_id
        )
        INSERT INTO ledger_entries (user_id, job_id, kind, amount, reason, actor)
        SELECT user_id, id, kind, amount, 'seeded', 'test' FROM done, (VALUES ('debit', -1), ('capture', 0)) entry (kind, amount)
        RETURNING id""",
        user.id,
        count,
    )


def test_people_who_order_at_the_same_time_do_not_mix(client, rows):
    # Given four people with products of their own
    people = [Customer(client.user(first_name=f"Продавец {number}")) for number in range(4)]
    counts = [1, 3, 5, 3]
    # When they go through the dialogue at the same time
    with ThreadPoolExecutor(len(people)) as threads:
        orders = [
            threads.submit(customer.order, text=f"Товар продавца {number}", count=counts[number])
            for number, customer in enumerate(people)
        ]
        cards = [order.result() for order in orders]
    # Then each has their own order with their own words, number and price
    for number, customer in enumerate(people):
        order = Records(rows, customer.user).check_one_order(credits_left=5 - counts[number])
        assert (order["description"], order["count"]) == (f"Товар продавца {number}", counts[number])
        assert f"Товар продавца {number}" in cards[number].text


def test_a_burst_of_thirty_messages_is_answered_in_order(anna, records):
    reach(anna, "description")
    # When thirty commands come faster than they can be answered
    commands = random.Random(30).choices(list(TELLING), k=30)
    updates = list(itertools.chain.from_iterable(anna.user.say(command) for command in commands))
    # Then each gets its answer, in the order in which they were asked
    assert records.wait_for(updates) == [None] * 30
    answers = [shown.text for shown in anna.user.chat() if shown.from_bot][-30:]
    assert [next(name for name in TELLING if text.startswith(TELLING[name])) for text in answers] == commands


def test_a_whole_order_sent_at_once_is_an_order(anna, records):
    # Given someone who knows the way and doesn't wait for questions
    anna.user.say("/start")
    anna.user.photo(PHOTO)
    anna.user.say("Кружка")
    # When all of it was read
    anna.answer = anna.user.wait(QUESTIONS["template"], 10)
    # Then the answers went to their questions
    complete(anna, "template")
    assert records.check_one_order()["description"] == "Кружка"


def test_unknown_commands_and_slashes_in_words(anna, records):
    reach(anna, "description")
    # When a word that is no command begins with a slash
    answer = send_raw(anna, text="/Скидка 20% на кружки")
    # Then it is a description like any other
    assert QUESTIONS["template"] in answer.text
    complete(anna, "template")
    assert records.check_one_order()["description"] == "/Скидка 20% на кружки"
