"""KIE AI: upload a picture, create a task, ask how it fares. No call here is repeated that could be paid for twice.

KIE answers HTTP 200 almost always; the verdict is `code` in the body. What is not its JSON comes from something in
between, and then a task may exist or not.
"""

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal
from uuid import uuid4

from neurocards.addresses import is_web_url, leads_inside
from neurocards.clients.kie_models import input_for
from neurocards.errors import ProviderError
from neurocards.transport import Answer, Bearer, Call, exchange, patiently

UPLOAD_PATH = "neurocards"
MAX_ID_LENGTH = 200
MOST_CREDITS = 1e15

State = Literal["pending", "success", "fail"]
# Any other state that KIE may invent counts as pending: the job's deadline ends the wait.
_STATES: dict[str, State] = {"success": "success", "fail": "fail", "failed": "fail"}


@dataclass(frozen=True)
class TaskRecord:
    """What KIE says of a task. `result_url` is there on 'success', `error` on 'fail', `callback_url` if given."""

    state: State
    result_url: str | None = None
    error: ProviderError | None = None
    callback_url: str | None = None


class Kie:
    """The two hosts of KIE. Every call names the key it is made with; no key is kept."""

    def __init__(self, api_url: str, upload_url: str) -> None:
        self._api_url = api_url
        self._upload_url = upload_url

    @cached_property
    def is_private(self) -> bool:
        """Whether the API is on a private network (a sandbox), so that its results may be fetched from there."""
        return leads_inside(self._api_url)

    def upload(self, key: str, jpeg: bytes) -> str:
        """Puts a picture where KIE can read it for three days; returns its URL. Raises ProviderError."""
        name = f"{uuid4().hex}.jpg"
        call = Call("kie", "upload", "POST", f"{self._upload_url}/api/file-stream-upload", seconds=60)
        form = {"uploadPath": UPLOAD_PATH, "fileName": name}
        data = _data(call, exchange(call, auth=Bearer(key), data=form, files={"file": (name, jpeg, "image/jpeg")}))
        url = data.get("downloadUrl") if isinstance(data, dict) else None
        if not is_web_url(url):
            raise _unlike_kie(call, 200)
        return str(url)

    def create_task(self, key: str, model: str, picture_url: str, prompt: str, callback_url: str | None) -> str:
        """Orders a video and returns the task's id. Raises ProviderError; an ambiguous one may have made a task."""
        body: dict[str, object] = {"model": model, "input": input_for(model, prompt, picture_url)}
        if callback_url:
            body["callBackUrl"] = callback_url
        call = Call("kie", "createTask", "POST", f"{self._api_url}/api/v1/jobs/createTask", once=True, fresh=True)
        data = _data(call, exchange(call, auth=Bearer(key), json=body))
        task_id = data.get("taskId") if isinstance(data, dict) else None
        if not (isinstance(task_id, str) and 0 < len(task_id) <= MAX_ID_LENGTH):
            raise _unlike_kie(call, 200)
        return task_id

    def record(self, key: str, task_id: str) -> TaskRecord:
        """How a task fares. Raises ProviderError when KIE did not say, which means: ask again later."""
        call = Call("kie", "recordInfo", "GET", f"{self._api_url}/api/v1/jobs/recordInfo")
        data = patiently(lambda: _data(call, exchange(call, auth=Bearer(key), params={"taskId": task_id})))
        if not (isinstance(data, dict) and isinstance(data.get("state"), str)):
            raise _unlike_kie(call, 200)
        return _record(data)

    def credit(self, key: str) -> float:
        """The balance of the key's account, in KIE's credits. Raises ProviderError."""
        call = Call("kie", "credit", "GET", f"{self._api_url}/api/v1/chat/credit")
        data = patiently(lambda: _data(call, exchange(call, auth=Bearer(key))))
        if isinstance(data, bool) or not isinstance(data, int | float) or not abs(data) < MOST_CREDITS:
            raise _unlike_kie(call, 200)
        return float(data)


def _data(call: Call, answer: Answer) -> Any:
    """The `data` of an answer whose code is 200; any other answer becomes a ProviderError."""
    body = answer.json_object()
    code = _number(body.get("code"))
    if code is None or (code == 200 and answer.status_code >= 400):
        raise _unlike_kie(call, answer.status_code)
    if code == 200:
        return body.get("data")
    text = str(body.get("msg") or body.get("message") or "")[:500]
    raise ProviderError(call.provider, call.channel, text, http_status=answer.status_code, body_code=code)


def _unlike_kie(call: Call, status: int) -> ProviderError:
    # 429 says by itself that the request was turned away; after any other stranger's answer a task may exist.
    unclear = call.once and status != 429
    return ProviderError("kie", call.channel, "an answer that is not KIE's", http_status=status, ambiguous=unclear)


def _record(data: dict[str, Any]) -> TaskRecord:
    state = _STATES.get(data["state"], "pending")
    urls = _unpacked(data.get("resultJson")).get("resultUrls")
    url = next((url for url in urls if is_web_url(url)), None) if isinstance(urls, list) else None
    callback_url = _callback_url(data.get("param"))
    if state == "success" and url is None:
        missing = ProviderError("kie", "record", "a success without a result", fail_code="no_result")
        return TaskRecord("fail", error=missing, callback_url=callback_url)
    error = _task_error(data) if state == "fail" else None
    return TaskRecord(state, url if state == "success" else None, error, callback_url)


def _task_error(data: dict[str, Any]) -> ProviderError:
    code = data.get("failCode")
    text = str(data.get("failMsg") or "")[:500]
    return ProviderError("kie", "record", text, fail_code=None if code is None else str(code)[:100])


def _callback_url(param: object) -> str | None:
    """The task's callBackUrl: `param` is JSON in a string, and its `input` may be JSON in a string once more."""
    outer = _unpacked(param)
    url = outer.get("callBackUrl") or _unpacked(outer.get("input")).get("callBackUrl")
    return str(url) if is_web_url(url) else None


def _unpacked(value: object) -> dict[str, Any]:
    """An object that may come as JSON in a string; empty when it is neither."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return {}
    return value if isinstance(value, dict) else {}


def _number(value: object) -> int | None:
    """A code as a number, also when it comes as a string of digits."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 6:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**31 else None
