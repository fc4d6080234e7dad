"""From /start to the finished video, in the customer's eyes and in the books."""

import io

import av

from neurocards.texts import say
from tests.acceptance.books import assert_delivered


def test_a_new_customer_gets_their_first_video(anna, rows):
    # When someone new goes through the dialogue
    card = anna.order()
    # Then the summary becomes the order's card, which can still be cancelled or is being worked on
    assert "Заказ" in card.text
    # And the video comes in one message, playable, upright, with its buttons
    video = anna.video()
    assert any("Ещё вариант" in label for label in video.labels)
    with av.open(io.BytesIO(anna.user.download(video.media["file_id"]))) as container:
        stream = container.streams.video[0]
        assert stream.width * 16 == stream.height * 9
        assert container.streams.audio
    # And the card shrinks to a line
    anna.user.wait("готов за")
    # And the books say: welcome, debit, capture
    kinds = rows("SELECT kind, amount FROM ledger_entries WHERE user_id = %s ORDER BY id", anna.user.id)
    assert [(row["kind"], row["amount"]) for row in kinds] == [("grant", 5), ("debit", -1), ("capture", 0)]


def test_one_more_of_the_same_takes_two_taps(anna, rows):
    # Given a delivered video
    anna.order()
    anna.answer = anna.video()
    # When «Ещё вариант» and «Запустить» are tapped
    anna.tap("Ещё вариант")
    anna.tap("Запустить")
    # Then a second order of the same product is delivered
    anna.user.wait(lambda shown: shown.kind == "video" and shown.id > anna.answer.id, 30)
    orders = rows("SELECT photo_id, description, template FROM orders WHERE user_id = %s", anna.user.id)
    assert len(orders) == 2
    assert orders[0] == orders[1]


def test_three_videos_are_three_jobs_and_each_is_sent(anna, rows):
    anna.order(count=3)
    anna.user.wait(lambda _: sum(shown.kind == "video" for shown in anna.user.chat()) == 3, 40)
    anna.user.wait("готов за")
    statuses = rows("SELECT status FROM jobs WHERE user_id = %s", anna.user.id)
    assert [row["status"] for row in statuses] == ["done"] * 3
    assert rows("SELECT credits FROM users WHERE id = %s", anna.user.id) == [{"credits": 2}]


def test_history_sends_a_video_again_without_uploading_it(anna, client, rows):
    # Given a delivered video
    anna.order()
    video = anna.video()
    assert_delivered(rows, anna)
    uploads = len(client.journal(service="telegram", endpoint="sendVideo"))
    # When it is asked for in the history
    anna.say("/history")
    anna.user.tap(anna.answer, next(label for label in anna.answer.labels if "▶" in label))
    # Then the same file comes again, by its id
    again = anna.user.wait(lambda shown: shown.kind == "video" and shown.id > video.id)
    assert again.media["file_id"]
    entry = client.journal(service="telegram", endpoint="sendVideo")[uploads]
    assert isinstance(entry["request"]["video"], str)


def test_an_english_speaker_is_answered_in_english(client):
    # Given someone whose Telegram is in English
    john = client.user(first_name="John", language_code="en")
    # When they say hello
    john.say("/start")
    # Then the answer is English
    john.wait(say("ask-photo", "en").split("\n")[0].replace("<b>", "").replace("</b>", ""))
