"""Words as people and machines type them: empty, endless, in any script, with markup and control characters in them."""

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neurocards.texts import clean, cut, title
from sandbox.customer import PHOTO, TEXT
from tests.acceptance.conftest import eventually
from tests.acceptance.dialogue import QUESTIONS, complete, grant, press, reach, send_raw

NUL = "\u0000"


NOTHING = ("", " \n\t ", "\u200b\u200d", f"{NUL}{NUL}{NUL}", "\u202e\u2066")


def test_a_description_without_a_single_sign_is_asked_for_again(anna, records):
    # Given someone who was asked for a description
    reach(anna, "description")
    before = records.everything()
    for text in NOTHING:
        # When what they send shows nothing
        answer = send_raw(anna, text=text)
        # Then that is said, and the question stays
        assert "не видно ни букв, ни цифр" in answer.text and QUESTIONS["description"] in answer.text, ascii(text)
        assert records.everything() == before, ascii(text)
    complete(anna, "description")
    records.check_one_order()


def test_a_description_too_short_or_too_long_is_told_its_length(anna, records):
    reach(anna, "description")
    before = records.everything()
    # When it is two characters
    answer = anna.say("ок")
    # Then the least is named
    assert "Коротковато: 2\u00a0символа" in answer.text and "не меньше 3" in answer.text
    # When it is one more than fits
    answer = anna.say("я" * 2001)
    # Then the most is named
    assert "Длинновато: 2\u00a0001\u00a0символ, а помещается 2\u00a0000." in answer.text
    # And what fits to the letter is taken
    assert records.everything() == before
    anna.say("я" * 2000)
    complete(anna, "template")
    assert records.check_one_order()["description"] == "я" * 2000


def test_ten_thousand_characters_come_in_three_messages_and_get_one_answer(anna, records):
    reach(anna, "description")
    before = records.everything()
    # When a whole page is pasted, which Telegram's apps cut into three messages
    updates = anna.user.say("абвгдеёжзи" * 1000)
    assert len(updates) == 3
    assert records.wait_for(updates) == [None] * 3
    # Then the answer is one, with the length of the whole, and no part of it was taken for a description
    answers = [shown for shown in anna.user.chat() if shown.from_bot and shown.id > anna.user.last_message_ids[-1]]
    assert len(answers) == 1
    assert "Длинновато: 10\u00a0000\u00a0символов" in answers[0].text and QUESTIONS["description"] in answers[0].text
    assert records.everything() == before
    anna.answer = answers[0]
    complete(anna, "description")
    assert records.check_one_order()["description"] == TEXT


WISHES_TOO_LONG, PROMPT_TOO_SHORT = "тёплый свет " * 50, "крутится"


def test_wishes_and_prompts_have_limits_of_their_own(anna, records):
    # Given chosen wishes
    reach(anna, "wishes")
    anna.tap("Спокойно")
    # When more is typed than fits
    answer = anna.say(WISHES_TOO_LONG)
    # Then that is said and what was chosen stays
    assert "помещается 500" in answer.text and "✓ Спокойно" in answer.labels
    # When the template is changed to a prompt of one's own, and the prompt says too little
    anna.tap("Назад")
    anna.tap("Свой промпт")
    answer = anna.say(PROMPT_TOO_SHORT)
    # Then the least is named, and the draft is whole
    assert "нужно не меньше 10" in answer.text
    anna.say("Кружка медленно вращается, пар поднимается")
    complete(anna, "count")
    order = records.check_one_order()
    assert (order["template"], order["wishes"]) == ("own", "Кружка медленно вращается, пар поднимается")


STRANGE = {
    "markup": "<b>Кружка</b> & <a href='tg://user?id=1'>ложка</a> &lt;3",
    "emoji": "Кружка ☕️👩‍👩‍👧‍👦🏴󠁧󠁢󠁥󠁮󠁧󠁿 «Утро»",
    "right to left": "כוס קפה שחורה — чёрная кружка",
    "reordering marks": "Кружка \u202eадорог ьтсуп\u202c и блюдце",
    "control characters": f"Круж{NUL}ка\u0007 \u001b[31mкрасная\u001b[0m \r\nс блюдцем",
    "a template of somebody": "{{7*7}} ${jndi:ldap://x} %s %(name)s { $balance } '; DROP TABLE users; --",
    "a command in the middle": "Кружка, подробнее: /start@somebody и @somebody",
}


@pytest.mark.parametrize("kind", STRANGE)
def test_strange_signs_are_shown_back_and_ordered(anna, records, kind):
    # Given someone who was asked for a description
    reach(anna, "description")
    # When it has signs that mean something to somebody
    send_raw(anna, text=STRANGE[kind])
    for label in ("Рекламный", "Пропустить", "1 видео"):
        anna.tap(label)
    # Then the summary shows them as they are, except those nobody can see
    kept = clean(STRANGE[kind])
    assert f"Описание: {kept}\n" in anna.answer.text
    assert not re.search("[\u0000-\u0009\u000b-\u001f\u202a-\u202e]", kept)
    # And so do the order and its card
    card = anna.tap("Запустить")
    assert title(kept) in card.text
    assert records.check_one_order()["description"] == kept


def test_strange_signs_reach_the_video_and_the_history(anna, records, rows):
    # Given an order described in markup
    reach(anna, "photo")
    anna.send(PHOTO, STRANGE["markup"])
    complete(anna, "template")
    # When the video comes
    video = anna.video()
    # Then its caption and the history show the signs
    assert title(STRANGE["markup"]) in video.text
    # (committed right after it was sent)
    eventually(lambda: rows("SELECT 1 FROM jobs WHERE user_id = %s AND status = 'done'", anna.user.id))
    anna.say("/history")
    assert title(STRANGE["markup"]) in anna.answer.text
    assert any("<b>Кружка</b>" in label for label in anna.answer.labels)
    records.check_one_order()


def test_whatever_is_typed_is_shown_or_explained(anna, records, system):
    # Given a finished draft of someone with credits for many orders
    anna.say("/start")
    grant(system.environment, anna.user.id, 60)
    complete(anna, "photo")
    order = records.check_one_order(credits_left=64)
    ordered = []

    @settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.text(st.characters(codec="utf-8"), max_size=60).filter(lambda text: not text.startswith("/")))
    def check(text: str) -> None:
        # When any text at all is sent as another description of the same product
        press(anna.user, order["card_message_id"], data=f"v1:again:{order['id']}", forged=True)
        summary = anna.user.wait(QUESTIONS["confirm"], fresh=True)
        draft = summary.buttons[0][0][1].split(":")[2]
        press(anna.user, summary, data=f"v1:go:{draft}:description", forged=True)
        answer = send_raw(anna, text=text)
        # Then it is ordered and on the card, or what is wrong with it is said
        kept = clean(text)
        if len(kept) < 3:
            assert ("не видно" if not kept else "Коротковато") in answer.text
            return
        assert f"Описание: {cut(kept, 300)}\n" in answer.text
        card = anna.tap("Запустить")
        assert title(kept) in card.text
        ordered.append(kept)

    check()
    # And each order is of its own words, and no update was set aside
    assert [row["description"] for row in records.orders()[1:]] == ordered
    assert records.set_aside() == []
    assert len(ordered) > 10


def test_an_edited_answer_is_changed_with_the_button_that_comes(anna, records):
    # Given an answered description
    reach(anna, "description")
    anna.say("Кружка чёрная")
    said = anna.user.last_message_ids[-1]
    complete_until_summary = ("UGC", "Пропустить", "3 видео")
    for label in complete_until_summary:
        anna.tap(label)
    before = records.draft()
    # When the message is edited
    answer = anna.do(lambda: anna.user.edit(said, "Кружка белая"))
    # Then it is said that edits are not seen, and nothing changes
    assert "Исправления в отправленных сообщениях не видны" in answer.text
    assert records.draft() == before
    # And the button leads to that question, with what was answered
    answer = anna.tap("Изменить описание")
    assert QUESTIONS["description"] in answer.text and "Сейчас: Кружка чёрная" in answer.text
    answer = anna.say("Кружка белая")
    assert QUESTIONS["confirm"] in answer.text and "Описание: Кружка белая\n" in answer.text
    anna.tap("Запустить")
    assert records.check_one_order(credits_left=2)["description"] == "Кружка белая"


def test_an_edit_of_something_else_says_how_to_go_on(anna, records):
    # Given words that answered nothing
    reach(anna, "photo")
    anna.say("привет")
    # When they are edited
    answer = anna.do(lambda: anna.user.edit(anna.user.last_message_ids[-1], "здравствуйте"))
    # Then the answer names a way on, and the question before it still stands
    assert "Пришлите новый текст отдельным сообщением" in answer.text
    assert anna.send(PHOTO).text.startswith("✅ Фото принято")
    complete(anna, "description")
    records.check_one_order()
