"""Updates that are doubled, broken, misplaced or of a kind no step asks for: answered where somebody can be answered, never in the way."""

import time

import pytest

from sandbox.customer import PHOTO
from tests.acceptance.conftest import OPERATOR
from tests.acceptance.dialogue import ANSWERS, QUESTIONS, STEPS, complete, raw_message, reach, send_raw

APOLOGY = "Что-то пошло не так"
STRAY = {
    "a sticker": (lambda user: user.sticker(), "Стикер хорош"),
    "a voice message": (lambda user: user.voice(), "Голосовые пока не слушаю"),
    "a place": (lambda user: user.location(), "Место на карте"),
    "a command there is not": (lambda user: user.say("/discount"), "Такой команды нет. Все команды\u00a0— в /help"),
}


def test_what_no_step_asks_for_gets_a_word_and_the_question_again(anna, records):
    reach(anna, "photo")
    for step in STEPS:
        before = records.everything()
        for what, (send, word) in STRAY.items():
            # When it comes at any step of the way
            answer = anna.do(lambda send=send: send(anna.user))
            # Then it is named, the question is asked again, and nothing has changed
            assert word in answer.text and QUESTIONS[step] in answer.text, (what, step)
            assert records.everything() == before, (what, step)
        ANSWERS[step](anna)
    # And the order was placed all the same
    assert "Заказ №" in anna.answer.text
    records.check_one_order()


RARE = {
    "video": ({"video": {"file_id": "A", "file_unique_id": "a", "width": 9, "height": 16, "duration": 5}}, "Видео пока не принимаю"),
    "round video": ({"video_note": {"file_id": "A", "file_unique_id": "a", "length": 9, "duration": 5}}, "Видео пока не принимаю"),
    "contact": ({"contact": {"phone_number": "+7", "first_name": "Я"}}, "Контакт для видео не понадобится"),
    "dice": ({"dice": {"emoji": "🎲", "value": 3}}, "Стикер хорош"),
    "something yet to be invented": ({"hologram": {"depth": 3}}, "Такое сообщение пока не понимаю"),
    "a forwarded text": (
        {"text": "Кружка", "forward_origin": {"type": "hidden_user", "sender_user_name": "Кто-то", "date": 1}},
        "выберите её под этим сообщением",
    ),
}  # fmt: skip


def test_rarer_kinds_of_messages_are_answered_too(anna, records):
    # Given a question that is answered by a button
    reach(anna, "count")
    before = records.everything()
    for content, word in RARE.values():
        # When something else comes
        answer = send_raw(anna, **content)
        # Then it is named, and the question is asked again
        assert word in answer.text and QUESTIONS["count"] in answer.text
    assert records.everything() == before
    complete(anna, "count")
    records.check_one_order()


def test_a_text_where_a_photo_is_due_is_told_so(anna, records):
    reach(anna, "photo")
    before = records.everything()
    # When words come first
    answer = anna.say("Здравствуйте, сколько стоит видео?")
    # Then the photo is asked for, and where questions are answered is said
    assert "Начнём с фото товара" in answer.text and "/help" in answer.text and QUESTIONS["photo"] in answer.text
    assert records.everything() == before
    complete(anna, "photo")
    records.check_one_order()


def test_an_update_delivered_three_times_counts_once(anna, records, client):
    # Given a photo and a text that arrive three times
    reach(anna, "photo")
    (photo,) = anna.user.photo(PHOTO)
    records.wait_for([photo])
    (words,) = anna.user.say("Кружка")
    records.wait_for([words])
    for update in (photo, words, photo, words):
        client.redeliver(update)
    anna.answer = anna.user.wait(QUESTIONS["template"])
    for label in ("UGC", "Пропустить", "3 видео"):
        anna.tap(label)
    # And a launch that does
    (launch,) = anna.user.tap(anna.answer, "Запустить")
    client.redeliver(launch)
    client.redeliver(launch)
    # When the next message is answered, which came after all of them
    anna.user.wait("Заказ №")
    anna.say("/balance")
    # Then each was answered once, and one order was paid for
    said = [shown.text for shown in anna.user.chat() if shown.from_bot]
    assert len([text for text in said if QUESTIONS["description"] in text]) == 1
    assert len([text for text in said if "Заказ №" in text]) == 1
    records.check_one_order(credits_left=2)


BROKEN = {
    "an origin the library doesn't know": {"text": "привет", "forward_origin": {"type": "hologram", "date": 1}},
    "a number for a text": {"text": 12},
    "a photo without sizes": {"photo": []},
    "a poll of tomorrow": {"poll": {"id": "1"}},
}


@pytest.mark.parametrize("what", BROKEN)
def test_an_update_that_cannot_be_read_is_set_aside_with_an_apology(anna, records, what):
    # Given a draft
    reach(anna, "template")
    before = records.everything()
    # When an update comes that the library or a handler chokes on
    answer = send_raw(anna, **BROKEN[what])
    # Then there is an apology that says how to go on
    assert APOLOGY in answer.text and "/start" in answer.text and "черновик и кредиты на месте" in answer.text
    # And the update is kept with its reason, for the operator
    (reason,) = records.set_aside()
    assert reason.split(": ")[0] == "unreadable"
    assert len(reason.split(": ")[1]) > 3
    # And the question before it still takes its answer
    assert records.everything() == before
    anna.answer = anna.user.wait(QUESTIONS["template"])
    complete(anna, "template")
    assert (len(records.orders()), records.credits()) == (1, 4)


def test_an_apology_reads_nothing_of_what_is_broken(anna, records):
    # Given a draft
    reach(anna, "template")
    # When a message comes whose sender's language is a number
    person = {"id": anna.user.id, "is_bot": False, "first_name": "Анна", "language_code": 5}
    answer = send_raw(anna, **{"from": person, "text": "привет"})
    # Then there is an apology all the same
    assert APOLOGY in answer.text
    (reason,) = records.set_aside()
    assert "language_code" in reason


def test_a_button_that_breaks_the_bot_is_apologised_for(anna, records):
    # Given a draft
    question = reach(anna, "template")
    message = raw_message(anna.user, message_id=question.id, reply_markup=1)
    # When a press comes that can't be read
    press = {"id": "1", "from": message["from"], "message": message, "data": "v1:new"}
    (update,) = anna.user.raw({"callback_query": press})
    # Then there is an apology, and the draft lives
    anna.user.wait(APOLOGY)
    assert records.wait_for([update])[0]
    complete(anna, "template")


def test_updates_of_nobody_do_not_stand_in_the_way(anna, records, client):
    # Given a draft
    reach(anna, "template")
    before = records.everything()
    # When updates come that have no sender, no chat, or no sense at all
    said = {"message_id": 1, "date": int(time.time()), "text": "x"}
    broken = [
        {},
        {"quantum_message": {"x": 1}},
        {"message": None},
        {"message": [1, 2]},
        {"message": said},
        {"message": {**said, "from": {"id": 10**30, "is_bot": False, "first_name": "x"}}},
        {"message": {**said, "from": {"id": "7"}, "chat": {"id": "7", "type": "private"}}},
        {"message_reaction": {"date": said["date"]}},
        {"channel_post": {**said, "chat": {"id": -100123, "type": "channel", "title": "t"}}},
    ]
    updates = [client.raw_update(update) for update in broken]
    # Then all are dealt with, and the conversation goes on
    errors = records.wait_for(updates)
    assert [bool(error) for error in errors] == [False, False, False, True, True, True, True, True, False]
    assert records.everything() == before
    complete(anna, "template")
    records.check_one_order()


def test_operators_are_told_of_what_was_set_aside(anna, client):
    def told(shown) -> bool:
        return "не обработано и отложено" in shown.text and "unreadable" in shown.text

    # When two updates could not be handled for the same reason
    anna.say("/start")
    send_raw(anna, **BROKEN["a number for a text"])
    send_raw(anna, **BROKEN["a photo without sizes"])
    # Then the operators learn of it, once a day and not for each
    operator = client.user(id=OPERATOR)
    operator.wait(told, 20)
    assert len([shown for shown in operator.chat() if told(shown)]) == 1


def test_an_answer_that_telegram_refuses_is_not_silence(anna, records, client):
    # Given an answer of ours that Telegram will refuse
    reach(anna, "template")
    before = records.everything()
    client.fault("telegram", "sendMessage", "cant_parse", match={"chat_id": str(anna.user.id)})
    # When something is asked
    answer = anna.say("/help")
    # Then there is an apology instead, and the reason is kept
    assert APOLOGY in answer.text
    assert "can't parse entities" in records.set_aside()[0]
    # And asking again helps
    assert "Как получить видео" in anna.say("/help").text
    assert records.everything() == before


def test_a_group_is_told_once_that_this_is_for_private_chats(anna, records, client):
    # Given a draft, and a group in which somebody talks to the bot
    reach(anna, "template")
    before = records.everything()
    group = {"id": -1001234567890, "type": "supergroup", "title": "Продавцы"}
    # When they do so, and somebody pins a message there
    updates = [
        client.raw_update({"message": raw_message(anna.user, chat=group, text="/start")}),
        client.raw_update(
            {"message": raw_message(anna.user, chat=group, pinned_message=raw_message(anna.user, text="x"))}
        ),
    ]
    # Then the group hears once where the bot works, and no draft or order came of it
    assert records.wait_for(updates) == [None, None]
    said = [
        entry["request"]["text"]
        for entry in client.journal(service="telegram", endpoint="sendMessage")
        if str(entry["request"]["chat_id"]) == str(group["id"])
    ]
    assert len(said) == 1 and "только в личных сообщениях" in said[0]
    assert records.everything() == before
    complete(anna, "template")
    records.check_one_order()
