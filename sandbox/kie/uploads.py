"""KIE's file host: three ways to upload a file, and GET for uploads and results."""

import base64
import binascii
import mimetypes
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import requests
from flask import Blueprint, Response, g, request

from sandbox.kie import wire
from sandbox.kie.callbacks import is_loopback
from sandbox.kie.files import fresh_name
from sandbox.kie.models import Refused
from sandbox.kie.provider import Kie
from sandbox.kie.results import serve

MAX_UPLOAD_BYTES = 32 * 1024 * 1024
FETCH_SECONDS = 30.0
_DATA_URL = re.compile(r"data:(?P<mime>[\w.+-]+/[\w.+-]+);base64,")
_SAFE = re.compile(r"[\w.+ -]+(/[\w.+ -]+)*")

# What an upload is made of: its bytes, its MIME type if stated, the name it came with, and uploadPath and fileName.
Upload = tuple[bytes, str, str, dict[str, Any]]


def add_routes(routes: Blueprint, kie: Kie) -> None:
    """Add uploads and downloads to a blueprint."""

    @routes.errorhandler(Refused)
    def refuse(refusal: Refused) -> Response:
        code = 401 if refusal.code == 401 else refusal.code
        msg = "Authentication failed: Invalid API Key" if code == 401 else refusal.msg
        # Whether this host's HTTP status mirrors the code is not on record; the settings choose.
        mirrored = code if kie.settings.upload_error_status == "mirror" and 400 <= code <= 599 else 200
        return wire.told({"success": False, "code": code, "msg": msg}, getattr(refusal, "status", mirrored))

    for way, read in (("base64", _read_base64), ("stream", _read_stream), ("url", _read_url)):
        routes.add_url_rule(f"/api/file-{way}-upload", way, _uploader(kie, read), methods=["POST"])
    routes.add_url_rule("/kie/files/<path:name>", "file", lambda name: download(kie, name))


def _uploader(kie: Kie, read: Callable[[], Upload]) -> Callable[[], Response]:
    return lambda: upload(kie, read)


def upload(kie: Kie, read: Callable[[], Upload]) -> Response:
    """Store what `read` finds in the request, and answer as KIE's file host does."""
    key = wire.bearer_key(kie)
    wire.raise_armed(kie, account=key.account.name)
    content, mime, came_as, form = read()
    path, name = _target(form, mime, came_as)
    wire.asked({"uploadPath": path, "fileName": name, "file": content})
    if len(content) > MAX_UPLOAD_BYTES:
        raise Refused(400, "File size exceeds the limit")
    kie.world.clock.sleep(kie.settings.upload_seconds)
    kind = mime or mimetypes.guess_type(name)[0] or "application/octet-stream"
    data = kie.upload(key.account, path, name, content, kind)
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return wire.told(
        {"success": True, "code": 200, "msg": "File uploaded successfully", "data": {**data, "uploadedAt": now}}
    )


def _target(form: dict[str, Any], mime: str, came_as: str) -> tuple[str, str]:
    """uploadPath and the file's name: the one asked for, else a fresh one with a fitting ending."""
    path, name = form.get("uploadPath"), form.get("fileName")
    if not path:
        raise Refused(400, "Missing required parameter: uploadPath")
    if not isinstance(path, str) or not _SAFE.fullmatch(path) or ".." in path or len(path) > 300:
        raise Refused(400, "Invalid parameter: uploadPath")
    if name is not None and (not isinstance(name, str) or not _SAFE.fullmatch(name) or "/" in name or len(name) > 200):
        raise Refused(400, "Invalid parameter: fileName")
    guessed = mimetypes.guess_extension(mime) or "." + came_as.rpartition(".")[2]
    return path, name or fresh_name(guessed if _SAFE.fullmatch(guessed) else "")


def _read_base64() -> Upload:
    body = wire.json_body()
    data = body.get("base64Data")
    if not data or not isinstance(data, str):
        raise Refused(400, "Missing required parameter: base64Data")
    header = _DATA_URL.match(data)
    try:
        content = base64.b64decode(data[header.end() if header else 0 :], validate=True)
    except (binascii.Error, ValueError) as wrong:
        raise Refused(400, "Base64 decoding failed: Invalid Base64 format") from wrong
    return content, header["mime"] if header else "", "", body


def _read_stream() -> Upload:
    file = request.files.get("file")
    if file is None:
        raise Refused(400, "Missing required parameter: file")
    return file.read(), file.mimetype or "", file.filename or "", request.form.to_dict()


def _read_url() -> Upload:
    body = wire.json_body()
    url = body.get("fileUrl")
    if not url or not isinstance(url, str):
        raise Refused(400, "Missing required parameter: fileUrl")
    # Nothing beyond this machine is ever fetched, and nothing for longer than KIE would.
    if not is_loopback(url):
        raise Refused(500, "File download failed")
    try:
        return *_fetch(url), url.rpartition("/")[2], body
    except requests.RequestException as failed:
        raise Refused(500, "File download failed") from failed


def _fetch(url: str) -> tuple[bytes, str]:
    with requests.Session() as session:
        session.trust_env = False
        with session.get(url, timeout=FETCH_SECONDS, stream=True, allow_redirects=False) as answer:
            answer.raise_for_status()
            content = answer.raw.read(MAX_UPLOAD_BYTES + 1, decode_content=True)
            return content, answer.headers.get("Content-Type", "").partition(";")[0]


def download(kie: Kie, name: str) -> Response:
    """A stored file, without authentication; 404 when there is none of that name."""
    stored = kie.files.find(name)
    wire.asked({"file": name})
    if stored is None:
        return Response("404 Not Found", 404, mimetype="text/plain")
    response = serve(stored, kie.world.clock)
    g.told = {"bytes": response.content_length, "type": response.mimetype}
    wire.noted(f"bad result {stored.fault}" if stored.fault else "")
    return response
