"""A vendor that answers whatever it is told, byte for byte."""

import re
import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
PATIENCE = 10.0


class Answering:
    """A context: a server on this machine. Every request gets the bytes in `answers`, the last one again and again; then it hangs up."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._answers: list[bytes] = [b""]

    def says(self, *answers: bytes) -> None:
        """What the next requests get, in this order."""
        self._answers = list(answers)

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, name="answering", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection, suppress(OSError):
                connection.settimeout(PATIENCE)
                self._converse(connection)

    def _converse(self, connection: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            piece = connection.recv(65536)
            if not piece:
                return
            head += piece
        head, _, body = head.partition(b"\r\n\r\n")
        found = _LENGTH.search(head)
        left = int(found[1]) - len(body) if found else 0
        while left > 0 and (piece := connection.recv(65536)):
            left -= len(piece)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        connection.sendall(answer)
        connection.shutdown(socket.SHUT_WR)
