"""Handing the video over: to people who blocked the bot, through Telegram's limits and failures, and at most once but for one window."""

import pytest

from sandbox.client import SandboxClient
from sandbox.customer import Customer
from tests.acceptance.books import (
    assert_balanced,
    assert_delivered,
    assert_refunded,
    creates,
    money,
    now,
    the_job,
    videos,
)
from tests.acceptance.conftest import Query, eventually


def sendings(client: SandboxClient, after: int, customer: Customer) -> list[dict]:
    """The calls that sent this customer a video, or tried to."""
    entries = client.journal(after=after, service="telegram", endpoint="sendVideo")
    return [entry for entry in entries if str(entry["request"].get("chat_id")) == str(customer.user.id)]


def test_a_video_for_someone_who_blocked_the_bot_is_kept_for_them(anna, client, rows):
    # Given a customer who orders and then blocks the bot
    before = now(client)
    anna.order()
    anna.user.block()
    # Then the order is done and paid for, and Telegram was asked once, not again and again
    eventually(lambda: the_job(rows, anna)["finished_at"], 30)
    job = the_job(rows, anna)
    assert (job["status"], job["file_id"], money(rows, job)) == ("done", None, ["debit", "capture"])
    assert [entry["status"] for entry in sendings(client, before, anna)] == [403]
    assert not videos(anna)
    # And when they come back, the video is in their history, fetched from where KIE left it
    anna.user.unblock()
    anna.say("/history")
    anna.user.tap(anna.answer, next(label for label in anna.answer.labels if "▶" in label))
    anna.video()
    assert sendings(client, before, anna)[-1]["request"]["video"] == job["result_url"]


@pytest.mark.parametrize(
    ("kind", "details"),
    [("flood", {"retry_after": 1}), ("flood", {"retry_after": 60}), ("internal", {}), ("unauthorized", {})],
)
def test_a_video_that_telegram_would_not_take_is_sent_later_and_once(anna, client, rows, kind, details):
    # Given a Telegram that asks to wait, for a moment or for long, or fails, or doesn't know the bot's token for a while
    before = now(client)
    client.fault("telegram", "sendVideo", kind, times=2, **details)
    anna.order()
    # Then the video comes all the same, once, and no new one was made for it
    assert_delivered(rows, anna)
    assert len(creates(client, before)) == 1
    assert [entry["status"] == 200 for entry in sendings(client, before, anna)] == [False, False, True]


def test_a_lost_answer_of_telegram_may_repeat_the_video_but_not_the_price(anna, client, rows):
    # Given a Telegram that takes the video, and a connection that breaks before it can say so
    client.fault("telegram", "sendVideo", "lost_reply")
    anna.order()
    # Then the video was sent, twice at most: the declared window
    eventually(lambda: the_job(rows, anna)["finished_at"], 30)
    assert 1 <= len(videos(anna)) <= 2
    assert money(rows, the_job(rows, anna)) == ["debit", "capture"]
    assert_balanced(rows)


def test_a_video_that_telegram_refuses_for_good_is_made_three_times_at_most(anna, client, rows):
    # Given a Telegram that finds every video too large
    client.fault("telegram", "sendVideo", "too_large", times=-1, match={"chat_id": anna.user.id})
    before = now(client)
    anna.order()
    # Then the third is the last, and the credit comes back
    assert_refunded(rows, anna, "temporary")
    assert len(creates(client, before)) == 3


def test_the_notice_of_a_failure_gets_through_telegrams_limits(anna, client, rows):
    # Given an order that will fail, and a Telegram that asks to wait and fails before it takes the notice
    client.fault("kie", "createTask", "code", code=400, msg="Image contains faces.")
    anna.order()
    client.fault("telegram", "sendMessage", "internal", match={"chat_id": anna.user.id})
    # Then the customer hears of it, with the credit already back
    assert_refunded(rows, anna, "person")


def test_several_videos_of_one_order_fail_and_arrive_each_for_itself(anna, client: SandboxClient, rows: Query):
    # Given an order of three, one of which KIE turns down
    client.fault("kie", "createTask", "code", code=400, msg="Image contains faces.")
    anna.order(count=3)
    # Then two videos come, one credit is back, and the card says so
    anna.user.wait(lambda _: len(videos(anna)) == 2, 30)
    anna.user.wait("2 из 3 готовы", 30)
    jobs = rows("SELECT * FROM jobs WHERE user_id = %s ORDER BY status", anna.user.id)
    assert [(job["status"], money(rows, job)[-1]) for job in jobs] == [
        ("done", "capture"), ("done", "capture"), ("failed", "refund"),
    ]  # fmt: skip
    assert rows("SELECT credits FROM users WHERE id = %s", anna.user.id) == [{"credits": 3}]
    assert_balanced(rows)
