"""Buttons pressed twice, too late, by the wrong person, or never there: each press is answered and moves nothing it must not."""

from sandbox.client import ChatMessage, User
from tests.acceptance.conftest import eventually
from tests.acceptance.dialogue import QUESTIONS, Records, complete, press, raw_message, reach

OUT_OF_DATE = "Кнопка устарела"
FORGED = {
    "nothing": "",
    "garbage": "drop table users",
    "an older version": "v0:new",
    "a newer version": "v2:new",
    "no such action": "v1:refund:1",
    "no id": "v1:again:",
    "zero": "v1:again:0",
    "a negative id": "v1:again:-1",
    "beyond any id": "v1:again:99999999999999999999999999999",
    "beyond bigint": "v1:again:9999999999999999999",
    "not a number": "v1:video:١٢٣",
    "too many arguments": "v1:new:1",
    "no such template": "v1:template:1:evil",
    "more videos than are sold": "v1:count:1:100",
    "a NUL": "v1:new\u0000",
    "a line more": "v1:new\n",
    "64 bytes of Cyrillic": "я" * 32,
    "64 bytes of emoji": "🎬" * 16,
    "more than Telegram lets through": "v1:" + "я" * 500,
}


def test_data_that_no_button_carries_is_answered_and_changes_nothing(anna, records):
    # Given a draft that waits for its confirm
    summary = reach(anna, "confirm")
    before = records.everything()
    for kind, data in FORGED.items():
        # When a hostile client presses what is not there
        answer = press(anna.user, summary, data=data, forged=True)
        # Then an alert says how to go on, and nothing has changed
        assert OUT_OF_DATE in answer["text"] and "/start" in answer["text"] and answer["alert"], kind
        assert records.everything() == before, kind
    # And the summary has its buttons as it had
    complete(anna, "confirm")
    records.check_one_order()


def test_well_formed_data_with_ids_of_nobody_is_out_of_date(anna, records):
    summary = reach(anna, "confirm")
    before = records.everything()
    nobody = 2**63 - 1
    # When buttons of drafts, orders and videos that never were are pressed
    for data in (
        f"v1:run:{nobody}:1", f"v1:run:1:{nobody}", f"v1:drop:{nobody}", f"v1:go:{nobody}:photo", f"v1:replace:{nobody}",
        f"v1:count:{nobody}:5", f"v1:again:{nobody}", f"v1:wishes:{nobody}", f"v1:video:{nobody}", f"v1:file:{nobody}",
    ):  # fmt: skip
        answer = press(anna.user, summary, data=data, forged=True)
        # Then each is out of date
        assert OUT_OF_DATE in answer["text"] and answer["alert"], data
    assert "Отменять уже нечего" in press(anna.user, summary, data=f"v1:cancel:{nobody}", forged=True)["text"]
    # And the live summary kept its own buttons
    assert records.everything() == before
    complete(anna, "confirm")
    records.check_one_order()


def test_a_press_without_data_or_message_is_borne(anna, records, client):
    # Given a draft
    reach(anna, "confirm")
    before = records.everything()
    person = raw_message(anna.user)["from"]
    # When presses come that belong to games, to other bots' messages, or to messages Telegram has forgotten
    kinds = ({}, {"game_short_name": "chess"}, {"inline_message_id": "x", "data": "v1:drop:1"})
    presses = [{"id": "1", "from": person, "chat_instance": "1", **kind} for kind in kinds]
    updates = [client.raw_update({"callback_query": press}) for press in presses]
    # Then none of them is an error or changes anything
    assert records.wait_for(updates) == [None] * 3
    assert records.everything() == before
    complete(anna, "confirm")
    records.check_one_order()


def test_confirming_twice_is_one_order(anna, records):
    # Given a summary
    summary = reach(anna, "confirm")
    launch = summary.buttons[0][0][1]
    # When its launch is pressed three times before anything is answered
    for _ in range(3):
        anna.user.tap(summary, data=launch, forged=True)
    # Then one press launches, and the others say that it is on its way
    eventually(lambda: len(toasts(anna.user, summary)) == 3)
    assert toasts(anna.user, summary) == ["Принято, запускаю!", "Уже запускаю", "Уже запускаю"]
    records.check_one_order()


def toasts(user: User, message: ChatMessage) -> list[str]:
    """What presses of buttons under the message were answered with, those that were answered silently left out."""
    answers = [event for event in user.events() if event["kind"] == "callback_answer"]
    return [event["text"] for event in answers if event["message_id"] == message.id and event["text"]]


def test_choosing_twice_is_choosing_once(anna, records):
    # Given the question for the template
    question = reach(anna, "template")
    choice = next(data for row in question.buttons for label, data in row if "Рекламный" in label)
    # When the same template is pressed three times at once
    for _ in range(3):
        anna.user.tap(question, data=choice, forged=True)
    # Then the next question is open, once
    anna.answer = anna.user.wait(QUESTIONS["wishes"])
    assert len([shown for shown in anna.user.chat() if QUESTIONS["wishes"] in shown.text]) == 1
    complete(anna, "wishes")
    assert records.check_one_order()["template"] == "ad"


def test_a_summary_that_no_longer_says_what_would_be_ordered_launches_nothing(anna, records):
    # Given a summary for one video, and the number changed to five since
    summary = reach(anna, "confirm")
    launch = summary.buttons[0][0][1]
    anna.tap("Назад")
    anna.tap("5 видео")
    # When the old launch is pressed
    answer = press(anna.user, summary, data=launch, forged=True)
    # Then nothing is launched, and the summary as it now stands is shown
    assert "заказ изменился" in answer["text"] and answer["alert"]
    assert records.orders() == []
    anna.answer = anna.user.wait("Количество: 5\u00a0видео")
    complete(anna, "confirm")
    assert records.check_one_order(credits_left=0)["count"] == 5


def test_buttons_of_a_finished_order_say_so(anna, records):
    # Given an order whose video came
    summary = reach(anna, "confirm")
    launch, draft = summary.buttons[0][0][1], summary.buttons[0][0][1].split(":")[2]
    card = complete(anna, "confirm")
    anna.video()
    anna.user.wait("готов за")
    before = records.everything()
    order = records.check_one_order()["id"]
    # When what stood on its card and its questions is pressed
    pressed = {
        f"v1:cancel:{order}": "Отменять уже нечего",
        launch: "Уже запускаю",
        f"v1:count:{draft}:5": OUT_OF_DATE,
        f"v1:template:{draft}:ad": OUT_OF_DATE,
        f"v1:drop:{draft}": OUT_OF_DATE,
    }
    for data, text in pressed.items():
        # Then each press is answered
        assert text in press(anna.user, card, data=data, forged=True)["text"], data
    # And nothing moves
    assert records.everything() == before


def test_nobody_touches_the_orders_of_another(anna, records, client, rows):
    # Given Anna's order, her video, and another draft of hers
    reach(anna, "confirm")
    complete(anna, "confirm")
    video = anna.video()
    order = records.check_one_order()["id"]
    job = rows("SELECT id FROM jobs WHERE user_id = %s", anna.user.id)[0]["id"]
    anna.answer = video
    summary = anna.tap("Ещё вариант")
    draft = summary.buttons[0][0][1].split(":")[2]
    before = records.everything()
    # And Boris, who knows her ids
    boris = client.user(first_name="Борис")
    boris.say("/start")
    hello = boris.wait(QUESTIONS["photo"])
    his = Records(rows, boris).everything()
    # When he presses, in his own chat, everything that is hers
    for data in (
        f"v1:cancel:{order}", f"v1:again:{order}", f"v1:wishes:{order}", f"v1:restyle:{order}", f"v1:rephoto:{order}",
        f"v1:video:{job}", f"v1:file:{job}", summary.buttons[0][0][1], f"v1:drop:{draft}", f"v1:count:{draft}:5",
    ):  # fmt: skip
        answer = press(boris, hello, data=data, forged=True)
        # Then he gets nothing
        assert OUT_OF_DATE in answer["text"] or "Отменять уже нечего" in answer["text"], data
    # And when he presses in her chat, as a modified client might
    answer = press(anna.user, summary, data=summary.buttons[0][0][1], forged=True, from_user=boris.id)
    assert OUT_OF_DATE in answer["text"]
    # Then both have what they had, and hers can be ordered
    assert Records(rows, boris).everything() == his
    assert not [shown for shown in boris.chat() if shown.kind != "text"]
    assert records.everything() == before
    complete(anna, "confirm")
    assert len(records.orders()) == 2
