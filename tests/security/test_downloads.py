"""Hostile answers: endless, dripping, lying about their length, compressed to burst. A download ends within its limits, whatever comes."""

import contextlib
import gzip
import socket
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from neurocards import media
from neurocards.clients import telegram
from neurocards.clients.kie import Kie
from neurocards.errors import BadPhoto, BadVideo, ProviderError
from neurocards.transport import Call, exchange
from tests import canaries

LIMIT, SECONDS = 1024 * 1024, 1.0
# The patience with a silent peer and the making of a connection come on top.
AT_MOST = SECONDS + 2.5
MEMORY = 16 * 1024 * 1024
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\n"
ENDLESS = HEAD + b"\r\n"

Talk = Callable[[socket.socket], None]


def bomb(layers: int = 1) -> bytes:
    """64 MB of nothing, compressed as often as said."""
    data = gzip.compress(bytes(64 * 1024 * 1024), 9)
    for _ in range(layers - 1):
        data = gzip.compress(data, 9)
    return data


BOMB, BOMB_IN_BOMB = bomb(), bomb(2)


def endless(connection: socket.socket) -> None:
    connection.sendall(ENDLESS)
    while True:
        connection.sendall(bytes(65536))


def drip(connection: socket.socket) -> None:
    connection.sendall(HEAD + b"Content-Length: 1000000\r\n\r\n")
    for _ in range(100):
        connection.sendall(b"x")
        time.sleep(0.1)


def silent(connection: socket.socket) -> None:
    connection.sendall(HEAD)
    connection.recv(1)


def endless_head(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"X: " + b"y" * 60000 + b"\r\n")


def many_heads(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * 1000)


def endless_chunks(connection: socket.socket) -> None:
    connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.sendall(b"10000\r\n" + bytes(65536) + b"\r\n")


def one_huge_chunk(connection: socket.socket) -> None:
    connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n7fffffffffffffff\r\n")
    while True:
        connection.sendall(bytes(65536))


def said(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> Talk:
    """An answer that says of itself what the headers say."""

    def talk(connection: socket.socket) -> None:
        head = b"\r\n".join((b"HTTP/1.1 " + status, *(headers or (b"Content-Type: video/mp4",)), b"Connection: close"))
        connection.sendall(head + b"\r\n\r\n" + body)

    return talk


HOSTILE: dict[str, Talk] = {
    "endless body": endless,
    "dripping body": drip,
    "silence in the head": silent,
    "endless head": endless_head,
    "endless interim answers": many_heads,
    "endless chunks": endless_chunks,
    "a chunk of 8 EiB": one_huge_chunk,
    "less than the length it names": said(b"x" * 1000, b"Content-Length: 500000"),
    "more than the limit, named": said(b"x" * 1000, b"Content-Length: 99999999999999999999"),
    "a length that is no number": said(b"x" * 3_000_000, b"Content-Length: lots"),
    "a negative length": said(b"x" * 3_000_000, b"Content-Length: -1"),
    "two lengths": said(b"x" * 3_000_000, b"Content-Length: 5", b"Content-Length: 3000000"),
    "length and chunks": said(b"zz\r\n", b"Content-Length: 5", b"Transfer-Encoding: chunked"),
    "a broken chunk": said(b"-5\r\nxxxxx\r\n0\r\n\r\n", b"Transfer-Encoding: chunked"),
    "gzip bomb": said(BOMB, b"Content-Encoding: gzip"),
    "gzip bomb in a gzip bomb": said(BOMB_IN_BOMB, b"Content-Encoding: gzip, gzip"),
    "deflate bomb": said(zlib.compress(bytes(64 * 1024 * 1024), 9), b"Content-Encoding: deflate"),
    "a hundred layers of gzip": said(BOMB, b"Content-Encoding: " + b", ".join([b"gzip"] * 100)),
    "broken gzip": said(b"\x1f\x8b" + b"rubbish" * 1000, b"Content-Encoding: gzip"),
    "not HTTP": lambda connection: connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n" + b"x" * 70_000),
    "nothing": lambda connection: None,
    "an empty body": said(b""),
    "a page": said(b"<html>", b"Content-Type: text/html"),
    "a status that is no number": said(b"x", status=b"abc OK"),
    "a redirect to itself": said(b"", b"Location: /", status=b"302 Found"),
    "a redirect to nowhere": said(b"", status=b"302 Found"),
    "a redirect to a file": said(b"", b"Location: file:///etc/passwd", status=b"302 Found"),
    "a redirect with a break": said(b"", b"Location: /a%0d%0aX:%20y\tz", status=b"302 Found"),
    "a redirect of a megabyte": said(b"", b"Location: /" + b"x" * 60_000, status=b"302 Found"),
}


@contextlib.contextmanager
def peer(talk: Talk) -> Iterator[str]:
    """A server that reads a request's beginning and then talks as it likes."""
    threads: list[threading.Thread] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer(connection: socket.socket) -> None:
            with connection, contextlib.suppress(OSError):
                connection.settimeout(15)
                connection.recv(65536)
                talk(connection)

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    threads.append(threading.Thread(target=answer, args=(connection,), daemon=True))
                    threads[-1].start()

        server = threading.Thread(target=serve, daemon=True)
        server.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        listener.shutdown(socket.SHUT_RDWR)
        server.join(5)
    for thread in threads:
        thread.join(5)


@contextlib.contextmanager
def within_limits(seconds: float = AT_MOST) -> Iterator[None]:
    """What is done inside takes neither long nor much memory."""
    tracemalloc.start()
    began = time.monotonic()
    try:
        yield
        assert time.monotonic() - began < seconds
        assert tracemalloc.get_traced_memory()[1] < MEMORY
    finally:
        tracemalloc.stop()


def taken(url: str, path: Path) -> None:
    """What the worker does with a result's URL; what is whole, small and of no forbidden kind is found out by looking into it."""
    media.fetch_result(url, path, limit_bytes=LIMIT, seconds=SECONDS, allow_private=True)
    media.probe_video(path)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_result_that_is_hostile_ends_within_its_limits(tmp_path: Path, name):
    path = tmp_path / "video.mp4"
    # When a vendor's result misbehaves
    with peer(HOSTILE[name]) as url, within_limits(), pytest.raises((ProviderError, BadVideo)):
        taken(url, path)
    # Then it is an error that the pipeline knows, in time and small; of a broken download nothing is left
    assert not path.exists() or path.stat().st_size <= LIMIT


@pytest.mark.parametrize(
    "name",
    ["endless body", "dripping body", "endless chunks", "a chunk of 8 EiB", "gzip bomb", "gzip bomb in a gzip bomb"],
)
def test_what_is_cut_off_leaves_no_file(tmp_path: Path, name):
    path = tmp_path / "video.mp4"
    with peer(HOSTILE[name]) as url, pytest.raises((ProviderError, BadVideo)):
        media.fetch_result(url, path, limit_bytes=LIMIT, seconds=SECONDS, allow_private=True)
    assert not path.exists()


@pytest.mark.parametrize(
    "name", ["endless body", "endless chunks", "gzip bomb", "a hundred layers of gzip", "endless head", "not HTTP"]
)
def test_an_api_that_is_hostile_ends_within_its_limits(name):
    # When an API answers so
    with peer(HOSTILE[name]) as url, within_limits(), pytest.raises(ProviderError):
        exchange(Call("kie", "recordInfo", "GET", url, seconds=SECONDS, total=SECONDS, limit=LIMIT))


def test_a_photo_that_is_hostile_is_a_bad_photo():
    # Given a Bot API server that promises a small file and sends one without end
    asked = iter([True])

    def talk(connection: socket.socket) -> None:
        if not next(asked, False):
            endless(connection)
        body = b'{"ok": true, "result": {"file_id": "a", "file_unique_id": "b", "file_size": 10, "file_path": "photos/a.jpg"}}'
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        )
        connection.recv(65536)
        endless(connection)

    # When it is downloaded, Then it is too big, and was not read to the limit of memory
    with peer(talk) as url, within_limits(8), pytest.raises(BadPhoto, match="too_big"):
        telegram.download_file(telegram.connect(canaries.BOT_TOKEN, url.rstrip("/")), "a", LIMIT)


def test_deeply_nested_json_is_a_failure_and_no_crash():
    body = b"[" * 500_000
    with peer(said(body, b"Content-Type: application/json")) as url, pytest.raises(ProviderError):
        Kie(url.rstrip("/"), url.rstrip("/")).credit("key")
