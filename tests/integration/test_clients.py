"""The clients against the stand-ins: what works, what each way of failing becomes, and that no secret is in any of it."""

import io
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from telebot import TeleBot
from telebot.apihelper import ApiTelegramException

from neurocards.classifiers import classify
from neurocards.clients import telegram
from neurocards.clients.kie import Kie, TaskRecord
from neurocards.clients.openai import Gpt
from neurocards.clients.telegram import Telegram
from neurocards.errors import BadPhoto, BadVideo, NeurocardsError, ProviderError
from neurocards.media import Video, fetch_result, normalise_photo, probe_video
from neurocards.transport import Bearer, Call, exchange
from sandbox.client import SandboxClient, User
from sandbox.server import Sandbox

KEY = "kie-secret-key-0001"
TOKEN = "123456789:AAaaBBbbCCccDDddEEeeFFffGGgghhh_-1"
MODEL = "bytedance/seedance-1.5-pro"
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def server() -> Iterator[Sandbox]:
    """A sandbox in which a render takes under a second."""
    with Sandbox(time_scale=300, prepared_video=True) as running:
        yield running


@pytest.fixture
def sandbox(server: Sandbox) -> Iterator[SandboxClient]:
    """Its control, with nothing armed."""
    with SandboxClient(server.url) as client:
        client.clear_faults()
        yield client


@pytest.fixture
def kie(sandbox: SandboxClient) -> Kie:
    """A client of the sandbox's KIE."""
    return Kie(sandbox.url, sandbox.url)


@pytest.fixture
def gpt(sandbox: SandboxClient) -> Gpt:
    """A client of the sandbox's OpenAI."""
    return Gpt(f"{sandbox.url}/v1", "sk-secret-0001", "gpt-4o-mini")


@pytest.fixture
def bot(sandbox: SandboxClient) -> TeleBot:
    """A bot of the sandbox's Telegram."""
    return telegram.connect(TOKEN, sandbox.url)


@pytest.fixture
def anna(sandbox: SandboxClient, bot: TeleBot) -> User:
    """Someone who has started the bot."""
    user = sandbox.user(77)
    bot.get_me()
    user.say("/start")
    return user


@pytest.fixture(scope="module")
def jpeg() -> bytes:
    """A photo made ready."""
    file = io.BytesIO()
    Image.effect_noise((600, 800), 60).convert("RGB").save(file, "JPEG")
    return normalise_photo(file.getvalue()).jpeg


def entries(sandbox: SandboxClient, service: str, endpoint: str, after: int = 0) -> list[dict]:
    """What the service was asked, after the given entry."""
    return sandbox.journal(after=after, service=service, endpoint=endpoint)


def last(sandbox: SandboxClient) -> int:
    """The number of the last journal entry."""
    return max((entry["n"] for entry in sandbox.journal()), default=0)


def failed(call: Callable[[], object]) -> ProviderError:
    """The ProviderError of a call that must fail."""
    with pytest.raises(ProviderError) as raised:
        call()
    assert_no_secret(raised.value)
    return raised.value


def assert_no_secret(error: BaseException | None) -> None:
    """Neither the printed traceback, nor the error, nor any error behind it has a secret in its values."""
    printed = "".join(traceback.format_exception(error)) if error else ""
    # Source lines of this very file are printed too, and they name the secrets by their variables only.
    while error is not None:
        printed += f"{error!s} {error!r} {vars(error)!r}"
        error = error.__context__ or error.__cause__
    for secret in (TOKEN, TOKEN.partition(":")[2], KEY, "sk-secret-0001"):
        assert secret not in printed


def finished(kie: Kie, task_id: str) -> TaskRecord:
    """The record of a task once it has ended."""
    for _ in range(200):
        record = kie.record(KEY, task_id)
        if record.state != "pending":
            return record
        time.sleep(0.05)
    raise AssertionError("the task did not end")


def create(kie: Kie, jpeg: bytes, callback_url: str | None = None) -> str:
    """A new task for an uploaded picture."""
    return kie.create_task(KEY, MODEL, kie.upload(KEY, jpeg), "A kettle on a table.", callback_url)


# KIE: what works -------------------------------------------------------------------------------------------------------


def test_a_picture_becomes_a_video_that_telegram_plays(kie, jpeg, anna, bot, tmp_path):
    # Given a task whose callback carries a nonce
    task_id = create(kie, jpeg, "http://127.0.0.1:9/kie/callback/abc")
    # When it has rendered
    record = finished(kie, task_id)
    # Then the record names the result and the callback
    assert (record.state, record.error) == ("success", None)
    assert record.callback_url == "http://127.0.0.1:9/kie/callback/abc"
    # And the result is a video that reaches the customer with its geometry
    path = tmp_path / "video.mp4"
    fetch_result(record.result_url, path, allow_private=kie.is_private)
    video = probe_video(path)
    sent = Telegram(bot).send_video(anna.id, path, video, "<b>Готово</b>", [[("Ещё", "v1:again:1")]])
    message = anna.wait("Готово", timeout=5)
    assert (message.id, message.kind, message.buttons) == (sent.message_id, "video", [[("Ещё", "v1:again:1")]])
    assert (message.media["width"], message.media["height"]) == (video.width, video.height)
    assert sent.file_id


def test_uploads_have_names_nobody_can_guess(kie, jpeg):
    # When the same picture is uploaded twice
    first, second = kie.upload(KEY, jpeg), kie.upload(KEY, jpeg)
    # Then the addresses differ in 32 hexadecimal digits
    names = {Path(url).stem for url in (first, second)}
    assert len(names) == 2
    assert all(len(name) == 32 and int(name, 16) for name in names)


def test_the_credit_is_a_number(kie):
    assert kie.credit(KEY) > 0


def test_a_task_that_fails_says_why(kie, jpeg, sandbox):
    # Given a picture that will be found to show a person
    sandbox.fault("kie", "createTask", "fail", failCode="400", failMsg="Image contains faces.", seconds=0)
    # When the task has ended
    record = finished(kie, create(kie, jpeg))
    # Then the reason is in the record, and understood
    assert (record.state, record.result_url) == ("fail", None)
    assert (record.error.channel, record.error.fail_code) == ("record", "400")
    assert classify(record.error).subtype == "person"


def test_a_key_is_named_with_each_call(kie, sandbox):
    # When two keys are used
    before = last(sandbox)
    kie.credit(KEY)
    kie.credit("another-key")
    # Then KIE saw two callers
    assert len({entry["caller"] for entry in entries(sandbox, "kie", "credit", before)}) == 2


# KIE: creating a task is never repeated, and its failures say whether a task may exist --------------------------------


@pytest.mark.parametrize(
    ("kind", "params", "ambiguous"),
    [
        ("reset", {}, True),
        ("lost_reply", {}, True),
        ("truncate", {}, True),
        ("http", {"status": 502, "body": "<html>Bad gateway</html>"}, True),
        ("http", {"status": 200, "body": "<html>Just a moment</html>"}, True),
        ("http", {"status": 200, "body": {"hello": "world"}}, True),
        ("http", {"status": 200, "body": {"code": 200, "msg": "success", "data": None}}, True),
        ("http", {"status": 200, "body": {"code": 200, "msg": "success", "data": {"taskId": ""}}}, True),
        ("http", {"status": 200, "body": "[" * 200_000}, True),
        ("http", {"status": 200, "body": "x" * 2_000_000}, True),
        ("http", {"status": 302, "body": "", "headers": {"Location": "/elsewhere"}}, True),
        ("http", {"status": 429, "body": "slow down"}, False),
        ("http", {"status": 429, "body": {"code": 429, "msg": "Your call frequency is too high."}}, False),
        ("code", {"code": 500, "msg": "Server exception, please try again later"}, False),
        ("code", {"code": 402, "msg": "Insufficient credits"}, False),
        ("code", {"code": 422, "msg": "The model name you specified is not supported."}, False),
    ],
)
def test_a_failed_creation_is_ambiguous_unless_it_was_refused(*, kie, jpeg, sandbox, kind, params, ambiguous):
    # Given KIE misbehaving once
    picture = kie.upload(KEY, jpeg)
    before = last(sandbox)
    sandbox.fault("kie", "createTask", kind, times=-1, **params)
    # When a task is created
    error = failed(lambda: kie.create_task(KEY, MODEL, picture, "A kettle.", None))
    # Then the error says whether a task may exist
    assert (error.channel, error.ambiguous) == ("createTask", ambiguous)
    assert (classify(error).subtype == "ambiguous_submit") == ambiguous
    # And KIE was asked once
    assert len(entries(sandbox, "kie", "createTask", before)) == 1


def test_a_lost_reply_leaves_a_task_behind(kie, jpeg, sandbox):
    # Given that KIE makes the task and its answer gets lost
    picture = kie.upload(KEY, jpeg)
    tasks = len(sandbox.call("GET", "/sandbox/kie/tasks")["tasks"])
    sandbox.fault("kie", "createTask", "lost_reply")
    # When a task is created
    error = failed(lambda: kie.create_task(KEY, MODEL, picture, "A kettle.", None))
    # Then it was right to call that ambiguous
    assert error.ambiguous
    assert len(sandbox.call("GET", "/sandbox/kie/tasks")["tasks"]) == tasks + 1


@pytest.mark.parametrize("address", [NOWHERE, "http://name.invalid"], ids=["no listener", "no such name"])
def test_a_connection_that_was_never_made_is_certain(address):
    error = failed(lambda: Kie(address, address).create_task(KEY, MODEL, "http://a.example/a.jpg", "A kettle.", None))
    assert not error.ambiguous
    assert error.text.startswith("no connection")
    assert classify(error).category == "TEMPORARY"


def test_a_failed_handshake_is_certain(sandbox):
    # Given a server that doesn't speak TLS
    address = sandbox.url.replace("http://", "https://")
    error = failed(lambda: Kie(address, address).create_task(KEY, MODEL, "http://a.example/a.jpg", "A kettle.", None))
    # Then nothing was sent
    assert not error.ambiguous


def test_no_answer_in_time_is_ambiguous(sandbox):
    # Given a KIE that takes the request and says nothing
    sandbox.fault("kie", "createTask", "hang", seconds=5)
    call = Call(
        "kie", "createTask", "POST", f"{sandbox.url}/api/v1/jobs/createTask", seconds=0.3, once=True, fresh=True
    )
    # When the patience of the call is over
    started = time.monotonic()
    error = failed(lambda: exchange(call, auth=Bearer(KEY), json={}))
    # Then that is soon, and the error is ambiguous
    assert time.monotonic() - started < 3
    assert (error.ambiguous, error.text) == (True, "no answer: timed out")


def test_an_impossible_key_is_not_printed(kie):
    # When a key is used that no header can carry
    error = failed(lambda: kie.credit(f"{KEY}\r\nX-Evil: 1"))
    # Then the error says only so
    assert error.text == "no connection: ValueError"


def test_a_key_of_foreign_letters_is_the_vendors_to_refuse(kie):
    assert kie.credit("ключ") > 0


# KIE: asking may be repeated --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "params"),
    [("reset", {}), ("truncate", {}), ("http", {"status": 502, "body": "<html>Bad gateway</html>"})],
    ids=["reset", "truncated", "502"],
)
def test_a_stumble_while_asking_goes_unnoticed(kie, jpeg, sandbox, kind, params):
    # Given a task, and a KIE that stumbles at the next question
    task_id = create(kie, jpeg)
    sandbox.fault("kie", "recordInfo", kind, **params)
    # Then the second try gets the answer
    assert kie.record(KEY, task_id).state in ("pending", "success")


def test_an_answer_that_never_comes_is_given_up(kie, jpeg, sandbox):
    # Given a KIE that is down
    task_id = create(kie, jpeg)
    before = last(sandbox)
    sandbox.fault("kie", "recordInfo", "http", times=-1, status=502, body="<html></html>")
    # When it is asked
    error = failed(lambda: kie.record(KEY, task_id))
    # Then there were three tries, and the error says nothing of the task
    assert len(entries(sandbox, "kie", "recordInfo", before)) == 3
    assert (error.channel, error.http_status, error.ambiguous) == ("recordInfo", 502, False)


def test_an_unknown_task_is_an_error_and_not_a_state(kie):
    error = failed(lambda: kie.record(KEY, "0" * 32))
    assert classify(error).subtype == "task_not_found"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"state": "waiting"}, "pending"),
        ({"state": "something new"}, "pending"),
        ({"state": "failed", "failMsg": None, "failCode": None}, "fail"),
        ({"state": "success", "resultJson": {"resultUrls": ["https://a.example/v.mp4"]}}, "success"),
        (
            {"state": "success", "resultJson": '{"resultUrls":["file:///etc/passwd","https://a.example/v.mp4"]}'},
            "success",
        ),
        ({"state": "success", "resultJson": ""}, "fail"),
        ({"state": "success", "resultJson": '{"resultUrls":["file:///etc/passwd"]}'}, "fail"),
        ({"state": "success", "resultJson": '{"resultUrls":"https://a.example/v.mp4"}'}, "fail"),
        ({"state": "success", "resultJson": "[" * 5000}, "fail"),
    ],
)
def test_every_shape_of_a_record_is_read(kie, sandbox, data, expected):
    # Given KIE's answer in some shape
    sandbox.fault("kie", "recordInfo", "http", status=200, body={"code": 200, "msg": "success", "data": data})
    # When it is asked
    record = kie.record(KEY, "0" * 32)
    # Then the state is one of three, with what belongs to it
    assert record.state == expected
    assert (record.result_url == "https://a.example/v.mp4") == (expected == "success")
    assert (record.error is not None) == (expected == "fail")


@pytest.mark.parametrize(
    "param",
    [
        '{"callBackUrl":"https://a.example/c","input":"{}"}',
        '{"input":"{\\"callBackUrl\\":\\"https://a.example/c\\"}"}',
        {"input": {"callBackUrl": "https://a.example/c"}},
    ],
)
def test_the_callback_is_found_however_deep_it_is_wrapped(kie, sandbox, param):
    data = {"state": "waiting", "param": param}
    sandbox.fault("kie", "recordInfo", "http", status=200, body={"code": 200, "msg": "success", "data": data})
    assert kie.record(KEY, "0" * 32).callback_url == "https://a.example/c"


@pytest.mark.parametrize("data", [None, True, "lots", {"credit": 5}, "NaN", 10**400, 1e300])
def test_a_credit_that_is_no_number_is_an_error(kie, sandbox, data):
    sandbox.fault("kie", "credit", "http", status=200, body={"code": 200, "msg": "success", "data": data})
    failed(lambda: kie.credit(KEY))


def test_what_a_vendor_says_can_always_be_kept(kie, sandbox):
    # Given an answer with a NUL, half a surrogate pair, a number that is none, and a code beyond any column
    body = r'{"code": 200, "data": {"state": "fail", "costTime": NaN, "failCode": "5\u0000", "failMsg": "no\u0000pe\ud83d"}}'
    sandbox.fault("kie", "recordInfo", "http", status=200, body=body)
    # Then what is read of it has neither
    error = kie.record(KEY, "0" * 32).error
    assert (error.text, error.fail_code) == ("nope", "5")
    sandbox.fault("kie", "recordInfo", "http", status=200, body={"code": 10**30, "msg": "x"})
    assert failed(lambda: kie.record(KEY, "0" * 32)).body_code is None


# Results ----------------------------------------------------------------------------------------------------------------


def result_url(kie: Kie, jpeg: bytes) -> str:
    """The address of a finished task's result."""
    return str(finished(kie, create(kie, jpeg)).result_url)


@pytest.mark.parametrize(
    ("what", "limits", "expected"),
    [
        ("html", {}, "not a video"),
        ("empty", {}, "empty"),
        ("endless", {"limit_bytes": 200_000}, "too large"),
        ("endless", {"seconds": 0.5}, "too slow"),
    ],
    ids=["html", "empty", "endless", "slow"],
)
def test_a_bad_result_is_refused_and_leaves_nothing(*, kie, jpeg, sandbox, tmp_path, what, limits, expected):
    # Given a result that isn't what was promised
    sandbox.fault("kie", "createTask", "bad_result", what=what, bytes_per_second=2_000_000)
    url = result_url(kie, jpeg)
    # When it is fetched
    # A slow line is not the result's fault: that one may be fetched again.
    error = ProviderError if expected == "too slow" else BadVideo
    with pytest.raises(error, match=expected):
        fetch_result(url, tmp_path / "v.mp4", allow_private=True, **limits)
    # Then no half of it is left
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_only_claims_to_be_a_video_is_found_out(kie, jpeg, sandbox, tmp_path):
    # Given a ZIP under the name and type of a video
    sandbox.fault("kie", "createTask", "bad_result", what="not_video")
    fetch_result(result_url(kie, jpeg), tmp_path / "v.mp4", allow_private=True)
    # Then probing it says so
    with pytest.raises(BadVideo, match="not a video"):
        probe_video(tmp_path / "v.mp4")


def test_a_result_that_is_gone_is_the_providers_failure(kie, jpeg, sandbox, tmp_path):
    # Given a result that has expired
    sandbox.fault("kie", "createTask", "bad_result", what="404")
    url = result_url(kie, jpeg)
    error = failed(lambda: fetch_result(url, tmp_path / "v.mp4", allow_private=True))
    # Then it is KIE's failure, and a new task may help
    assert (error.channel, error.http_status) == ("result", 404)
    assert classify(error).subtype == "bad_result"


def test_a_download_that_breaks_off_is_not_taken_for_a_file(kie, jpeg, sandbox, tmp_path):
    url = result_url(kie, jpeg)
    sandbox.fault("kie", "files", "truncate")
    failed(lambda: fetch_result(url, tmp_path / "v.mp4", allow_private=True))
    assert list(tmp_path.iterdir()) == []


def test_redirects_are_followed_a_little(kie, jpeg, sandbox, tmp_path):
    # Given a result that has moved, twice
    url = result_url(kie, jpeg)
    sandbox.fault("kie", "files", "http", times=2, status=302, body="", headers={"Location": url})
    fetch_result(url, tmp_path / "v.mp4", allow_private=True)
    # Then it is found
    assert probe_video(tmp_path / "v.mp4").duration > 1


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://a.example/v.mp4", "http://user:pass@a.example/"])
def test_a_redirect_to_something_odd_is_refused(kie, jpeg, sandbox, tmp_path, location):
    url = result_url(kie, jpeg)
    sandbox.fault("kie", "files", "http", status=302, body="", headers={"Location": location})
    assert failed(lambda: fetch_result(url, tmp_path / "v.mp4", allow_private=True)).text == "not a web address"


def test_a_circle_of_redirects_ends(kie, jpeg, sandbox, tmp_path):
    url = result_url(kie, jpeg)
    sandbox.fault("kie", "files", "http", times=-1, status=302, body="", headers={"Location": url})
    assert failed(lambda: fetch_result(url, tmp_path / "v.mp4", allow_private=True)).text == "too many redirects"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0"])
def test_a_result_on_our_own_network_is_never_asked_for(kie, jpeg, sandbox, tmp_path, host):
    # Given a result whose address leads to this machine, however it is spelt
    url = result_url(kie, jpeg).replace("127.0.0.1", host)
    before = last(sandbox)
    # When it is fetched as from the public internet
    error = failed(lambda: fetch_result(url, tmp_path / "v.mp4"))
    # Then nothing was sent there
    assert error.text == "no connection: not a public address"
    assert entries(sandbox, "kie", "files", before) == []


def test_a_provider_on_a_private_network_is_known_as_such(kie):
    assert kie.is_private
    assert not Kie("http://8.8.8.8", "http://8.8.8.8").is_private


# GPT --------------------------------------------------------------------------------------------------------------------


def test_gpt_writes_about_the_photo(gpt, jpeg, sandbox):
    # When a script is asked for
    before = last(sandbox)
    script = gpt.write("You write scripts.", "Product: чайник", jpeg)
    # Then there is one, made with the photo in small detail and OpenAI's usual limits
    assert "чайник" in script
    request = entries(sandbox, "openai", "chat/completions", before)[0]["request"]
    assert (request["max_tokens"], request["temperature"]) == (700, 0.7)
    assert "max_completion_tokens" not in request


@pytest.mark.parametrize("model", ["gpt-5-mini", "o3-mini"])
def test_reasoning_models_get_the_parameters_they_take(sandbox, jpeg, model):
    # When a reasoning model is asked
    before = last(sandbox)
    Gpt(f"{sandbox.url}/v1", "sk-secret-0001", model).write("You write scripts.", "Product: чайник", jpeg)
    # Then there is no temperature, and the allowance has its other name
    request = entries(sandbox, "openai", "chat/completions", before)[0]["request"]
    assert request["max_completion_tokens"] >= 700
    assert not {"max_tokens", "temperature"} & request.keys()


@pytest.mark.parametrize(
    ("kind", "params", "expected"),
    [
        ("refusal", {}, ("refusal", "USER_ERROR", None)),
        ("content_filter", {}, ("content_filter", "USER_ERROR", None)),
        ("empty", {}, ("empty", "TEMPORARY", None)),
        ("length", {}, ("length", "TEMPORARY", None)),
        ("error", {"row": "invalid_api_key"}, ("invalid_api_key", "BILLING", None)),
        ("error", {"row": "insufficient_quota"}, ("insufficient_quota", "BILLING", None)),
        ("error", {"row": "rate_limit_requests", "retry_after": 20}, ("rate_limit_exceeded", "RATE_LIMIT", 20.0)),
        ("error", {"row": "rate_limit_requests", "retry_after": 9999}, ("rate_limit_exceeded", "RATE_LIMIT", 300.0)),
        (
            "error",
            {"row": "rate_limit_requests", "retry_after": None, "message": "Please try again in 1m30s."},
            ("rate_limit_exceeded", "RATE_LIMIT", 90.0),
        ),
        (
            "error",
            {"row": "rate_limit_requests", "retry_after": None, "message": "Please try again in 108ms."},
            ("rate_limit_exceeded", "RATE_LIMIT", 1.0),
        ),
        ("http", {"status": 502, "body": "<html></html>"}, (None, "TEMPORARY", None)),
        ("http", {"status": 200, "body": {"code": 500, "msg": "Insufficient credits"}}, (None, "BILLING", None)),
        ("http", {"status": 200, "body": {"choices": []}}, (None, "TEMPORARY", None)),
        ("reset", {}, (None, "TEMPORARY", None)),
        ("truncate", {}, (None, "TEMPORARY", None)),
    ],
)
def test_gpts_failures_are_told_apart_and_not_retried(*, gpt, jpeg, sandbox, kind, params, expected):
    # Given an OpenAI that fails in some way
    before = last(sandbox)
    sandbox.fault("openai", "chat/completions", kind, times=-1, **params)
    # When a script is asked for
    error = failed(lambda: gpt.write("You write scripts.", "Product: чайник", jpeg))
    # Then code, meaning and waiting time are known, after one request
    assert (error.fail_code, classify(error).category, error.retry_after) == expected
    assert len(entries(sandbox, "openai", "chat/completions", before)) == 1


# Telegram ---------------------------------------------------------------------------------------------------------------


def test_the_longest_text_arrives_whole_and_without_link_previews(anna, bot, sandbox):
    # When the longest text there is gets sent (as a part of a URL, it would be 24 kB)
    before = last(sandbox)
    Telegram(bot).send_text(anna.id, "я" * 4096, [])
    # Then it arrives
    assert anna.wait("я" * 4096, timeout=5).from_bot
    sent = entries(sandbox, "telegram", "sendMessage", before)[0]["request"]
    assert sent["link_preview_options"] == '{"is_disabled": true}'


def test_texts_are_sent_and_edited_and_the_same_edit_is_no_failure(anna, bot):
    # Given a message with a button
    client = Telegram(bot)
    message_id = client.send_text(anna.id, "<b>Привет</b>", [[("Да", "v1:yes"), ("Нет", "v1:no")]])
    # When it is edited twice in the same way
    client.edit_text(anna.id, message_id, "Пока", [])
    client.edit_text(anna.id, message_id, "Пока", [])
    # Then it stands there once, edited
    message = anna.wait("Пока", timeout=5)
    assert (message.id, message.buttons) == (message_id, [])


def test_updates_come_raw_and_with_every_kind_named(anna, bot, sandbox):
    # Given a message, and an update no library can read
    anna.say("привет")
    sandbox.call("POST", "/sandbox/telegram/updates", json={"update": {"something": {"new": 1}}})
    before = last(sandbox)
    # When updates are fetched
    updates = telegram.get_updates(bot, 0, 1)
    # Then both are there as they came
    assert any(update.get("message", {}).get("text") == "привет" for update in updates)
    assert any("something" in update for update in updates)
    wanted = entries(sandbox, "telegram", "getUpdates", before)[0]["request"]["allowed_updates"]
    assert all(kind in wanted for kind in ("message", "edited_message", "callback_query", "my_chat_member"))
    # And asking from the next one confirms them
    assert telegram.get_updates(bot, updates[-1]["update_id"] + 1, 1) == []


def test_what_has_no_id_of_an_update_is_left_out(bot, sandbox):
    # Given a batch with ids that no table could keep
    ids = [2**63, -1, True, None, "5", 0.5, 5]
    body = {"ok": True, "result": [*({"update_id": number} for number in ids), 7, None]}
    sandbox.fault("telegram", "getUpdates", "http", status=200, body=body)
    # Then the others come through
    assert telegram.get_updates(bot, 0, 0) == [{"update_id": 5}]


@pytest.mark.parametrize(
    "body",
    [
        {"ok": True}, {"ok": "yes", "result": {}}, {"ok": False, "description": "x"}, {"ok": False, "error_code": 400},
        {"ok": False, "error_code": "400", "description": "x"}, {"ok": True, "result": True}, {"ok": True, "result": {"message_id": "5"}},
        {"ok": True, "result": []},
    ],
    ids=str,
)  # fmt: skip
def test_an_answer_that_is_not_telegrams_is_an_ambiguous_failure(anna, bot, sandbox, body):
    sandbox.fault("telegram", "sendMessage", "http", status=200, body=body)
    error = failed(lambda: Telegram(bot).send_text(anna.id, "привет", []))
    assert (error.http_status, error.ambiguous) == (200, True)


def test_a_flood_longer_than_a_year_is_no_wait(anna, bot, sandbox):
    for seconds in (10**400, -1, "5", None):
        body = {
            "ok": False,
            "error_code": 429,
            "description": "Too Many Requests",
            "parameters": {"retry_after": seconds},
        }
        sandbox.fault("telegram", "sendMessage", "http", status=429, body=body)
        assert failed(lambda: Telegram(bot).send_text(anna.id, "привет", [])).retry_after is None


def file_id(anna: User, bot: TeleBot, jpeg: bytes, tmp_path: Path) -> str:
    """The id of a photo that Anna has sent."""
    (tmp_path / "a.jpg").write_bytes(jpeg)
    (update_id,) = anna.document(tmp_path / "a.jpg")
    (update,) = telegram.get_updates(bot, update_id, 1)
    return str(update["message"]["document"]["file_id"])


def test_a_photo_is_downloaded_whole(anna, bot, jpeg, tmp_path):
    assert telegram.download_file(bot, file_id(anna, bot, jpeg, tmp_path), 20 * 2**20) == jpeg


@pytest.mark.parametrize(
    ("endpoint", "kind", "params", "reason"),
    [
        ("getFile", "file_too_big", {}, "too_big"),
        ("getFile", "file_unavailable", {}, "unreachable"),
        ("getFile", "reset", {"times": -1}, "unreachable"),
        ("file", "reset", {"times": -1}, "unreachable"),
        ("file", "truncate", {"times": -1}, "unreachable"),
        ("file", "http", {"status": 404, "body": "Not Found"}, "unreachable"),
        ("file", "http", {"status": 200, "body": "x" * 900_000}, "too_big"),
    ],
)
def test_a_photo_that_cannot_be_had_is_refused(*, anna, bot, jpeg, sandbox, tmp_path, endpoint, kind, params, reason):
    # Given a photo that Telegram doesn't hand out
    photo = file_id(anna, bot, jpeg, tmp_path)
    sandbox.fault("telegram", endpoint, kind, **params)
    # When it is downloaded
    with pytest.raises(BadPhoto) as raised:
        telegram.download_file(bot, photo, 800_000)
    # Then the person can be told why
    assert raised.value.reason == reason
    assert_no_secret(raised.value)


def test_a_stumble_during_a_download_goes_unnoticed(anna, bot, jpeg, sandbox, tmp_path):
    photo = file_id(anna, bot, jpeg, tmp_path)
    sandbox.fault("telegram", "file", "reset")
    assert telegram.download_file(bot, photo, 20 * 2**20) == jpeg


@pytest.mark.parametrize(
    ("kind", "params", "expected"),
    [
        ("blocked", {}, ("UNREACHABLE", "blocked", 403)),
        ("deactivated", {}, ("UNREACHABLE", "deactivated", 403)),
        ("chat_not_found", {}, ("UNREACHABLE", "not_found", 400)),
        ("cant_parse", {}, ("CONFIGURATION", "validation", 400)),
        ("flood", {"retry_after": 40}, ("RATE_LIMIT", "", 429)),
        ("unauthorized", {}, ("CONFIGURATION", "bad_token", 401)),
        ("bad_gateway", {}, ("TEMPORARY", "provider", 502)),
        ("reset", {}, ("TEMPORARY", "lost_reply", None)),
        ("lost_reply", {}, ("TEMPORARY", "lost_reply", None)),
        ("http", {"status": 200, "body": "<html></html>"}, ("TEMPORARY", "lost_reply", 200)),
    ],
)
def test_a_message_that_fails_is_not_sent_again(*, anna, bot, sandbox, kind, params, expected):
    # Given a Telegram that fails in some way
    before = last(sandbox)
    sandbox.fault("telegram", "sendMessage", kind, times=-1, **params)
    # When a message is sent
    error = failed(lambda: Telegram(bot).send_text(anna.id, "привет", []))
    # Then it is understood, and was tried once
    failure = classify(error)
    assert (failure.category, failure.subtype, error.http_status) == expected
    assert error.retry_after == (40 if kind == "flood" else None)
    assert len(entries(sandbox, "telegram", "sendMessage", before)) == 1


@pytest.mark.parametrize("kind", ["reset", "bad_gateway"])
def test_an_edit_is_tried_again(anna, bot, sandbox, kind):
    # Given a message, and a Telegram that stumbles once
    client = Telegram(bot)
    message_id = client.send_text(anna.id, "раз", [])
    sandbox.fault("telegram", "editMessageText", kind)
    # Then the edit still happens
    client.edit_text(anna.id, message_id, "два", [])
    assert anna.wait("два", timeout=5).id == message_id


def test_a_short_flood_is_waited_out_and_files_are_sent_whole(*, anna, bot, sandbox, kie, jpeg, tmp_path):
    # Given a video and a Telegram that asks for a second's pause
    fetch_result(result_url(kie, jpeg), tmp_path / "v.mp4", allow_private=True)
    sandbox.fault("telegram", "sendVideo", "flood", retry_after=1)
    started = time.monotonic()
    # When it is sent
    video = probe_video(tmp_path / "v.mp4")
    sent = Telegram(bot).send_video(anna.id, tmp_path / "v.mp4", video, "с паузой", [])
    # Then it was sent again after the pause, with all its bytes
    assert time.monotonic() - started >= 1
    assert anna.download(sent.file_id) == (tmp_path / "v.mp4").read_bytes()


def test_waiting_for_floods_has_an_end(anna, bot, sandbox):
    # Given a Telegram that always asks for three seconds
    sandbox.fault("telegram", "sendMessage", "flood", times=-1, retry_after=3)
    started = time.monotonic()
    # When a message is sent
    error = failed(lambda: Telegram(bot).send_text(anna.id, "привет", []))
    # Then it is given up within the five seconds a dialogue can bear
    assert time.monotonic() - started < 5
    assert error.retry_after == 3


def test_handlers_get_the_librarys_own_refusals_without_the_token(anna, bot):
    # When a handler answers a button that is long gone
    with pytest.raises(ApiTelegramException) as raised:
        bot.answer_callback_query("1234567")
    # Then it gets the library's exception, which holds no address
    assert "query is too old" in raised.value.description
    assert_no_secret(raised.value)


@pytest.mark.parametrize("call", ["get_me", "send_message"])
def test_no_connection_to_telegram_keeps_the_token_secret(call):
    # Given a Bot API server that isn't there
    bot = telegram.connect(TOKEN, NOWHERE)
    # When the library is used directly
    error = failed(bot.get_me if call == "get_me" else lambda: bot.send_message(1, "привет"))
    # Then the error is ours, and certain
    assert (error.provider, error.ambiguous) == ("telegram", False)
    assert error.text.startswith("no connection")


def test_a_video_file_that_is_missing_is_an_error_of_ours(bot, tmp_path):
    with pytest.raises(FileNotFoundError):
        Telegram(bot).send_video(1, tmp_path / "none.mp4", Video(720, 1280, 5.0, b""), "", [])


def test_sends_are_paced():
    # Given a pace of 200 a second
    pace = telegram.Pace(200)
    started = time.monotonic()
    # When half as many again go at once
    for _ in range(300):
        pace.wait()
    # Then the first 200 went at once, and the others took half a second
    assert 0.4 <= time.monotonic() - started < 2


def test_all_our_errors_are_of_one_tree():
    assert issubclass(ProviderError, NeurocardsError)
