"""GPT through OpenAI's chat completions: a photo and a few words in, a script out. Nothing is retried here."""

import base64
import re
import time
from email.utils import parsedate_to_datetime
from typing import Any

from neurocards.errors import ProviderError
from neurocards.transport import Answer, Bearer, Call, exchange

MAX_TOKENS = 700
# A reasoning model thinks out of the same allowance before it writes.
MAX_REASONING_TOKENS = 4000

_REASONING = re.compile(r"(o1|o3|o4|gpt-5)")
_IN_TEXT = re.compile(r"try again in ((?:\d+(?:\.\d+)?(?:ms|[hms]))+)", re.IGNORECASE)
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)", re.IGNORECASE)
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


class Gpt:
    """A chat model that can see pictures, at OpenAI or whoever speaks its protocol."""

    def __init__(self, base_url: str, api_key: str, model: str) -> None:
        self._call = Call("openai", "chat", "POST", f"{base_url}/chat/completions", seconds=60)
        self._auth = Bearer(api_key)
        self._model = model

    def write(self, instruction: str, product: str, jpeg: bytes) -> str:
        """What the model writes about the pictured product, never empty. Raises ProviderError.

        A refusal has the fail code 'refusal' or 'content_filter'; one that is empty or was cut: 'empty', 'length'.
        """
        answer = exchange(self._call, auth=self._auth, json=self._request(instruction, product, jpeg))
        body = answer.json_object()
        choices = body.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        if answer.status_code != 200 or not isinstance(choice, dict):
            raise _error(answer, body)
        return _text(choice)

    def _request(self, instruction: str, product: str, jpeg: bytes) -> dict[str, object]:
        # A data URL, not a link: nothing of ours has to be public, and OpenAI has nothing to download.
        picture = f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
        content = [
            {"type": "text", "text": product},
            {"type": "image_url", "image_url": {"url": picture, "detail": "low"}},
        ]
        messages = [{"role": "system", "content": instruction}, {"role": "user", "content": content}]
        return {"model": self._model, "messages": messages, **_allowance(self._model)}


def _allowance(model: str) -> dict[str, object]:
    """Reasoning models refuse `max_tokens` and any temperature of ours; the others know nothing else."""
    if _REASONING.match(model.rpartition("/")[2]):
        return {"max_completion_tokens": MAX_REASONING_TOKENS}
    return {"max_tokens": MAX_TOKENS, "temperature": 0.7}


def _text(choice: dict[str, Any]) -> str:
    message = choice.get("message")
    message = message if isinstance(message, dict) else {}
    content = message.get("content")
    text = content.strip() if isinstance(content, str) else ""
    reason = choice.get("finish_reason")
    if message.get("refusal"):
        raise _no_script("refusal", str(message["refusal"]))
    if reason == "content_filter":
        raise _no_script("content_filter", text)
    if reason == "length" or not text:
        raise _no_script("length" if reason == "length" else "empty", "no whole script in the answer")
    return text


def _no_script(code: str, text: str) -> ProviderError:
    return ProviderError("openai", "chat", text[:500], http_status=200, fail_code=code)


def _error(answer: Answer, body: dict[str, Any]) -> ProviderError:
    """An error in OpenAI's form, in KIE's (which sells chat models too), or in none."""
    error = body.get("error")
    error = error if isinstance(error, dict) else {}
    text = str(error.get("message") or body.get("msg") or "an answer that is not OpenAI's")[:500]
    code, number = error.get("code") or error.get("type"), body.get("code")
    return ProviderError(
        "openai",
        "chat",
        text,
        http_status=answer.status_code,
        body_code=number if isinstance(number, int) and abs(number) < 2**31 else None,
        fail_code=str(code)[:100] if code else None,
        retry_after=retry_after(answer.headers.get("Retry-After", ""), text),
    )


def retry_after(header: str, text: str) -> float | None:
    """How long we are asked to wait, in seconds from 1 to 300: by the header (seconds or a date), else by the text."""
    seconds = _from_header(header.strip())
    if seconds is None and (found := _IN_TEXT.search(text)):
        seconds = sum(float(number) * _UNITS[unit.lower()] for number, unit in _PART.findall(found[1]))
    return None if seconds is None else min(max(seconds, 1.0), 300.0)


def _from_header(header: str) -> float | None:
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", header):
        return float(header)
    try:
        return parsedate_to_datetime(header).timestamp() - time.time()
    except (TypeError, ValueError, OverflowError):
        return None
