"""What OpenAI refuses in a chat completion request: strict, so that a request accepted here is known to be good."""

import base64
import binascii
import functools
import io
import re
from collections.abc import Iterator
from typing import Any

from PIL import Image, UnidentifiedImageError

from sandbox.openai.errors import ROWS, ApiError

_KNOWN_MODEL = re.compile(r"(gpt-(4o|4\.1|4-turbo|5(\.\d)?)|o[134]|chatgpt-4o)(-[\w.-]+)?")
_REASONING_MODEL = re.compile(r"gpt-5|o[134]")
_ROLES = ("system", "developer", "user", "assistant", "tool")
_DETAILS = ("auto", "low", "high", "original")
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
_DATA_URL = re.compile(r"data:image/[\w.+-]+;base64,")
_PARAMETERS = frozenset(
    [
        *("model", "messages", "temperature", "top_p", "n", "max_tokens", "max_completion_tokens", "response_format"),
        *("stop", "seed", "user", "store", "metadata", "presence_penalty", "frequency_penalty", "logit_bias"),
        *("reasoning_effort", "service_tier", "stream", "verbosity", "safety_identifier", "prompt_cache_key"),
    ]
)
_NUMBERS = {"temperature": (0, 2), "top_p": (0, 1), "presence_penalty": (-2, 2), "frequency_penalty": (-2, 2)}
_COUNTS = ("n", "max_tokens", "max_completion_tokens")
MAX_CONTEXT_CHARACTERS = 512_000


def check(body: dict[str, Any]) -> None:
    """Raise ApiError for the first thing OpenAI would refuse."""
    # The model first: a wrong one is told even if nothing else is right.
    _check_model(body.get("model"))
    for name in body:
        if name not in _PARAMETERS:
            raise ApiError(ROWS["unknown_parameter"], f"Unknown parameter: '{name}'.", name)
    _check_numbers(body)
    _check_reasoning(body)
    messages = body.get("messages")
    if not isinstance(messages, list):
        raise ApiError(ROWS["missing_parameter"], "Missing required parameter: 'messages'.", "messages")
    if not messages:
        raise ApiError(ROWS["invalid_value"], "Invalid 'messages': empty array.", "messages")
    for index, message in enumerate(messages):
        _check_message(f"messages[{index}]", message)
    _check_format(body)
    if sum(map(len, texts(messages))) > MAX_CONTEXT_CHARACTERS:
        raise ApiError(ROWS["context_length"])


def texts(messages: list[dict[str, Any]], role: str | None = None) -> Iterator[str]:
    """Every text in checked messages, of one role if named."""
    for message in messages:
        if role not in (None, message["role"]):
            continue
        content = message.get("content")
        if isinstance(content, str):
            yield content
        for part in content if isinstance(content, list) else ():
            if part["type"] == "text":
                yield part["text"]


def _check_model(model: object) -> None:
    if not isinstance(model, str) or not model:
        raise ApiError(ROWS["missing_parameter"], "you must provide a model parameter", "model")
    if not _KNOWN_MODEL.fullmatch(model):
        text = f"The model `{model[:60]}` does not exist or you do not have access to it."
        raise ApiError(ROWS["model_not_found"], text)


def _check_numbers(body: dict[str, Any]) -> None:
    for name in (*_NUMBERS, *_COUNTS):
        value = body.get(name)
        if value is None:
            continue
        wanted = int if name in _COUNTS else (int, float)
        if isinstance(value, bool) or not isinstance(value, wanted):
            raise ApiError(ROWS["invalid_type"], f"Invalid type for '{name}': expected a number.", name)
        low, high = _NUMBERS.get(name, (1, 1_000_000))
        if not low <= value <= high:
            raise ApiError(ROWS["invalid_value"], f"Invalid '{name}': expected a value from {low} to {high}.", name)


def _check_reasoning(body: dict[str, Any]) -> None:
    if not _REASONING_MODEL.match(body["model"]):
        return
    if body.get("max_tokens") is not None:
        raise ApiError(ROWS["unsupported_parameter"])
    if body.get("temperature", 1) not in (1, None):
        raise ApiError(ROWS["unsupported_value"])


def _check_message(where: str, message: object) -> None:
    if not isinstance(message, dict) or message.get("role") not in _ROLES:
        raise ApiError(ROWS["invalid_value"], f"Invalid value: '{where}.role'. Supported: {list(_ROLES)}.", where)
    content = message.get("content")
    if isinstance(content, list) and content:
        for index, part in enumerate(content):
            _check_part(f"{where}.content[{index}]", part, message["role"])
    elif not isinstance(content, str):
        raise ApiError(ROWS["invalid_type"], f"Invalid type for '{where}.content': expected a string or array.", where)


def _check_part(where: str, part: object, role: str) -> None:
    kind = part.get("type") if isinstance(part, dict) else None
    if isinstance(part, dict) and kind == "text" and isinstance(part.get("text"), str):
        return
    if isinstance(part, dict) and kind == "image_url" and isinstance(part.get("image_url"), dict) and role == "user":
        _check_image(where, part["image_url"])
        return
    raise ApiError(ROWS["invalid_value"], f"Invalid value: '{where}'. Supported parts: 'text', 'image_url'.", where)


def _check_image(where: str, image: dict[str, Any]) -> None:
    url = image.get("url")
    if image.get("detail", "auto") not in _DETAILS:
        raise ApiError(ROWS["invalid_value"], f"Invalid value: '{where}.image_url.detail'.", where)
    if not isinstance(url, str):
        raise ApiError(ROWS["invalid_type"], f"Invalid type for '{where}.image_url.url': expected a string.", where)
    header = _DATA_URL.match(url)
    if header is None:
        # The sandbox downloads nothing, as OpenAI might fail to.
        raise ApiError(ROWS["invalid_image_url"], "Error while downloading the image. Upstream status code: 403.")
    try:
        content = base64.b64decode(url[header.end() :], validate=True)
    except (binascii.Error, ValueError) as wrong:
        raise ApiError(ROWS["invalid_image_url"], "Invalid base64 image_url.") from wrong
    if not _is_picture(content):
        raise ApiError(ROWS["invalid_image_format"])


# Cached, because the same photo comes with every attempt of an order.
@functools.lru_cache(maxsize=64)
def _is_picture(content: bytes) -> bool:
    try:
        with Image.open(io.BytesIO(content)) as image:
            if image.format not in _FORMATS or getattr(image, "is_animated", False):
                return False
            # A JPEG is decoded at an eighth of its size: enough to notice broken data.
            image.draft("RGB", (1, 1))
            image.load()
            return True
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError):
        return False


def _check_format(body: dict[str, Any]) -> None:
    wanted = body.get("response_format")
    if wanted is None:
        return
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    if kind not in ("text", "json_object", "json_schema"):
        raise ApiError(ROWS["invalid_value"], "Invalid value: 'response_format.type'.", "response_format")
    if kind == "json_schema" and not isinstance(wanted.get("json_schema", {}).get("schema"), dict):
        text = "Missing required parameter: 'response_format.json_schema'."
        raise ApiError(ROWS["missing_parameter"], text, "response_format")
    if kind == "json_object" and not any("json" in text.lower() for text in texts(body["messages"])):
        text = "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'."
        raise ApiError(ROWS["invalid_value"], text, "messages")
