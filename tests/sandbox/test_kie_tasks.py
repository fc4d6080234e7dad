"""How the KIE stand-in's tasks go: videos, failures, bad results and everything a fault can do to them."""

import array
import io
import json
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
import pytest
import requests

from sandbox.server import Sandbox
from tests.sandbox.kie_caller import GOOD_INPUTS, SEEDANCE, TEN_KEYS, Caller, filled, picture


@pytest.fixture
def kie() -> Iterator[Caller]:
    with Sandbox(time_scale=1_000) as sandbox, requests.Session() as session:
        yield Caller(sandbox, session)


def test_a_success_is_a_playable_vertical_video_with_sound_made_once(kie: Caller) -> None:
    # Given two uploads of the same photo
    first, second = kie.upload(picture()), kie.upload(picture())

    # When a task is made with each
    records = [kie.ended(kie.task(given=filled(GOOD_INPUTS[SEEDANCE], url))) for url in (first, second)]
    urls = [json.loads(record["resultJson"])["resultUrls"][0] for record in records]
    videos = [requests.get(url, timeout=10) for url in urls]

    # Then the records tell unscaled seconds
    assert list(records[0]) == TEN_KEYS
    assert [record["state"] for record in records] == ["success", "success"]
    assert records[1]["costTime"] >= 150
    assert records[1]["completeTime"] >= records[1]["createTime"]
    # ... and the video is real, small, ready for streaming, and was rendered only once
    video = videos[0].content
    assert urls[0] != urls[1]
    assert video == videos[1].content
    assert videos[0].headers["Content-Type"] == "video/mp4"
    assert len(video) < 3_000_000
    assert video.find(b"moov") < video.find(b"mdat")
    with av.open(io.BytesIO(video), "r") as opened:
        stream = opened.streams.video[0]
        assert (stream.codec_context.name, stream.width, stream.height) == ("h264", 720, 1280)
        assert stream.average_rate == Fraction(24)
        assert (opened.duration or 0) / av.time_base == pytest.approx(5, abs=0.1)
        middle = next(frame for index, frame in enumerate(opened.decode(stream)) if index == 60).to_image()
    red, green, blue = middle.getpixel((360, 640))
    assert (red, green, blue) == (pytest.approx(120, abs=12), pytest.approx(60, abs=12), pytest.approx(20, abs=12))
    with av.open(io.BytesIO(video), "r") as opened:
        sound = [array.array("f", bytes(frame.planes[0])) for frame in opened.decode(audio=0)]
        assert opened.streams.audio[0].codec_context.name == "aac"
        assert 0.1 < max(map(max, sound)) < 1


def test_one_prepared_video_serves_all_tasks() -> None:
    # Given a sandbox for load tests
    with Sandbox(time_scale=1_000, prepared_video=True) as sandbox, requests.Session() as session:
        kie = Caller(sandbox, session)

        # When tasks of different photos end
        photos = [kie.upload(picture(600, height)) for height in (600, 700)]
        records = [kie.ended(kie.task(given=filled(GOOD_INPUTS[SEEDANCE], url))) for url in photos]
        tags = {
            requests.head(json.loads(record["resultJson"])["resultUrls"][0], timeout=5).headers["ETag"]
            for record in records
        }

        # Then they have the same video
        assert [record["state"] for record in records] == ["success", "success"]
        assert tags == {'"sample"'}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "Image fetch failed. Check access settings or use our File Upload API instead."),
        (b"not a picture", "We couldn't process the provided image file (code=invalid_image_format)."),
        (picture()[:2_000], "We couldn't process the provided image file (code=invalid_image_format)."),
        (picture(100, 100), "width and height"),
        (picture(4_000, 400), "aspect ratio"),
    ],
)
def test_a_bad_picture_fails_the_task_and_the_credits_come_back(kie: Caller, content: bytes | None, words: str) -> None:
    # Given a picture that KIE can't fetch or use
    url = kie.upload(content) if content else "https://api.telegram.org/file/bot1:x/photos/1.jpg"

    # When a task is made with it
    answer = kie.create("bytedance/seedance-2", filled(GOOD_INPUTS["bytedance/seedance-2"], url))
    during = kie.credit()
    record = kie.ended(answer["data"]["taskId"])

    # Then it is accepted and paid at first, fails, and costs nothing in the end
    assert (record["state"], record["failCode"], record["resultJson"]) == ("fail", "400", "")
    assert words in record["failMsg"]
    assert during <= kie.credit() == 1_000_000


@pytest.mark.parametrize(
    ("fail_code", "fail_msg"),
    [
        ("400", "Sorry, but the image we created may violate OpenAI's content policies"),
        ("INTERNAL", "Internal Error - Timeout"),
        (501, "Failed - Video generation task failed"),
        (None, "PUBLIC_ERROR_UNSAFE_GENERATION"),
    ],
)
def test_a_task_fails_with_any_text_a_test_asks_for(kie: Caller, fail_code: Any, fail_msg: str) -> None:
    # Given a planned failure
    kie.arm("fail", params={"failCode": fail_code, "failMsg": fail_msg, "seconds": 1})

    # When a task is made
    record = kie.ended(kie.task())

    # Then its record says just that, and the journal names the fault
    assert (record["state"], record["failCode"], record["failMsg"]) == ("fail", fail_code, fail_msg)
    entries = kie.control("GET", "/journal?service=kie&endpoint=createTask")["entries"]
    assert entries[0]["note"] == "fault fail"


def test_states_between_waiting_and_success(kie: Caller) -> None:
    # Given a task that goes through all states in an hour, another one that shows one state only
    kie.sandbox.world.clock.time_scale = 1
    kie.arm("states", params={"states": ["queuing", "generating"]})
    kie.arm("duration", params={"seconds": 3_600}, after=1)
    kie.settings(create_seconds=0)
    planned, one = kie.task(), kie.task()

    # When they are looked at, and ended by hand
    states = [kie.record(planned)["state"], kie.record(one)["state"]]
    finish = {"state": "fail", "failCode": "422", "failMsg": "no"}
    ended = kie.control("POST", f"/kie/tasks/{one}/finish", finish)

    # Then they show what was planned
    assert states == ["queuing", "waiting"]
    assert (ended["state"], ended["failCode"], ended["failMsg"]) == ("fail", "422", "no")


def test_a_task_may_not_be_found_at_first(kie: Caller) -> None:
    # Given a task that its first two polls don't find
    kie.arm("not_ready", params={"n": 2})
    kie.arm("stuck")
    task_id = kie.task()

    # When it is polled
    codes = [kie.get("/api/v1/jobs/recordInfo", taskId=task_id).json()["code"] for _ in range(3)]

    # Then it appears with the third
    assert codes == [422, 422, 200]


def test_a_code_fault_makes_nothing_and_a_false_error_makes_a_task(kie: Caller) -> None:
    # Given an error that is true and one that is not
    msg = "Server Error - An unexpected error occurred while processing the request"
    kie.arm("code", params={"code": 500, "msg": msg, "http_status": 500})
    kie.arm("false_error", params={"code": 500, "msg": msg})

    # When tasks are made
    true = kie.post("/api/v1/jobs/createTask", {"model": SEEDANCE, "input": {}})
    before = kie.control("GET", "/kie/tasks")["tasks"]
    false = kie.create()

    # Then both say the same, but the second made one
    assert (true.status_code, true.json()) == (500, {"code": 500, "msg": msg, "data": None})
    assert false == {"code": 500, "msg": msg, "data": None}
    assert before == []
    assert len(kie.control("GET", "/kie/tasks")["tasks"]) == 1


def test_code_faults_reach_the_other_endpoints_too(kie: Caller) -> None:
    # Given faults of polling, of the balance and of uploads
    for endpoint in ("recordInfo", "credit", "file-base64-upload"):
        kie.arm("code", endpoint, params={"code": 455, "msg": "maintenance"})

    # When they are called
    answers = [
        kie.get("/api/v1/jobs/recordInfo", taskId="x"),
        kie.get("/api/v1/chat/credit"),
        kie.post("/api/file-base64-upload", {}),
    ]

    # Then each answers so
    assert [answer.json()["code"] for answer in answers] == [455, 455, 455]
    assert answers[2].json()["success"] is False


@pytest.mark.parametrize(
    ("what", "status", "kind"),
    [
        ("html", 200, "text/html"),
        ("empty", 200, "video/mp4"),
        ("not_video", 200, "video/mp4"),
        ("404", 404, "text/plain"),
    ],
)
def test_results_that_are_no_videos(kie: Caller, what: str, status: int, kind: str) -> None:
    # Given a task whose result is bad
    kie.arm("bad_result", params={"what": what})

    # When its result is fetched
    record = kie.ended(kie.task())
    answer = requests.get(json.loads(record["resultJson"])["resultUrls"][0], timeout=5)

    # Then the record says success, and the file is what was asked for
    assert record["state"] == "success"
    assert (answer.status_code, answer.headers["Content-Type"].partition(";")[0]) == (status, kind)
    starts = {"html": b"<!doctype", "empty": b"", "not_video": b"PK", "404": b"404"}
    assert answer.content.startswith(starts[what])
    assert (what == "empty") == (answer.content == b"")


def test_an_endless_result_goes_on_until_the_client_leaves(kie: Caller) -> None:
    # Given a result without end, at 10 MB a second
    kie.arm("bad_result", params={"what": "endless", "bytes_per_second": 10_000_000})
    url = json.loads(kie.ended(kie.task())["resultJson"])["resultUrls"][0]

    # When three megabytes of it are read
    with requests.get(url, stream=True, timeout=5) as answer:
        got = sum(len(chunk) for chunk, _ in zip(answer.iter_content(100_000), range(30), strict=False))

    # Then no length was promised, and more would have come
    assert "Content-Length" not in answer.headers
    assert got >= 2_900_000


def test_newer_records_have_more_keys(kie: Caller) -> None:
    # Given the switch for the newer record
    kie.settings(extra_keys=True)
    kie.arm("fail", params={"seconds": 1})

    # When a task fails
    record = kie.ended(kie.task())

    # Then the record has them after the ten
    assert list(record) == [*TEN_KEYS, "updateTime", "creditsConsumed", "progress"]
    assert (record["creditsConsumed"], record["progress"]) == (0, 100)
