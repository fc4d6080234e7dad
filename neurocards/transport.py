"""HTTP for the clients and for fetching results: one way to make a request, with limits on size and time.

And one reading of what went wrong. The errors of `requests` carry the URL, and Telegram's URLs carry the token: so no such
error leaves this module, not even as the cause of another. A ProviderError in plain words takes its place.
"""

import json
import re
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
import stamina
from requests.auth import AuthBase
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError

from neurocards import metrics
from neurocards.addresses import PrivateAddress, PublicAdapter
from neurocards.errors import ProviderError

# Cloudflare, before KIE, turns away the default agents of HTTP libraries.
USER_AGENT = "Mozilla/5.0 (compatible; Neurocards/0.1)"
CONNECT_SECONDS = 5
PIECE_BYTES = 64 * 1024

Result = TypeVar("Result")

# ValueError: a URL or a header that the libraries refuse, before anything is sent.
_TROUBLE = (requests.RequestException, HTTPError, OSError, ValueError)
_NEVER_LEFT = (NewConnectionError, ConnectTimeoutError, PrivateAddress)
_HANDSHAKE = re.compile("CERT|HANDSHAKE|VERSION|PROTOCOL|CIPHER|NAME")
# What only an escape brings into JSON.
_UNKEEPABLE = re.compile("[\0\ud800-\udfff]")
_local = threading.local()


class TooLarge(Exception):
    """The answer's body is longer than the limit of the call."""


class TooSlow(Exception):
    """The answer's body was not complete in the time of the call."""


@dataclass(frozen=True)
class Call:
    """One request to be made of a vendor.

    `seconds` is the patience with a silent connection, `total` the time the body of the answer may take, `limit` its
    size in bytes. `once` marks what must not be done twice: its failure is ambiguous unless the request certainly never
    left. `fresh` gives it a connection of its own, since a stale one would leave its fate unknown. `public` refuses
    private addresses.
    """

    provider: str
    channel: str
    method: str
    url: str
    seconds: float = 30
    total: float = 30
    limit: int = 1024 * 1024
    once: bool = False
    fresh: bool = False
    public: bool = False


@dataclass(frozen=True)
class Answer:
    """A vendor's answer. Has the parts of `requests.Response` that pyTelegramBotAPI looks at, but no URL."""

    status_code: int
    headers: Mapping[str, str]
    reason: str = ""
    content: bytes = b""

    @property
    def text(self) -> str:
        """The body as UTF-8, unreadable bytes replaced."""
        return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON, as it came: what a person wrote is the handlers' to clean. Raises ValueError when it is none."""
        text = self.content.decode(json.detect_encoding(self.content))
        try:
            return json.loads(text, parse_constant=_no_number)
        except RecursionError:
            raise ValueError("JSON nested too deeply") from None

    def json_object(self) -> dict[str, Any]:
        """The body as a JSON object with nothing in its texts that PostgreSQL refuses; empty when it is anything else."""
        try:
            body = keepable(self.json())
        except (ValueError, RecursionError):  # what can be read may still be nested too deeply to be gone through
            return {}
        return body if isinstance(body, dict) else {}


def _no_number(_name: str) -> None:
    """NaN and its like are no JSON, but no reason either to refuse what they stand in: they count as null."""


def keepable(value: Any) -> Any:
    """The value with its texts free of NUL and of half surrogates."""
    if isinstance(value, str):
        return _UNKEEPABLE.sub("", value)
    if isinstance(value, list):
        return [keepable(part) for part in value]
    if isinstance(value, dict):
        return {keepable(name): keepable(part) for name, part in value.items()}
    return value


class Bearer(AuthBase):
    """Puts a key into the Authorization header, where no exception prints it, and keeps `.netrc` out of it."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Adds the header; a key outside Latin-1 goes as UTF-8, for the vendor to refuse."""
        request.headers["Authorization"] = f"Bearer {self._key}".encode().decode("latin-1")
        return request


def exchange(call: Call, **request: Any) -> Answer:
    """Makes the call once and reads the whole answer, whatever its status. Raises ProviderError when there is none.

    `request` are the arguments of `requests.Request`, such as `json`, `data`, `files` and `auth`.
    """
    body = BytesIO()
    try:
        head = receive(call, body.write, **request)
    except (TooLarge, TooSlow) as excess:
        why = "too large" if isinstance(excess, TooLarge) else "too slow"
    else:
        return Answer(head.status_code, head.headers, head.reason, body.getvalue())
    raise ProviderError(call.provider, call.channel, f"no answer: {why}", ambiguous=call.once)


def receive(
    call: Call, write: Callable[[bytes], object], wanted: Callable[[Answer], bool] = lambda _: True, **request: Any
) -> Answer:
    """Makes the call once and passes the body to `write` piece by piece, if the head of the answer is `wanted`.

    Returns the head. Raises ProviderError when there is no answer or it breaks off, TooLarge or TooSlow past a limit.
    """
    try:
        with _timed(call) as statuses:
            head = _receive(call, write, wanted, request)
            statuses.append(head.status_code)
            return head
    except _TROUBLE as error:
        failure = _failure(call, error)
    # Raised out here, the failure has no context: the original and its URL are gone.
    raise failure


@contextmanager
def _timed(call: Call) -> Iterator[list[int]]:
    """Counts a request; the status of its answer goes into the list."""
    begun, status = time.monotonic(), list[int]()
    try:
        yield status
    finally:
        metrics.requested(call.provider, call.channel, next(iter(status), None), time.monotonic() - begun)


def patiently(ask: Callable[[], Result]) -> Result:
    """Asks up to three times within seconds, while there is no answer or a 5xx. Only for what may be asked again."""
    for attempt in stamina.retry_context(on=_passing, attempts=3, timeout=10, wait_initial=0.2, wait_jitter=0.2):
        with attempt:
            return ask()
    raise AssertionError("unreachable: the retry either returns or raises")


def _passing(error: Exception) -> bool:
    return isinstance(error, ProviderError) and (error.http_status is None or error.http_status >= 500)


def _receive(
    call: Call, write: Callable[[bytes], object], wanted: Callable[[Answer], bool], request: dict[str, Any]
) -> Answer:
    with _session(call) as session:
        prepared = session.prepare_request(requests.Request(call.method, call.url, **request))
        if isinstance(prepared.body, bytes):
            # Sent in pieces, each with the timeout to itself: a large body in one piece would have to leave within one.
            prepared.body = BytesIO(prepared.body)  # type: ignore[assignment]
        settings = session.merge_environment_settings(call.url, _proxies(call.url), True, None, None)
        timeout = (CONNECT_SECONDS, call.seconds)
        with session.send(prepared, timeout=timeout, allow_redirects=False, **settings) as response:
            head = Answer(response.status_code, response.headers, response.reason or "")
            if wanted(head):
                for piece in _pieces(response, call):
                    write(piece)
            return head


def _pieces(response: requests.Response, call: Call) -> Iterator[bytes]:
    deadline = time.monotonic() + call.total
    size = 0
    # `read1` returns what has arrived: a body that comes in drops can't hold us past the deadline.
    while piece := response.raw.read1(PIECE_BYTES, decode_content=True):
        size += len(piece)
        if size > call.limit:
            raise TooLarge
        if time.monotonic() > deadline:
            raise TooSlow
        yield piece


@contextmanager
def _session(call: Call) -> Iterator[requests.Session]:
    if call.fresh or call.public:
        with _new_session() as session:
            if call.public:
                session.mount("http://", PublicAdapter())
                session.mount("https://", PublicAdapter())
            yield session
    else:
        if not hasattr(_local, "session"):
            _local.session = _new_session()
        yield _local.session


def _new_session() -> requests.Session:
    session = requests.Session()
    # No compression: what we receive is small or a video, and the limits count what comes over the line.
    session.headers.update({"User-Agent": USER_AGENT, "Accept-Encoding": "identity"})
    return session


def _proxies(url: str) -> dict[str, str]:
    # A proxy of the environment serves the outside world; this machine is spoken to directly.
    host = urlsplit(url).hostname or ""
    here = host in ("localhost", "::1") or host.startswith("127.")
    return dict.fromkeys(("http", "https", "all"), "") if here else {}


def _failure(call: Call, error: BaseException) -> ProviderError:
    causes = list(_causes(error))
    never_left = isinstance(error, ValueError) or any(
        isinstance(cause, _NEVER_LEFT) or _is_handshake(cause) for cause in causes
    )
    text = f"{'no connection' if never_left else 'no answer'}: {_in_words(causes[-1])}"
    return ProviderError(call.provider, call.channel, text, ambiguous=call.once and not never_left)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what lies under it, the root last; the libraries hide it in four different places."""
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        yield found
        inner = (getattr(found, "reason", None), *found.args, found.__cause__, found.__context__)
        found = next((cause for cause in inner if isinstance(cause, BaseException)), None)


def _is_handshake(error: BaseException) -> bool:
    return isinstance(error, ssl.SSLError) and bool(_HANDSHAKE.search(error.reason or ""))


def _in_words(root: BaseException) -> str:
    if isinstance(root, PrivateAddress):
        return str(root)
    if isinstance(root, TimeoutError):
        return "timed out"
    # The text of any other exception may quote a URL or a header.
    return (isinstance(root, OSError) and root.strerror) or type(root).__name__
