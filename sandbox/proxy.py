"""What stands before several bot processes: hands each request to the next of them, or the one after it when that one is away."""

import itertools
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import requests

SECONDS = 10.0


class Proxy(ThreadingHTTPServer):
    """On a free port of loopback, from `with` to its end. `ports` may change at any time; `answered` are those that did."""

    daemon_threads = True

    def __init__(self) -> None:
        self.ports: list[int] = []
        self.answered: set[int] = set()
        self._turn = itertools.count()
        super().__init__(("127.0.0.1", 0), _Request)

    def __enter__(self) -> "Proxy":
        """Serves from now on."""
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stops serving."""
        self.shutdown()
        self.server_close()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_port}"

    def turn(self) -> list[int]:
        """All ports, in the order in which they are tried this time."""
        ports = list(self.ports)
        first = next(self._turn) % max(len(ports), 1)
        return ports[first:] + ports[:first]


class _Request(BaseHTTPRequestHandler):
    """One request, passed on with its headers."""

    server: Proxy

    def do_POST(self) -> None:
        """Telegram's updates and KIE's callbacks."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        for port in self.server.turn():
            try:
                answer = requests.post(
                    f"http://127.0.0.1:{port}{self.path}", body, headers=dict(self.headers), timeout=SECONDS
                )
            except requests.ConnectionError:
                continue
            self.server.answered.add(port)
            return self._reply(answer.status_code, answer.content)
        return self._reply(502, b"")

    def _reply(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Says nothing."""
