"""What the KIE stand-in takes and what it refuses: it must be as strict, and as odd, as the real one is reported to be."""

import base64
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from sandbox.server import Sandbox
from tests.sandbox.kie_caller import GOOD_INPUTS, PROMPT, SEEDANCE, TEN_KEYS, Caller, filled, picture


@pytest.fixture
def kie() -> Iterator[Caller]:
    with Sandbox(time_scale=1_000) as sandbox, requests.Session() as session:
        yield Caller(sandbox, session)


def test_a_made_task_looks_as_recorded(kie: Caller) -> None:
    # When a task is made
    answer = kie.post(
        "/api/v1/jobs/createTask", {"model": SEEDANCE, "input": GOOD_INPUTS[SEEDANCE] | {"input_urls": []}}
    )
    kie.arm("stuck")
    waiting = kie.create(callBackUrl="http://127.0.0.1:1/cb?nonce=7")

    # Then the answer and the pending record have the recorded shape
    assert answer.headers["Content-Type"] == "application/json;charset=UTF-8"
    assert "Retry-After" not in answer.headers
    data = waiting["data"]
    assert re.fullmatch(r"[0-9a-f]{32}", data["taskId"])
    assert waiting == {"code": 200, "msg": "success", "data": {"taskId": data["taskId"], "recordId": data["taskId"]}}
    record = kie.record(data["taskId"])
    assert list(record) == TEN_KEYS
    assert (record["state"], record["resultJson"], record["failCode"], record["costTime"]) == (
        "waiting",
        "",
        None,
        None,
    )
    param = json.loads(record["param"])
    assert param["callBackUrl"] == "http://127.0.0.1:1/cb?nonce=7"
    assert json.loads(param["input"])["prompt"] == PROMPT


def test_the_checks_come_in_kies_order(kie: Caller) -> None:
    # Given a key without credit, and a caller with a bad key
    kie.control("PUT", "/kie/keys", {"key-1": {"account": "poor", "credits": 0}, "bad": {"state": "401"}})
    stranger = kie.other("bad")

    # When everything is wrong, and one thing after another is put right
    codes = [
        stranger.create("no-such-model", {})["code"],
        kie.create("no-such-model", {})["code"],
        kie.create(SEEDANCE, {"prompt": PROMPT})["code"],
        kie.create()["code"],
    ]
    kie.control("PUT", "/kie/credits", {"poor": 100})

    # Then: key, model, input, credit
    assert codes == [401, 422, 500, 402]
    assert kie.create()["code"] == 200


@pytest.mark.parametrize("model", GOOD_INPUTS)
def test_every_model_takes_its_own_input(kie: Caller, model: str) -> None:
    # Given an uploaded photo
    url = kie.upload(picture())

    # When a task is made with the input that KIE is known to accept, then it is accepted here
    kie.arm("stuck")
    assert kie.create(model, filled(GOOD_INPUTS[model], url))["msg"] == "success"


@pytest.mark.parametrize(
    ("model", "change", "code", "words"),
    [
        (SEEDANCE, {"duration": "8"}, 500, "duration must be a number"),
        (SEEDANCE, {"duration": 13}, 500, "duration is not within the range"),
        (SEEDANCE, {"aspect_ratio": "portrait"}, 500, "aspect_ratio is not within the range of allowed options"),
        (SEEDANCE, {"aspect_ratio": None}, 500, "aspect_ratio is required"),
        (SEEDANCE, {"prompt": "ab"}, 500, "prompt"),
        (SEEDANCE, {"input_urls": "PHOTO"}, 500, "input_urls must be an array"),
        (SEEDANCE, {"input_urls": ["PHOTO", "PHOTO", "PHOTO"]}, 400, "The number of image URLs must not exceed 2"),
        ("bytedance/seedance-2", {"duration": 4.5}, 500, "duration must be an integer"),
        ("bytedance/seedance-2", {"generate_audio": "true"}, 500, "generate_audio must be a boolean"),
        ("bytedance/seedance-2", {"first_frame_url": ["PHOTO"]}, 500, "first_frame_url must be a string"),
        ("bytedance/seedance-2", {"reference_image_urls": ["PHOTO"]}, 422, "cannot be used together"),
        ("bytedance/seedance-2-fast", {"resolution": "1080p"}, 500, "resolution is not within the range"),
        ("kling-3.0/video", {"duration": 5}, 500, "duration must be a string"),
        ("kling-3.0/video", {"mode": "4k"}, 500, "mode is not within the range"),
        ("kling-2.6/image-to-video", {"sound": None}, 500, "sound is required"),
        ("kling-2.6/image-to-video", {"prompt": "x" * 1_001}, 500, "prompt"),
        ("kling-2.6/image-to-video", {"image_urls": ["PHOTO", "PHOTO"]}, 400, "must not exceed 1"),
        ("wan/2-6-image-to-video", {"duration": "6"}, 500, "duration is not within the range"),
        ("wan/2-7-image-to-video", {"duration": True}, 500, "duration must be an integer"),
        ("grok-imagine/image-to-video", {"image_urls": []}, 500, "image_urls is required"),
        ("sora-2-image-to-video", {}, 422, "The model name you specified is not supported."),
    ],
)
def test_a_wrong_input_is_refused_and_costs_nothing(
    kie: Caller, model: str, change: dict[str, Any], code: int, words: str
) -> None:
    # Given an input that is good but for one thing
    given = filled(GOOD_INPUTS.get(model, {}) | change, "http://127.0.0.1:1/p.jpg")
    given = {name: value for name, value in given.items() if value is not None}

    # When a task is made with it
    answer = kie.post("/api/v1/jobs/createTask", {"model": model, "input": given})

    # Then it is refused in the body, with HTTP 200, and nothing is charged or made
    assert (answer.status_code, answer.json()["code"], answer.json()["data"]) == (200, code, None)
    assert words in answer.json()["msg"]
    assert kie.credit() == 1_000_000
    assert kie.control("GET", "/kie/tasks")["tasks"] == []


def test_sora_can_be_gone_disabled_or_available(kie: Caller) -> None:
    # Given a Sora request
    given = {"prompt": PROMPT, "image_urls": [kie.upload(picture())], "n_frames": "10", "aspect_ratio": "portrait"}
    codes = []

    # When it is sent under each setting
    for answer in ("422", "505", "available"):
        kie.settings(sora=answer)
        kie.arm("stuck")
        codes.append(kie.create("sora-2-image-to-video", given)["code"])

    # Then each answers as it is reported
    assert codes == [422, 505, 200]


def test_uploads_in_three_ways_can_be_fetched_again(kie: Caller) -> None:
    # Given a photo
    photo = picture(kind="PNG")
    data_url = "data:image/png;base64," + base64.b64encode(photo).decode()

    # When it is uploaded in each way
    first = kie.post("/api/file-base64-upload", {"base64Data": data_url, "uploadPath": "images/a"}).json()
    second = kie.session.post(
        f"{kie.url}/api/file-stream-upload",
        files={"file": ("p.png", photo, "image/png")},
        data={"uploadPath": "images/a", "fileName": "named.png"},
        headers=kie.headers,
        timeout=10,
    ).json()
    third = kie.post("/api/file-url-upload", {"fileUrl": first["data"]["downloadUrl"], "uploadPath": "b"}).json()

    # Then each answer has the recorded keys, and each address gives the photo without a key
    for answer in (first, second, third):
        data = answer["data"]
        assert (answer["success"], answer["code"], answer["msg"]) == (True, 200, "File uploaded successfully")
        keys = ["success", "fileName", "filePath", "downloadUrl", "fileSize", "mimeType", "uploadedAt"]
        assert list(data) == keys
        assert (data["fileSize"], data["mimeType"]) == (len(photo), "image/png")
        fetched = requests.get(data["downloadUrl"], timeout=5)
        assert (fetched.content, fetched.headers["Content-Type"]) == (photo, "image/png")
    assert re.fullmatch(r"\d{13}-[0-9a-z]{11}\.png", first["data"]["fileName"])
    assert re.fullmatch(r"kieai/\d+/images/a/named\.png", second["data"]["filePath"])


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ({"base64Data": "AAAA"}, 400, "Missing required parameter: uploadPath"),
        ({"base64Data": "AAAA", "uploadPath": "/images/"}, 400, "uploadPath"),
        ({"base64Data": "AAAA", "uploadPath": "a/../b"}, 400, "uploadPath"),
        ({"base64Data": "A*A", "uploadPath": "images"}, 400, "Base64 decoding failed: Invalid Base64 format"),
        ({"base64Data": "AAAA", "uploadPath": "images", "fileName": "a/b.jpg"}, 400, "fileName"),
        ([], 422, "JSON object"),
    ],
)
def test_a_wrong_upload_is_refused(kie: Caller, body: Any, code: int, words: str) -> None:
    # When it is sent, with HTTP statuses that mirror the code and then without
    mirrored = kie.post("/api/file-base64-upload", body)
    kie.settings(upload_error_status="200")
    plain = kie.post("/api/file-base64-upload", body)

    # Then the body says what is wrong either way
    assert (mirrored.status_code, plain.status_code) == (code, 200)
    assert mirrored.json() == plain.json()
    assert (plain.json()["success"], plain.json()["code"]) == (False, code)
    assert words in plain.json()["msg"]


def test_nothing_beyond_this_machine_is_fetched(kie: Caller) -> None:
    # When an upload from elsewhere is asked for, then it fails without a try
    answer = kie.post("/api/file-url-upload", {"fileUrl": "http://192.0.2.1/p.jpg", "uploadPath": "a"}).json()
    assert (answer["success"], answer["msg"]) == (False, "File download failed")


@pytest.mark.parametrize("agent", ["", "Python-urllib/3.11"])
def test_cloudflare_turns_away_library_agents(kie: Caller, agent: str) -> None:
    # Given a caller without a decent User-Agent
    kie.headers["User-Agent"] = agent

    # When it calls either host
    answers = [kie.get("/api/v1/chat/credit"), kie.post("/api/file-base64-upload", {}), kie.get("/kie/files/x")]

    # Then the answer is no JSON
    assert [(answer.status_code, answer.text) for answer in answers] == [(403, "error code: 1010")] * 3


def test_download_links_are_given_for_results_only(kie: Caller) -> None:
    # Given a result
    kie.arm("bad_result", params={"what": "empty"})
    url = json.loads(kie.ended(kie.task())["resultJson"])["resultUrls"][0]

    # When links are asked for
    good = kie.post("/api/v1/common/download-url", {"url": url}).json()
    bad = kie.post("/api/v1/common/download-url", {"url": "https://example.org/a.mp4"})

    # Then only the result has one
    assert requests.get(good["data"], timeout=5).ok
    assert (bad.status_code, bad.json()) == (200, {"code": 422, "msg": "url is wrong", "data": None})


@pytest.mark.parametrize("wanted", [{"render_seconds": [5, 1]}, {"sora": "gone"}, {"create_limit": -1}, {"nothing": 1}])
def test_wrong_settings_change_nothing(kie: Caller, wanted: dict[str, Any]) -> None:
    # Given the settings
    before = kie.control("GET", "/kie/settings")

    # When something wrong is set beside something right
    answer = kie.session.put(f"{kie.url}/sandbox/kie/settings", json={"poll_limit": 3, **wanted}, timeout=5)

    # Then all stays as it was
    assert answer.status_code == 400
    assert kie.control("GET", "/kie/settings") == before
