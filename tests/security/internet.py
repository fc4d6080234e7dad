"""A stand-in for the internet: names resolve as a test says, and every address, public or not, is a listener on this machine.

Nothing leaves the machine, and what a request would have reached is known: `connected` has the addresses that were connected to,
`received` what arrived there. A connected socket names the address it was asked for, as a real one would.
"""

import contextlib
import socket
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

Address = tuple[Any, ...]
# Opened before anything is replaced.
_Socket, _getaddrinfo = socket.socket, socket.getaddrinfo


class Internet:
    """`names` maps a host to its addresses, or to several lists of them for one that answers differently each time."""

    def __init__(
        self, names: Mapping[str, list[Any]], answer: bytes = b"", redirects: Mapping[str, str] | None = None
    ) -> None:
        self.connected: list[str] = []
        self.received: list[tuple[str, bytes]] = []
        self._names = {name: list(found) for name, found in names.items()}
        self._answer = answer
        self._redirects = dict(redirects or {})
        self._listener = _Socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(64)
        self._claimed: dict[int, str] = {}
        # Other tests' stand-ins may still be calling back from threads of their own: that is no business of this internet.
        self._inhabitant = threading.get_ident()
        self._thread = threading.Thread(target=self._serve, name="internet", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends the listener and its thread."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def elsewhere(self) -> bool:
        """Whether another thread than the test's asks."""
        return threading.get_ident() != self._inhabitant

    def resolve(self, host: Any, port: Any, *args: Any, **kwargs: Any) -> list[Any]:
        """As getaddrinfo. Numbers in any spelling are read by the real one; a name that is not known does not exist."""
        if self.elsewhere():
            return _getaddrinfo(host, port, *args, **kwargs)
        name = (host.decode() if isinstance(host, bytes) else str(host)).lower().rstrip(".")
        known = self._names.get(name)
        if known is None:
            return _getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        if isinstance(known[0], list):
            known = known.pop(0) if len(known) > 1 else known[0]
        return [found for address in known for found in _getaddrinfo(address, port, type=socket.SOCK_STREAM)]

    def socket_class(self) -> type[socket.socket]:
        """A socket whose connections all arrive here."""
        internet = self

        class Diverted(_Socket):
            def __init__(
                self, family: int = socket.AF_INET, type: int = socket.SOCK_STREAM, proto: int = 0, fileno: Any = None
            ):
                here = fileno is None and not internet.elsewhere()
                super().__init__(socket.AF_INET if here else family, type, proto, fileno)
                self.claimed: Address | None = None

            def connect(self, address: Any) -> None:
                if internet.elsewhere():
                    super().connect(address)
                    return
                super().connect(internet._listener.getsockname())
                self.claimed = address
                internet.connected.append(address[0])
                internet._claimed[self.getsockname()[1]] = address[0]

            def getpeername(self) -> Any:
                return self.claimed or super().getpeername()

        return Diverted

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, (_, port) = self._listener.accept()
                with connection, contextlib.suppress(OSError):
                    connection.settimeout(2)
                    self._exchange(connection, port)

    def _exchange(self, connection: socket.socket, port: int) -> None:
        request = connection.recv(65536)
        if not request:
            return
        self.received.append((self._claimed.get(port, "?"), request))
        path = request.split(b" ", 2)[1].decode(errors="replace")
        if location := self._redirects.get(path):
            head = (
                b"HTTP/1.1 302 Found\r\nLocation: "
                + location.encode()
                + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )
            connection.sendall(head)
        else:
            head = b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nConnection: close\r\n"
            connection.sendall(head + b"Content-Length: %d\r\n\r\n" % len(self._answer) + self._answer)


@contextlib.contextmanager
def pretended(monkeypatch: pytest.MonkeyPatch, names: Mapping[str, list[Any]], **how: Any) -> Iterator[Internet]:
    """Inside it this process sees no other network, and no proxy."""
    internet = Internet(names, **how)
    with monkeypatch.context() as patch:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            patch.delenv(name, raising=False)
        patch.setattr(socket, "getaddrinfo", internet.resolve)
        patch.setattr(socket, "socket", internet.socket_class())
        try:
            yield internet
        finally:
            internet.close()
