"""Faults of the connection itself, applied in one place before and after any stand-in handles a call."""

import json
import select
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from werkzeug.test import run_wsgi_app
from werkzeug.wrappers import Response
from werkzeug.wsgi import get_content_length

from sandbox.journal import fingerprint
from sandbox.world import World

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

MAX_HOLD_SECONDS = 120.0


class ResetConnection(ConnectionError):
    """Raised inside a WSGI app: drop this connection with a TCP RST, whatever was sent so far."""


class CutConnection(ConnectionError):
    """Raised inside a WSGI app: close this connection in the ordinary way (FIN), without finishing the answer."""


def peer_gone(connection: socket.socket) -> bool:
    """True when the client has closed its side; a pending next request doesn't count."""
    try:
        readable = select.select([connection], [], [], 0)[0]
        return bool(readable) and connection.recv(1, socket.MSG_PEEK) == b""
    except (OSError, ValueError):
        return True


def hold(world: World, connection: socket.socket, seconds: float) -> bool:
    """Wait `seconds` of real time (120 at most); True at the end, False as soon as the client or the sandbox leaves."""
    deadline = time.monotonic() + min(seconds, MAX_HOLD_SECONDS)
    while (left := deadline - time.monotonic()) > 0:
        # In small steps, because nothing wakes this thread when its client leaves.
        if world.clock.stopped or peer_gone(connection):
            return False
        world.clock.wait_real(min(left, 0.1))
    return not world.clock.stopped


def route_of(path: str) -> tuple[str, str]:
    """Which service and endpoint a path belongs to; ("sandbox", "") for the control API and the chat page."""
    if path.startswith(("/bot", "/file/bot")):
        return "telegram", "file" if path.startswith("/file/") else path.rpartition("/")[2]
    if path.startswith("/v1/"):
        return "openai", path.removeprefix("/v1/")
    if path.startswith("/api/"):
        return "kie", path.rpartition("/")[2]
    return ("kie", "files") if path.startswith("/kie/files/") else ("sandbox", "")


def caller_of(environ: "WSGIEnvironment") -> str:
    """The fingerprint of the token in a Telegram path or of the bearer key; "-" without either."""
    path = environ["PATH_INFO"]
    if path.startswith(("/bot", "/file/bot")):
        return fingerprint(path.partition("/bot")[2].partition("/")[0])
    return fingerprint(environ.get("HTTP_AUTHORIZATION", "").removeprefix("Bearer ").strip())


@dataclass
class Call:
    """One call on its way to the stand-ins, with the means to answer it."""

    app: "WSGIApplication"
    world: World
    environ: "WSGIEnvironment"
    start: "StartResponse"

    def handle(self) -> Iterable[bytes]:
        """Let the stand-in answer."""
        return self.app(self.environ, self.start)

    def handle_silently(self) -> tuple[bytes, str, list[tuple[str, str]]]:
        """Let the stand-in do its work, but keep its answer: (body, status line, headers)."""
        chunks, status, headers = run_wsgi_app(self.app, self.environ, buffered=True)
        return b"".join(chunks), status, list(headers)

    def hold(self, params: dict[str, Any], default: float) -> bool:
        """Wait the fault's `seconds`; False when the client left first."""
        return hold(self.world, self.environ["werkzeug.socket"], float(params.get("seconds", default)))


class FaultyTransport:
    """WSGI wrapper that takes the armed transport fault of each call, if any, and acts it out around `app`."""

    def __init__(self, app: "WSGIApplication", world: World) -> None:
        """Wrap `app`; calls to the control API and the chat page are never touched."""
        self._app = app
        self._world = world

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Handle one call, faithfully or with its fault."""
        call = Call(self._app, self._world, environ, start_response)
        # Never a fault on the way to disarm one.
        service, endpoint = route_of(environ["PATH_INFO"])
        if service == "sandbox":
            return call.handle()
        context = {"caller": caller_of(environ), "method": environ["REQUEST_METHOD"]}
        fault = self._world.faults.take_transport(service, endpoint, **context)
        if fault is None:
            return call.handle()
        if fault.kind in _INSTEAD:
            self._record(environ, fault.kind, fault.params)
            return _INSTEAD[fault.kind](call, fault.params)
        with self._world.journal.noting(f"fault {fault.kind}"):
            return _AROUND[fault.kind](call, fault.params)

    def _record(self, environ: "WSGIEnvironment", kind: str, params: dict[str, Any]) -> None:
        # No stand-in sees such a call, so it is journaled here; without the path, because Telegram's holds the token.
        service, endpoint = route_of(environ["PATH_INFO"])
        self._world.journal.record(
            service,
            endpoint,
            caller=caller_of(environ),
            request={"method": environ["REQUEST_METHOD"], "bytes": get_content_length(environ) or 0},
            status=int(params.get("status", 500)) if kind == "http" else 0,
            response={},
            note=f"fault {kind}",
        )


def _http(call: Call, params: dict[str, Any]) -> Iterable[bytes]:
    body = params.get("body", "")
    text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
    mimetype = "text/html" if isinstance(body, str) else "application/json"
    response = Response(text, status=int(params.get("status", 500)), mimetype=mimetype)
    response.headers.update(params.get("headers", {}))
    return response(call.environ, call.start)


def _hang(call: Call, params: dict[str, Any]) -> Iterable[bytes]:
    call.hold(params, MAX_HOLD_SECONDS)
    raise CutConnection("armed hang")


def _reset(_call: Call, _params: dict[str, Any]) -> Iterable[bytes]:
    raise ResetConnection("armed reset")


def _slow(call: Call, params: dict[str, Any]) -> Iterable[bytes]:
    call.hold(params, 1.0)
    return call.handle()


def _lost_reply(call: Call, _params: dict[str, Any]) -> Iterable[bytes]:
    call.handle_silently()
    raise ResetConnection("armed lost reply")


def _late_reply(call: Call, params: dict[str, Any]) -> Iterable[bytes]:
    body, status, headers = call.handle_silently()
    if not call.hold(params, 1.0):
        raise CutConnection("the client left before its late reply")
    call.start(status, headers)
    return [body]


def _truncate(call: Call, _params: dict[str, Any]) -> Iterable[bytes]:
    body, status, headers = call.handle_silently()
    others = [(name, value) for name, value in headers if name.lower() != "content-length"]
    # Declares the whole length, so that a client which counts the bytes notices, as it would on a broken line.
    call.start(status, [*others, ("Content-Length", str(len(body)))])
    return _half(body)


def _half(body: bytes) -> Iterator[bytes]:
    yield body[: len(body) // 2]
    raise CutConnection("armed truncation")


_Act = Callable[[Call, dict[str, Any]], Iterable[bytes]]
_INSTEAD: dict[str, _Act] = {"http": _http, "hang": _hang, "reset": _reset}
_AROUND: dict[str, _Act] = {"slow": _slow, "lost_reply": _lost_reply, "late_reply": _late_reply, "truncate": _truncate}
