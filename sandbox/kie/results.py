"""What lies behind a task's result address: the video, or one of the bad results a downloader must survive."""

import io
import time
import zipfile
from collections.abc import Iterator
from typing import Any

from flask import Response, send_file

from sandbox.clock import Clock
from sandbox.kie.files import StoredFile

ENDLESS_SECONDS = 300.0
_DRIP_SECONDS = 0.1
_HTML = "<!doctype html><html><head><title>Link expired</title></head><body>This link has expired.</body></html>"


def serve(stored: StoredFile, clock: Clock) -> Response:
    """The answer to a GET for a stored file or a bad result."""
    if stored.path is not None:
        response = send_file(stored.path, stored.mime, conditional=True, etag=stored.digest or True)
        # Flask names the file after its path on this disk.
        del response.headers["Content-Disposition"]
        return response
    return _BAD[stored.fault.partition(":")[0]](stored.fault, clock)


def bad_result(params: dict[str, Any]) -> StoredFile:
    """The stored file that plays a bad result; `what` names it, `bytes_per_second` is the pace of an endless one."""
    pace = int(params.get("bytes_per_second", 64 * 1024))
    return StoredFile(None, "video/mp4", fault=f"{params['what']}:{pace}")


def _html(_fault: str, _clock: Clock) -> Response:
    return Response(_HTML, mimetype="text/html")


def _empty(_fault: str, _clock: Clock) -> Response:
    return Response(b"", mimetype="video/mp4")


def _not_video(_fault: str, _clock: Clock) -> Response:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("video.txt", "This was never a video.\n" * 2_000)
    return Response(buffer.getvalue(), mimetype="video/mp4")


def _missing(_fault: str, _clock: Clock) -> Response:
    return Response("404 Not Found", 404, mimetype="text/plain")


def _endless(fault: str, clock: Clock) -> Response:
    # No length is declared, so only a cap on size or time saves the downloader.
    return Response(_drip(int(fault.partition(":")[2]), clock), mimetype="video/mp4")


def _drip(bytes_per_second: int, clock: Clock) -> Iterator[bytes]:
    # Zeros after a proper first box: a reader that only sniffs the head takes it for a video.
    chunk = bytes(max(1, int(bytes_per_second * _DRIP_SECONDS)))
    yield b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2"
    deadline = time.monotonic() + ENDLESS_SECONDS
    while time.monotonic() < deadline and not clock.stopped:
        yield chunk
        clock.wait_real(_DRIP_SECONDS)


_BAD = {"html": _html, "empty": _empty, "not_video": _not_video, "404": _missing, "endless": _endless}
