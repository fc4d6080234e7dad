"""`POST /v1/chat/completions` as OpenAI answers it, and the control routes under `/sandbox/openai`."""

import random
import string
import time
from dataclasses import dataclass, replace
from typing import Any

from flask import Blueprint, Response, g, jsonify, request

from sandbox.control import json_object, refusal
from sandbox.faults import Fault
from sandbox.openai.checks import check, texts
from sandbox.openai.errors import ROWS, ApiError
from sandbox.openai.script import write
from sandbox.transport import caller_of
from sandbox.world import World

ENDPOINT = "chat/completions"
KINDS = frozenset({"error", "refusal", "empty", "length", "content_filter", "content"})
REFUSAL = "I'm sorry, but I can't help with that request."
_CHARACTERS_A_TOKEN = 4


@dataclass
class Settings:
    """`latency_seconds` of the imitated OpenAI (divided by the time scale) before each completion."""

    latency_seconds: float = 1.5


@dataclass
class Reply:
    """What the model says: its text, or a refusal, and why it stopped."""

    content: str | None
    finish_reason: str = "stop"
    refusal: str | None = None


def blueprint(world: World) -> Blueprint:
    """The chat completions of one new OpenAI and its control routes."""
    settings = Settings()
    world.faults.declare("openai", KINDS, check_fault)
    routes = Blueprint("openai", __name__)
    routes.add_url_rule(f"/v1/{ENDPOINT}", "chat", lambda: complete(world, settings), methods=["POST"])
    routes.register_error_handler(ApiError, lambda error: _refuse(world, error))
    _add_settings(routes, settings)
    return routes


def complete(world: World, settings: Settings) -> Response:
    """Check the request, think for a while, and answer with a script or an armed fault."""
    g.started, g.note = time.time(), ""
    body = _authenticated_body()
    # Taken before the request is checked: OpenAI is as likely to be out of order for a bad request.
    fault = world.faults.take("openai", ENDPOINT, caller=caller_of(request.environ), model=body.get("model"))
    g.note = f"fault {fault.kind}" if fault else ""
    if fault and fault.kind == "error":
        raise _armed_error(fault)
    check(body)
    world.clock.sleep(settings.latency_seconds)
    return _tell(world, 200, _completion(body, _reply(body, fault)))


def _authenticated_body() -> dict[str, Any]:
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme != "Bearer" or not key.strip():
        raise ApiError(ROWS["no_api_key"])
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        raise ApiError(ROWS["invalid_value"], "We could not parse the JSON body of your request.")
    return body


def _armed_error(fault: Fault) -> ApiError:
    row = ROWS[str(fault.params["row"])]
    error = ApiError(row, fault.params.get("message"))
    if "retry_after" in fault.params:
        after = fault.params["retry_after"]
        error.row = replace(row, retry_after=None if after is None else str(after))
    return error


def check_fault(fault: Fault) -> None:
    """Raise ValueError for an `error` fault that names no known row."""
    if fault.kind == "error" and fault.params.get("row") not in ROWS:
        raise ValueError(f"params.row must be one of {sorted(ROWS)}")


def _reply(body: dict[str, Any], fault: Fault | None) -> Reply:
    script = write(body)
    if fault is None:
        return _within_tokens(body, script)
    replies = {
        "refusal": Reply(None, refusal=str(fault.params.get("text", REFUSAL))),
        "empty": Reply(""),
        "length": Reply(script[: len(script) // 2], "length"),
        "content_filter": Reply("", "content_filter"),
        "content": Reply(str(fault.params.get("text", ""))),
    }
    return replies[fault.kind]


def _within_tokens(body: dict[str, Any], script: str) -> Reply:
    most = body.get("max_completion_tokens") or body.get("max_tokens")
    if most and len(script) > most * _CHARACTERS_A_TOKEN:
        return Reply(script[: most * _CHARACTERS_A_TOKEN], "length")
    return Reply(script)


def _completion(body: dict[str, Any], reply: Reply) -> dict[str, Any]:
    message: dict[str, Any] = {
        "role": "assistant",
        "content": reply.content,
        "refusal": reply.refusal,
        "annotations": [],
    }
    return {
        "id": f"chatcmpl-{_random_id()}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": body["model"],
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": reply.finish_reason}],
        "usage": _usage(body, reply.content or reply.refusal or ""),
        "service_tier": "default",
        "system_fingerprint": "fp_560af6e559",
    }


def _usage(body: dict[str, Any], content: str) -> dict[str, Any]:
    # Four characters a token is near enough: nothing is billed by it.
    asked = sum(map(len, texts(body["messages"]))) // _CHARACTERS_A_TOKEN + 1
    told = len(content) // _CHARACTERS_A_TOKEN + 1
    quiet = {"reasoning_tokens": 0, "audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0}
    return {
        "prompt_tokens": asked,
        "completion_tokens": told,
        "total_tokens": asked + told,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": quiet,
    }


def _random_id() -> str:
    return "".join(random.choices(string.ascii_letters + string.digits, k=28))


def _refuse(world: World, error: ApiError) -> Response:
    response = _tell(world, error.row.status, error.body())
    if error.row.retry_after is not None:
        response.headers["Retry-After"] = error.row.retry_after
    return response


def _tell(world: World, status: int, body: dict[str, Any]) -> Response:
    response = jsonify(body)
    response.status_code = status
    response.headers.update(_headers(g.started))
    world.journal.record(
        "openai",
        ENDPOINT,
        caller=caller_of(request.environ),
        request=request.get_json(silent=True) or {},
        status=status,
        response=body,
        note=g.note,
        started=g.started,
    )
    return response


def _headers(started: float) -> dict[str, str]:
    return {
        "x-request-id": f"req_{_random_id()}",
        "openai-processing-ms": str(int((time.time() - started) * 1000)),
        "openai-version": "2020-10-01",
        "openai-organization": "org-sandbox",
        # Durations such as 20ms, not epoch times, as OpenAI sends them.
        "x-ratelimit-limit-requests": "3000",
        "x-ratelimit-remaining-requests": "2999",
        "x-ratelimit-reset-requests": "20ms",
        "x-ratelimit-limit-tokens": "200000",
        "x-ratelimit-remaining-tokens": "199000",
        "x-ratelimit-reset-tokens": "2ms",
    }


def _add_settings(routes: Blueprint, settings: Settings) -> None:
    @routes.get("/sandbox/openai/settings")
    def read() -> Response:
        return jsonify({"latency_seconds": settings.latency_seconds})

    @routes.put("/sandbox/openai/settings")
    def change() -> Response:
        wanted = json_object().get("latency_seconds")
        if not isinstance(wanted, (int, float)) or isinstance(wanted, bool) or not 0 <= wanted <= 3_600:
            return refusal('send {"latency_seconds": a number from 0 to 3600}')
        settings.latency_seconds = float(wanted)
        return read()
