"""HTTP/1.1 over raw sockets: a threaded WSGI server that keeps connections alive and can break them on purpose.

Werkzeug's own request handler closes every connection after one answer. The real services don't, and a client's pooled
connections are part of what is under test, so this handler adds keep-alive to werkzeug's parsing.
"""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterable
from typing import IO, TYPE_CHECKING, Any, cast

from werkzeug.exceptions import ClientDisconnected
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler
from werkzeug.wsgi import LimitedStream, get_content_length

from sandbox.transport import ResetConnection

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

IDLE_SECONDS = 120
MAX_DRAIN_BYTES = 128 * 1024 * 1024
_BODILESS = ("204", "304")


class Handler(WSGIRequestHandler):
    """One client connection: requests in, WSGI answers out, until either side closes."""

    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS
    # Head and body of an answer may go out in two writes; with Nagle's algorithm the second would wait for an ACK.
    disable_nagle_algorithm = True

    def run_wsgi(self) -> None:
        """Answer one request; a broken or deliberately spoiled connection is closed and not reported."""
        if self.headers.get("Expect", "").lower().strip() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.environ = environ = self.make_environ()
        body = self._bound_input(environ)
        # The answer first, then what is left of the request: a client may read before it has finished sending.
        try:
            _Answer(self, environ).send()
            self._drain(body)
        except ResetConnection:
            # Read first: a client still sending would see a broken pipe in place of the reset.
            self._drain(body)
            self.close_connection = True
            cast(Server, self.server).reset(self.connection)
        except (OSError, ClientDisconnected):
            self.close_connection = True

    def _bound_input(self, environ: "WSGIEnvironment") -> IO[bytes]:
        # The app must not read into the next request of this connection.
        if "wsgi.input_terminated" not in environ:
            environ["wsgi.input"] = LimitedStream(cast(IO[bytes], self.rfile), get_content_length(environ) or 0)
            environ["wsgi.input_terminated"] = True
        return cast(IO[bytes], environ["wsgi.input"])

    def _drain(self, body: IO[bytes]) -> None:
        left = MAX_DRAIN_BYTES
        while left > 0 and (chunk := body.read(1 << 20)):
            left -= len(chunk)
        if left <= 0:
            self.close_connection = True

    def log(self, *_: Any) -> None:
        """Say nothing: the journal is the log, and a request line may hold a bot token."""


class _Answer:
    """Writes one WSGI answer to the connection, with a length or in chunks."""

    def __init__(self, handler: Handler, environ: "WSGIEnvironment") -> None:
        self._handler = handler
        self._environ = environ
        self._head: tuple[str, list[tuple[str, str]]] | None = None
        self._chunked = False
        self._silent = False

    def _start(self, status: str, headers: list[tuple[str, str]], _exc_info: Any = None) -> Callable[[bytes], object]:
        self._head = (status, headers)
        return self._write

    def send(self) -> None:
        app = cast("Callable[..., Iterable[bytes]]", self._handler.server.app)
        body = app(self._environ, self._start)
        try:
            for data in body:
                if data:
                    self._write(data)
            self._write(b"", last=True)
        finally:
            if hasattr(body, "close"):
                body.close()

    def _write(self, data: bytes, last: bool = False) -> None:
        prefix = self._take_head()
        if self._silent:
            data = b""
        elif self._chunked:
            data = b"%x\r\n%s\r\n" % (len(data), data) if data else b""
            data += b"0\r\n\r\n" if last else b""
        if prefix or data:
            self._handler.wfile.write(prefix + data)

    def _take_head(self) -> bytes:
        if self._head is None:
            return b""
        (status, headers), self._head = self._head, None
        names = {name.lower() for name, _ in headers}
        self._silent = self._environ["REQUEST_METHOD"] == "HEAD" or status[:3] in _BODILESS
        self._chunked = "content-length" not in names and not self._silent
        lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers)]
        if "date" not in names:
            lines.append(f"Date: {self._handler.date_time_string()}")
        if self._chunked:
            lines.append("Transfer-Encoding: chunked")
        lines.append("Connection: close" if self._handler.close_connection else "Connection: keep-alive")
        return "\r\n".join([*lines, "", ""]).encode("latin-1")


class Server(ThreadedWSGIServer):
    """A thread for each connection; knows its open connections, so that it can end them when it stops."""

    daemon_threads = True

    def __init__(self, port: int, app: Any) -> None:
        """Bind the loopback `port` (0 = any free one)."""
        self._open: set[socket.socket] = set()
        self._resets: set[socket.socket] = set()
        self._changed = threading.Condition()
        super().__init__("127.0.0.1", port, app, Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection and serve it in its own thread."""
        # In this thread, so that no accepted connection is ever unknown to `hang_up`.
        with self._changed:
            self._open.add(request)
        super().process_request(request, client_address)

    def reset(self, connection: socket.socket) -> None:
        """Make the coming close of `connection` a RST instead of a FIN."""
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with self._changed:
            self._resets.add(connection)

    def shutdown_request(self, request: Any) -> None:
        """Close one connection; a reset one without the polite shutdown that would send FIN first."""
        with self._changed:
            self._open.discard(request)
            reset = request in self._resets
            self._resets.discard(request)
            self._changed.notify_all()
        if reset:
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def hang_up(self) -> None:
        """End every open connection; its thread notices at its next read or write."""
        with self._changed:
            for connection in self._open:
                # An error means that the client was first.
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def wait_until_idle(self, seconds: float) -> None:
        """Wait up to `seconds` for the threads of all connections to let go."""
        with self._changed:
            self._changed.wait_for(lambda: not self._open, seconds)
