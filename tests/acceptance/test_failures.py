"""What becomes of an order when a provider fails: the specification's table, end to end.

Two KIE accounts with a key each, so that an order that loses one key has another to go to.
"""

import hashlib
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from neurocards.texts import say
from sandbox.client import SandboxClient
from sandbox.customer import PHOTO, Customer
from sandbox.local import Local
from tests.acceptance.books import (
    assert_asked_once_each,
    assert_balanced,
    assert_delivered,
    assert_refunded,
    attempts,
    creates,
    now,
    the_job,
    videos,
)
from tests.acceptance.conftest import OPERATOR, TIME_SCALE, Query, ask, eventually, start

KEYS = {"sandbox-key-1": "one", "sandbox-key-2": "two"}
BUSY = "Server exception, please try again later"
# A retry begins at the first sweep after its time: a tick of 0.1 s, a message, and a machine that is busy with other tests.
LATE = 2.0


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory, database_server: str, redis_url: str) -> Iterator[Local]:
    """A system with two accounts, whose operator has said hello to the bot: nobody else may be written to."""
    keys = ",".join(f"{account}:{key}" for key, account in KEYS.items())
    for system in start(tmp_path_factory.mktemp("failures"), database_server, redis_url, KIE_API_KEY=keys):
        with SandboxClient(system.sandbox.url) as client:
            Customer(client.user(id=OPERATOR)).say("/start")
            client.kie("PUT", "settings", render_seconds=30)
        yield system


@pytest.fixture(autouse=True)
def healthy_keys(client: SandboxClient, rows: Query) -> Iterator[None]:
    """Every test begins and ends with two keys that KIE accepts and the pool knows to be well."""
    put_keys(client, "ok")
    # The retries of earlier tests are of an earlier hour, or they would spend the budget of this one's.
    # Nor is a key asked for its credit meanwhile: that would find out what an order is to find out.
    rows("UPDATE api_keys SET credit_at = now() + interval '1 hour' RETURNING 1")
    aged = "started_at = started_at - interval '1 hour', finished_at = finished_at - interval '1 hour'"
    rows(f"UPDATE provider_attempts SET {aged} WHERE finished_at IS NOT NULL RETURNING 1")  # noqa: S608  no value from outside
    yield
    client.clear_faults()
    recover(client, rows)


@pytest.fixture(autouse=True)
def balanced(rows: Query) -> Iterator[None]:
    """Whatever a test did, the books balance after it."""
    yield
    assert_balanced(rows)


def put_keys(client: SandboxClient, state: str, *names: str) -> None:
    """Puts keys (all unless named) into a state at KIE: ok, 401, 402 or 433."""
    client.kie("PUT", "keys", **{key: {"account": KEYS[key], "state": state} for key in names or KEYS})


def recover(client: SandboxClient, rows: Query) -> None:
    """KIE accepts all keys again, and the pool finds out by its own probes, which need not wait for their time."""
    put_keys(client, "ok")
    rows("UPDATE api_keys SET until = now() WHERE state = 'quarantined' RETURNING 1")
    eventually(lambda: not rows("SELECT 1 FROM api_keys WHERE state = 'quarantined' OR until > now()"))


def name_of(fingerprint: str) -> str:
    return next(key for key in KEYS if hashlib.sha256(key.encode()).hexdigest().startswith(fingerprint))


def alerts(client: SandboxClient, what: str) -> list[str]:
    """What the operator was told of one kind, each with its details."""
    headline = say(f"alert-{what}", "ru").partition("</b>")[0].removeprefix("<b>").replace("<b>", "")
    return [shown.text for shown in client.user(id=OPERATOR).chat() if shown.text.startswith(headline)]


def told_of(client: SandboxClient, key: str) -> list[str]:
    """What the operator was told of a key's quarantines, those of earlier tests as well."""
    return [text for text in alerts(client, "key_quarantined") if key in text]


def pauses(rows: Query, job: dict) -> list[float]:
    """Seconds of the product's time from the end of each attempt to the start of the next."""
    return [
        (later["started_at"] - earlier["finished_at"]).total_seconds() * TIME_SCALE
        for earlier, later in itertools.pairwise(attempts(rows, job))
    ]


def assert_within(measured: list[float], low: float, high: float) -> None:
    """Each pause was at least `low` and, but for the sweep's own delay, at most `high`."""
    assert all(low <= seconds <= high + LATE * TIME_SCALE for seconds in measured), measured


# USER_ERROR -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ({"code": 400, "msg": "Image contains faces."}, "person"),
        ({"code": 422, "msg": "Content policy violation"}, "moderation"),
        ({"failCode": "400", "failMsg": "This image contains photorealistic people.", "seconds": 1}, "person"),
        ({"failCode": "422", "failMsg": "CONTENT_POLICY_BLOCKED: The input was flagged", "seconds": 1}, "moderation"),
    ],
)  # fmt: skip
def test_a_forbidden_photo_or_text_is_refunded_at_once_and_the_customer_hears_why(anna, client, rows, fault, why):
    # Given a KIE that turns the product away, at once or after a while
    client.fault("kie", "createTask", "code" if "code" in fault else "fail", **fault)
    words = fault.get("msg") or fault.get("failMsg")
    before = now(client)
    # When an order is placed
    anna.order()
    # Then it is refunded and explained after one attempt, and the provider's words stay in the books
    job = assert_refunded(rows, anna, why)
    assert (job["failure_category"], job["failure_subtype"]) == ("USER_ERROR", why)
    assert [(row["state"], row["error"]) for row in attempts(rows, job)] == [("failed", words)]
    assert len(creates(client, before)) == 1
    assert not any(words in shown.text for shown in anna.user.chat())


# BILLING --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["401", "402"])
def test_a_bad_key_is_set_aside_and_the_order_goes_on_with_the_other_accounts_key(anna, client, rows, state):
    # Given a delivered order, and then a key that KIE no longer accepts: the one whose turn it is
    anna.order()
    assert_delivered(rows, anna)
    bad = rows("SELECT fingerprint FROM api_keys ORDER BY last_used_at NULLS FIRST")[0]["fingerprint"]
    put_keys(client, state, name_of(bad))
    told = len(told_of(client, bad))
    # When the same product is ordered again, its photo being at KIE already
    anna.answer = anna.video()
    anna.tap("Ещё вариант")
    anna.tap("Запустить")
    # Then the order is delivered with the other account's key, and the refusal is not counted
    job = assert_delivered(rows, anna)
    first, second = attempts(rows, job)
    assert (first["key"], first["state"], second["state"]) == (bad, "failed", "succeeded")
    assert second["key"] != bad
    assert job["render_attempts"] == 1
    # And the key is out, with the reason, until a probe finds it well; the operator was told once
    key = rows("SELECT state, reason FROM api_keys WHERE fingerprint = %s", bad)[0]
    assert key["state"] == "quarantined"
    assert key["reason"]
    eventually(lambda: len(told_of(client, bad)) > told)
    assert len(told_of(client, bad)) == told + 1


def test_with_every_key_bad_orders_are_refunded_and_the_customer_is_sent_to_support(anna, client, rows):
    # Given no key that KIE accepts
    put_keys(client, "401")
    # When two customers order
    boris = Customer(client.user())
    anna.order()
    boris.order()
    # Then both get their credits back and the address of support
    for customer in (anna, boris):
        job = assert_refunded(rows, customer, "billing")
        assert job["failure_category"] == "BILLING"
        assert "Обратитесь в тех. поддержку: @kirbudilov" in customer.user.wait("поддержку").text
    # And the operator was alerted once, not twice
    eventually(lambda: alerts(client, "billing"))
    assert len(alerts(client, "billing")) == 1
    # And when the keys are well again, the pool finds out by itself and orders go through
    recover(client, rows)
    anna.order()
    assert_delivered(rows, anna)


def test_a_kie_that_is_silent_about_a_bad_key_holds_up_nobody(anna, client, rows):
    # Given a key in quarantine, and a KIE that does not answer when asked about it
    client.fault("kie", "credit", "hang", seconds=4)
    before = now(client)
    rows("UPDATE api_keys SET state = 'quarantined', until = now() WHERE account = 'one' RETURNING 1")
    assert client.journal(before, "kie", "credit", wait=10)
    # When an order needs the sweep meanwhile, for its second attempt
    client.fault("kie", "createTask", "code", code=500, msg=BUSY)
    anna.order()
    # Then that attempt comes in time
    job = assert_delivered(rows, anna)
    assert_within(pauses(rows, job), 30, 60)


# RATE_LIMIT and TEMPORARY ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("http_status", [200, 429])
def test_a_rate_limit_rests_the_key_and_the_next_attempt_takes_the_other(anna, client, rows, http_status):
    # Given a KIE that says once that we ask too often, by its HTTP status or in the body alone
    client.fault("kie", "createTask", "code", code=429, msg="Your call frequency is too high.", http_status=http_status)
    # When an order is placed
    anna.order()
    # Then it is delivered by the second attempt, with the other key, after 60 to 120 s
    job = assert_delivered(rows, anna)
    first, second = attempts(rows, job)
    assert first["key"] != second["key"]
    assert job["render_attempts"] == 2
    assert_within(pauses(rows, job), 60, 120)


def test_a_lasting_rate_limit_costs_three_attempts_and_then_the_credit_comes_back(anna, client, rows):
    client.fault("kie", "createTask", "code", code=429, msg="Your call frequency is too high.", times=-1)
    before = now(client)
    anna.order()
    job = assert_refunded(rows, anna, "rate_limit")
    assert len(creates(client, before)) == len(attempts(rows, job)) == 3
    assert_within(pauses(rows, job), 60, 120)


def test_a_server_error_is_retried_after_30_to_60_s_and_the_order_delivered(anna, client, rows):
    client.fault("kie", "createTask", "code", code=500, msg=BUSY, times=2)
    anna.order()
    job = assert_delivered(rows, anna)
    assert [row["state"] for row in attempts(rows, job)] == ["failed", "failed", "succeeded"]
    assert_within(pauses(rows, job), 30, 60)


def test_a_lasting_server_error_costs_three_attempts_and_then_the_credit_comes_back(anna, client, rows):
    # Given a KIE that is down
    client.fault("kie", "createTask", "code", code=500, msg=BUSY, times=-1)
    before = now(client)
    anna.order()
    job = assert_refunded(rows, anna, "temporary")
    assert job["failure_category"] == "TEMPORARY"
    entries = creates(client, before)
    assert len(entries) == 3
    assert_asked_once_each(entries)
    assert_within(pauses(rows, job), 30, 60)


def test_a_failed_render_is_a_new_task_and_counts(anna, client, rows):
    # Given a task that KIE takes and then fails
    client.fault(
        "kie", "createTask", "fail", failCode="500", failMsg="Internal Error, Please try again later.", seconds=1
    )
    before = now(client)
    anna.order()
    # Then a second task brings the video, and both were attempts
    job = assert_delivered(rows, anna)
    assert [row["state"] for row in attempts(rows, job)] == ["failed", "succeeded"]
    assert len({row["task_id"] for row in attempts(rows, job)}) == 2
    assert job["render_attempts"] == len(creates(client, before)) == 2


# UNKNOWN and CONFIGURATION --------------------------------------------------------------------------------------------


def test_what_nobody_understands_is_tried_once_more_then_refunded_and_shown_to_the_operator_only(anna, client, rows):
    # Given failures in words that no rule knows
    words = "The frobnicator declined to frobnicate"
    client.fault("kie", "createTask", "fail", times=-1, failCode="", failMsg=words, seconds=1)
    anna.order()
    # Then there are two attempts, and the customer hears nothing of those words
    job = assert_refunded(rows, anna, "unknown")
    assert len(attempts(rows, job)) == 2
    assert not any("frobnicat" in shown.text for shown in anna.user.chat())
    # And the operator reads them
    eventually(lambda: any(words in text for text in alerts(client, "unknown_failure")))


def test_a_model_that_is_gone_is_replaced_by_the_next_and_nobody_but_the_operator_notices(anna, client, rows):
    # Given a configured model that KIE doesn't know any more
    gone = "The model name you specified is not supported. Please verify your input."
    client.fault("kie", "createTask", "code", code=422, msg=gone, match={"model": "bytedance/seedance-1.5-pro"})
    anna.order()
    # Then the first fallback makes the video, and the refusal is not counted
    job = assert_delivered(rows, anna)
    assert [row["model"] for row in attempts(rows, job)] == ["bytedance/seedance-1.5-pro", "kling-3.0/video"]
    assert job["render_attempts"] == 1
    # And the operator is told
    eventually(lambda: len(alerts(client, "model_fallback")) == 1)


# GPT ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "calls"),
    [("server_error", 3), ("rate_limit_requests", 3), ("insufficient_quota", 1), ("invalid_api_key", 1)],
)
def test_an_order_does_without_gpt_when_it_cannot_be_reached_or_paid(anna, client, rows, row, calls):
    # Given a GPT that fails for good
    client.fault("openai", "chat/completions", "error", row=row, retry_after=None, times=-1)
    before = now(client)
    anna.order()
    # Then the plain template's prompt makes the video, and the operator hears of it
    job = assert_delivered(rows, anna)
    assert (job["prompt_source"], job["script_attempts"]) == ("plain", calls)
    assert len(client.journal(after=before, service="openai")) == calls
    assert attempts(rows, job)[0]["state"] == "succeeded"
    eventually(lambda: alerts(client, "script_fallback"))
    assert not alerts(client, "billing") or "openai" not in str(alerts(client, "billing"))


def test_a_refusal_by_gpt_is_the_customers_to_hear_and_costs_nothing(anna, client, rows):
    client.fault("openai", "chat/completions", "refusal", text="I can't help with that.")
    before = now(client)
    anna.order()
    job = assert_refunded(rows, anna, "moderation")
    assert job["script_attempts"] == 1
    assert creates(client, before) == []


def test_an_own_prompt_never_goes_to_gpt(anna, client, rows):
    # Given a customer who writes the prompt
    words = "Камера медленно облетает чашку, пар поднимается, утренний свет"
    before = now(client)
    anna.say("/start")
    anna.send(PHOTO)
    anna.say("Чашка")
    anna.tap("Свой промпт")
    anna.say(words)
    anna.tap("1 видео")
    anna.tap("Запустить")
    # Then KIE gets those very words, and OpenAI nothing
    job = assert_delivered(rows, anna)
    assert job["prompt_source"] == "own"
    assert client.journal(after=before, service="openai") == []
    assert words in creates(client, before)[0]["request"]["input"]["prompt"]


# Answers that get lost ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "details"), [("lost_reply", {}), ("truncate", {}), ("false_error", {"code": 500, "msg": ""})]
)
def test_a_lost_answer_to_create_task_is_brought_home_by_the_callback(anna, client, rows, kind, details):
    # Given a KIE that takes the task, and an answer that is lost on its way, or lies
    client.fault("kie", "createTask", kind, **details)
    before = now(client)
    anna.order()
    # Then the callback's nonce names the task, it is adopted, and KIE has made exactly one
    job = assert_delivered(rows, anna)
    assert [(row["state"], bool(row["task_id"])) for row in attempts(rows, job)] == [("succeeded", True)]
    assert len(creates(client, before)) == 1
    assert job["render_attempts"] == 1


@pytest.fixture
def deaf_system(tmp_path: Path, database_server: str, redis_url: str) -> Iterator[Local]:
    """A system that KIE can't call back."""
    yield from start(tmp_path, database_server, redis_url, PUBLIC_BASE_URL="")


def test_without_callbacks_a_lost_answer_costs_one_more_task_at_most_and_the_customer_nothing(deaf_system):
    # Given a KIE that takes a task and can't say so in any way
    with SandboxClient(deaf_system.sandbox.url) as client:
        client.fault("kie", "createTask", "lost_reply")
        anna = Customer(client.user())
        anna.order()

        # Then after a minute the attempt counts as failed, and one more brings the video
        def rows(sql: str, *values: object) -> list[dict]:
            return ask(deaf_system.environment["DATABASE_URL"], sql, *values)

        job = assert_delivered(rows, anna)
        tried = attempts(rows, job)
        assert [(row["state"], bool(row["task_id"])) for row in tried] == [("failed", False), ("succeeded", True)]
        waited = (tried[0]["finished_at"] - tried[0]["started_at"]).total_seconds() * TIME_SCALE
        assert 60 <= waited <= 60 + LATE * TIME_SCALE
        assert_within(pauses(rows, job), 30, 60)
        assert ["callBackUrl" in entry["request"] for entry in creates(client)] == [False, False]


def test_callbacks_are_only_hints(client, rows):
    # Given callbacks that never come, come often, or come when all is over
    customers = []
    for kind, details in [
        ("callback_lost", {}),
        ("callback_duplicate", {"copies": 5}),
        ("callback_late", {"seconds": 300}),
    ]:
        client.fault("kie", "createTask", kind, **details)
        customers.append(Customer(client.user()))
        customers[-1].order()
    # Then each order is one task and one video
    for customer in customers:
        job = assert_delivered(rows, customer)
        assert [row["state"] for row in attempts(rows, job)] == ["succeeded"]


def test_a_forged_callback_changes_nothing(anna, client, rows, system):
    # Given a running render
    client.fault("kie", "createTask", "duration", seconds=250)
    before = now(client)
    anna.order()
    eventually(lambda: the_job(rows, anna)["stage"] == "render")
    task_id = attempts(rows, the_job(rows, anna))[0]["task_id"]
    nonce = creates(client, before)[0]["request"]["callBackUrl"].rpartition("/")[2]
    # When strangers and liars call: without a nonce, with a wrong one, with nonsense, with another task's id
    for path, body in [
        ("", {"data": {"taskId": "mine"}}),
        ("A" * 5000, {"data": {"taskId": "mine"}}),
        (nonce[:-1] + "_", {"data": {"taskId": "mine"}}),
        (nonce, "[]"),
        (nonce, "\x00"),
        (nonce, {"data": {"taskId": ["x"]}}),
        (nonce, {"data": {"taskId": "mine", "state": "fail", "resultUrls": ["http://evil.example/x.mp4"]}}),
    ]:
        call_back(system, path, body)
    # Then the task is the one that KIE named, and its video comes
    assert attempts(rows, the_job(rows, anna))[0]["task_id"] == task_id
    job = assert_delivered(rows, anna)
    assert [(row["state"], row["task_id"]) for row in attempts(rows, job)] == [("succeeded", task_id)]
    assert "evil" not in job["result_url"]


def call_back(system: Local, path: str, body: object) -> None:
    url = f"http://127.0.0.1:{system.port}/kie/callback/{path}"
    arguments = {"data": body.encode()} if isinstance(body, str) else {"json": body}
    with requests.post(url, timeout=10, **arguments) as answer:
        assert answer.status_code < 500


# Results that are no video --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["html", "empty", "not_video", "404"])
def test_a_result_that_is_no_video_is_asked_for_again(anna, client, rows, what):
    # Given a task that ends well, with something else behind its address
    client.fault("kie", "createTask", "bad_result", what=what)
    anna.order()
    # Then a new task brings a video
    job = assert_delivered(rows, anna)
    assert job["render_attempts"] == 2
    assert [row["state"] for row in attempts(rows, job)] == ["succeeded", "succeeded"]


def test_results_that_are_never_a_video_are_refunded_after_three_attempts(anna, client, rows):
    client.fault("kie", "createTask", "bad_result", what="html", times=-1)
    before = now(client)
    anna.order()
    assert_refunded(rows, anna, "temporary")
    assert len(creates(client, before)) == 3
    assert not videos(anna)


def test_a_result_without_end_does_not_hold_the_worker(anna, client, rows):
    # Given a result that pours on for ever
    client.fault("kie", "createTask", "bad_result", what="endless", bytes_per_second=40_000_000)
    anna.order()
    # Then it is cut off by its size, and a new task brings the video
    job = assert_delivered(rows, anna)
    assert job["render_attempts"] == 2


# A provider that is down ----------------------------------------------------------------------------------------------


def test_while_kie_is_down_an_order_waits_is_told_once_and_goes_on_by_itself(anna, client, rows):
    # Given a KIE that has just said it is down, for longer than a card rests between two edits
    rows("INSERT INTO pauses VALUES ('kie', 'being maintained', now() + interval '8 seconds') RETURNING 1")
    before = now(client)
    # When an order comes
    anna.order()
    # Then its customer and the operator hear that it waits, and the card shows it
    notice = anna.user.wait("нажимать ничего не нужно")
    assert "если" in notice.text.lower()
    eventually(lambda: any("жду, пока сервис съёмки ответит" in shown.text for shown in anna.user.chat()))
    eventually(lambda: alerts(client, "provider_down"))
    assert creates(client, before) == []
    # And when KIE is back, it is delivered after one attempt, with nothing more said
    job = assert_delivered(rows, anna)
    assert (job["render_attempts"], len(creates(client, before))) == (1, 1)
    assert sum("нажимать ничего не нужно" in shown.text for shown in anna.user.chat()) == 1
    assert rows("SELECT 1 FROM pauses") == []


def test_maintenance_at_kie_is_asked_about_by_one_order_at_a_time(anna, client, rows):
    # Given a KIE in maintenance
    client.fault("kie", "createTask", "code", times=-1, code=455, msg="The server is currently being maintained")
    before = now(client)
    # When an order finds out
    anna.order()
    # Then it has its three attempts and its credit back, as with any trouble of KIE's that lasts
    job = assert_refunded(rows, anna, "maintenance")
    assert (job["render_attempts"], len(creates(client, before))) == (3, 3)
    # And when it is over, the next order goes through
    client.clear_faults()
    anna.order()
    assert_delivered(rows, anna)
