"""The OpenAI stand-in, seen through HTTP: strict about requests, and ready with every known error."""

import base64
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from PIL import Image

from sandbox.openai.errors import ROWS
from sandbox.server import Sandbox


def data_url(kind: str = "JPEG") -> str:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), (200, 40, 40)).save(buffer, kind)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def chat(product: str = "Product: Ceramic mug, 350 ml, hand painted", image: Any = None) -> list[dict[str, Any]]:
    return [
        {
            "role": "system",
            "content": "You write prompts for vertical product videos.\nTemplate: macro shot, steam rises",
        },
        {
            "role": "user",
            "content": [
                {"type": "text", "text": product},
                {"type": "image_url", "image_url": {"url": image or data_url(), "detail": "low"}},
            ],
        },
    ]


class Caller:
    """One holder of an OpenAI key."""

    def __init__(self, sandbox: Sandbox, session: requests.Session) -> None:
        self.url, self.session = sandbox.url, session
        self.headers = {"Authorization": "Bearer sk-test"}

    def ask(self, **body: Any) -> requests.Response:
        body = {"model": "gpt-4o-mini", "messages": chat(), "temperature": 0.7, "max_tokens": 500, **body}
        body = {name: value for name, value in body.items() if value is not None}
        return self.session.post(f"{self.url}/v1/chat/completions", json=body, headers=self.headers, timeout=10)

    def arm(self, kind: str, **params: Any) -> requests.Response:
        body = {"service": "openai", "endpoint": "chat/completions", "kind": kind, "params": params}
        return self.session.post(f"{self.url}/sandbox/faults", json=body, timeout=5)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(time_scale=1_000) as running:
        yield running


@pytest.fixture
def openai(sandbox: Sandbox) -> Iterator[Caller]:
    with requests.Session() as session:
        yield Caller(sandbox, session)


def test_the_script_is_about_the_product_of_the_request(openai: Caller) -> None:
    # When a script is asked for
    answer = openai.ask()

    # Then the completion has OpenAI's shape
    body = answer.json()
    choice = body["choices"][0]
    assert list(body) == [
        *("id", "object", "created", "model", "choices", "usage", "service_tier", "system_fingerprint"),
    ]
    assert (body["object"], body["model"]) == ("chat.completion", "gpt-4o-mini")
    assert list(choice) == ["index", "message", "logprobs", "finish_reason"]
    assert (choice["finish_reason"], choice["message"]["refusal"]) == ("stop", None)
    assert body["usage"]["total_tokens"] == body["usage"]["prompt_tokens"] + body["usage"]["completion_tokens"]
    assert answer.headers["x-ratelimit-reset-requests"] == "20ms"
    assert answer.headers["x-request-id"].startswith("req_")
    # ... and the script names the product, the template's wish and the format, and fits every model's prompt
    script = choice["message"]["content"]
    assert "Ceramic mug, 350 ml, hand painted" in script
    assert "macro shot, steam rises" in script
    assert "9:16" in script
    assert len(script) < 1_000


def test_the_script_is_another_for_another_product_and_found_in_russian_labels(openai: Caller) -> None:
    # When scripts for two products are asked for, one of them in Russian
    scripts = [
        openai.ask(messages=chat(product)).json()["choices"][0]["message"]["content"]
        for product in ("A red scarf of merino wool", "Категория: кухня\nТовар: чайник из стекла\nЦена: 990")
    ]

    # Then each is about its own
    assert "A red scarf of merino wool" in scripts[0]
    assert "чайник из стекла" in scripts[1]
    assert "990" not in scripts[1]


def test_json_is_answered_when_json_is_asked_for(openai: Caller) -> None:
    # Given the two ways to ask
    schema = {"type": "object", "properties": {"video_prompt": {"type": "string"}, "seconds": {"type": "integer"}}}
    as_schema = {"type": "json_schema", "json_schema": {"name": "script", "schema": schema}}
    messages = chat("Product: mug. Answer in JSON.")

    # When each is used
    plain = openai.ask(messages=messages, response_format={"type": "json_object"}).json()
    shaped = openai.ask(messages=messages, response_format=as_schema).json()

    # Then the content is an object with the script in it
    assert "mug" in json.loads(plain["choices"][0]["message"]["content"])["prompt"]
    filled = json.loads(shaped["choices"][0]["message"]["content"])
    assert "mug" in filled["video_prompt"]
    assert isinstance(filled["seconds"], int)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_pictures_that_are_taken(openai: Caller, kind: str) -> None:
    # When a picture is sent as a data URL, then it is taken
    assert openai.ask(messages=chat(image=data_url(kind))).status_code == 200


@pytest.mark.parametrize(
    ("change", "status", "code", "param"),
    [
        ({"model": None}, 400, "missing_required_parameter", "model"),
        ({"model": "gpt-nope"}, 404, "model_not_found", None),
        ({"messages": None}, 400, "missing_required_parameter", "messages"),
        ({"messages": []}, 400, "invalid_value", "messages"),
        ({"messages": [{"role": "boss", "content": "x"}]}, 400, "invalid_value", "messages[0]"),
        ({"messages": [{"role": "user", "content": 5}]}, 400, "invalid_type", "messages[0]"),
        (
            {"messages": [{"role": "user", "content": [{"type": "img"}]}]},
            400,
            "invalid_value",
            "messages[0].content[0]",
        ),
        ({"messages": chat(image="https://example.org/a.jpg")}, 400, "invalid_image_url", "messages"),
        ({"messages": chat(image="data:image/jpeg;base64,@@")}, 400, "invalid_image_url", "messages"),
        ({"messages": chat(image="data:image/jpeg;base64,AAAA")}, 400, "invalid_image_format", "messages"),
        ({"messages": chat(image=data_url("BMP"))}, 400, "invalid_image_format", "messages"),
        ({"messages": chat(image=data_url()[:-400])}, 400, "invalid_image_format", "messages"),
        ({"temperature": 3}, 400, "invalid_value", "temperature"),
        ({"max_tokens": "500"}, 400, "invalid_type", "max_tokens"),
        ({"max_token": 500}, 400, "unknown_parameter", "max_token"),
        ({"response_format": {"type": "json_object"}}, 400, "invalid_value", "messages"),
        ({"response_format": "json"}, 400, "invalid_value", "response_format"),
        ({"model": "gpt-5-mini"}, 400, "unsupported_parameter", "max_tokens"),
        ({"model": "o4-mini", "max_tokens": None}, 400, "unsupported_value", "temperature"),
        ({"messages": [{"role": "user", "content": "x" * 600_000}]}, 400, "context_length_exceeded", "messages"),
    ],
)
def test_requests_that_are_refused(
    openai: Caller, change: dict[str, Any], status: int, code: str, param: str | None
) -> None:
    # When a request with one fault is sent
    answer = openai.ask(**change)

    # Then it is refused in OpenAI's shape
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (status, code, param)
    assert list(error) == ["message", "type", "param", "code"]
    assert error["type"] == "invalid_request_error"


def test_reasoning_models_have_their_own_parameter(openai: Caller) -> None:
    # When a reasoning model is asked in its own way, then it answers
    answer = openai.ask(model="gpt-5-mini", max_tokens=None, temperature=None, max_completion_tokens=800)
    assert answer.json()["choices"][0]["finish_reason"] == "stop"


def test_a_key_is_needed(openai: Caller) -> None:
    # Given no key
    openai.headers = {}

    # When a script is asked for, then it is refused
    assert openai.ask().status_code == 401


@pytest.mark.parametrize("row", ROWS)
def test_every_known_error_can_be_armed(openai: Caller, row: str) -> None:
    # Given an armed error
    assert openai.arm("error", row=row).ok

    # When two scripts are asked for
    answer, after = openai.ask(), openai.ask()

    # Then the first gets it, in full, and the second its script
    error = answer.json()["error"]
    known = ROWS[row]
    assert (answer.status_code, error["type"], error["code"]) == (known.status, known.type, known.code)
    assert error["message"] == known.message
    assert after.status_code == 200


@pytest.mark.parametrize(("given", "sent"), [(None, None), (1, "1"), ("300", "300")])
def test_retry_after_as_wanted(openai: Caller, given: Any, sent: str | None) -> None:
    # Given a rate limit with, or without, a time to wait
    openai.arm("error", row="rate_limit_requests", retry_after=given)

    # When a script is asked for, then the header is as ordered
    assert openai.ask().headers.get("Retry-After") == sent


@pytest.mark.parametrize(
    ("kind", "content", "reason"),
    [("empty", "", "stop"), ("content_filter", "", "content_filter"), ("content", "not what you hoped for", "stop")],
)
def test_answers_of_no_use(openai: Caller, kind: str, content: str, reason: str) -> None:
    # Given a bad answer
    openai.arm(kind, text="not what you hoped for")

    # When a script is asked for
    choice = openai.ask().json()["choices"][0]

    # Then it is as ordered, with HTTP 200
    assert (choice["message"]["content"], choice["finish_reason"]) == (content, reason)


def test_a_refusal_has_no_content(openai: Caller) -> None:
    # Given a refusal
    openai.arm("refusal")

    # When a script is asked for
    message = openai.ask().json()["choices"][0]["message"]

    # Then it is in its own field
    assert message["content"] is None
    assert message["refusal"].startswith("I'm sorry")


def test_an_answer_may_be_cut_by_fault_or_by_its_own_limit(openai: Caller) -> None:
    # Given an armed cut, and then a limit too small for a script
    openai.arm("length")

    # When scripts are asked for
    choices = [answer.json()["choices"][0] for answer in (openai.ask(), openai.ask(max_tokens=10), openai.ask())]

    # Then both are cut, and the next is whole
    assert [choice["finish_reason"] for choice in choices] == ["length", "length", "stop"]
    assert len(choices[1]["message"]["content"]) == 40


def test_an_unknown_row_cannot_be_armed(openai: Caller) -> None:
    # When a misspelt error is armed
    answer = openai.arm("error", row="rate_limit")

    # Then that is an error at once
    assert answer.status_code == 400
    assert "insufficient_quota" in answer.json()["error"]


def test_the_latency_is_set_and_the_journal_keeps_the_request_without_its_photo(
    openai: Caller, sandbox: Sandbox
) -> None:
    # Given a slower OpenAI, and a photo too big for the journal
    buffer = io.BytesIO()
    Image.effect_noise((300, 300), 90).convert("RGB").save(buffer, "JPEG")
    photo = f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
    settings = f"{openai.url}/sandbox/openai/settings"
    assert openai.session.put(settings, json={"latency_seconds": 200}, timeout=5).json() == {"latency_seconds": 200.0}
    refused = openai.session.put(settings, json={"latency_seconds": -1}, timeout=5)

    # When a script is asked for
    openai.ask(messages=chat(image=photo))

    # Then it took its scaled time, and the photo is a digest
    entry = sandbox.world.journal.entries(service="openai")[0]
    assert refused.status_code == 400
    assert entry["ms"] >= 200
    assert entry["request"]["messages"][1]["content"][1]["image_url"]["url"]["bytes"] == len(photo)
    assert entry["response"]["choices"][0]["message"]["content"]
    assert "sk-test" not in json.dumps(entry)
