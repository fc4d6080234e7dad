"""The Bot API over HTTP: `/bot<token>/<method>` and the downloads at `/file/bot<token>/<path>`."""

import json
from typing import Any

from flask import Blueprint, Response, request, send_file

from sandbox.journal import fingerprint
from sandbox.telegram import fault_kinds, methods
from sandbox.telegram.call import Call
from sandbox.telegram.errors import ApiError, not_found
from sandbox.telegram.files import StoredFile
from sandbox.telegram.params import Params
from sandbox.telegram.state import Telegram

Json = dict[str, Any]


def add_routes(routes: Blueprint, telegram: Telegram) -> None:
    """Bot API methods and downloads."""

    @routes.route("/bot<token>/<method>", methods=["GET", "POST"])
    def call_method(token: str, method: str) -> Response:
        return _Exchange(telegram, token, method).answer()

    @routes.get("/file/bot<token>/<path:path>")
    def download(token: str, path: str) -> Response:
        return _download(telegram, token, path)


def json_response(body: Json, status: int = 200) -> Response:
    """`body` as compact JSON."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return Response(text, status, mimetype="application/json")


class _Exchange:
    """One call and its answer; every call is journaled, refused ones too."""

    def __init__(self, telegram: Telegram, token: str, method: str) -> None:
        self._telegram = telegram
        self._token = token
        self._received = telegram.now()
        found = methods.find(method)
        self._name = found[0] if found else method
        self._method = found[1] if found else None
        self._params = Params({}, {})

    def answer(self) -> Response:
        try:
            body: Json = {"ok": True, "result": self._run()}
            response = json_response(body)
        except ApiError as refused:
            body = refused.answer()
            response = json_response(body, refused.code)
            if refused.retry_after:
                response.headers["Retry-After"] = str(refused.retry_after)
        finally:
            self._params.close()
        self._record(body, response.status_code)
        return response

    def _run(self) -> Any:
        # The token comes first: an unknown bot's body isn't even read.
        bot = self._telegram.bot(self._token)
        self._params = Params.of(request)
        if self._method is None:
            raise not_found("method not found")
        chat_id = self._params.text("chat_id")
        if _armed(self._telegram, self._token, self._name, chat_id=chat_id):
            bot.updates.double_next()
        return self._method(Call(self._telegram, bot, self._params, self._received))

    def _record(self, body: Json, status: int) -> None:
        # Updates are journaled by id: their content is what people did, and is in the events.
        if self._name == "getUpdates" and body["ok"]:
            body = {"ok": True, "update_ids": [update["update_id"] for update in body["result"]]}
        self._telegram.world.journal.record(
            fault_kinds.SERVICE,
            self._name,
            caller=fingerprint(self._token),
            request=self._params.journaled(),
            status=status,
            response=body,
            note="" if self._method else "no such method in this sandbox",
            started=self._received,
        )


def _armed(telegram: Telegram, token: str, endpoint: str, **context: str) -> bool:
    """Take the armed fault of this call. Raises ApiError when it is a refusal; True when it doubles updates."""
    fault = telegram.world.faults.take(
        fault_kinds.SERVICE, endpoint, caller=fingerprint(token), method=request.method, **context
    )
    if fault and (refused := fault_kinds.refusal(fault)):
        raise refused
    return fault is not None


def _download(telegram: Telegram, token: str, path: str) -> Response:
    received = telegram.now()
    try:
        stored = _downloadable(telegram, token, path)
        body: Json = {"bytes": stored.blob.size}
        # Telegram serves every file under this type.
        response = send_file(stored.blob.path or "", mimetype="application/octet-stream", conditional=True)
    except ApiError as refused:
        body = refused.answer()
        response = json_response(body, refused.code)
    telegram.world.journal.record(
        fault_kinds.SERVICE,
        "file",
        caller=fingerprint(token),
        request={"path": path},
        status=response.status_code,
        response=body,
        started=received,
    )
    return response


def _downloadable(telegram: Telegram, token: str, path: str) -> StoredFile:
    bot = telegram.bot(token)
    _armed(telegram, token, "file")
    stored = telegram.files.linked(bot.index, path)
    if stored is None or stored.blob.path is None:
        raise not_found()
    return stored
