"""The probe of a key in quarantine, with a KIE that answers: when a key comes back, and when it does not."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from neurocards import clock, key_health, maintenance
from neurocards.app import App
from neurocards.clients.kie import Kie
from neurocards.db import db
from neurocards.keys import fingerprint
from neurocards.models import ApiKey

A = fingerprint("key-a")


class Credit(ThreadingHTTPServer):
    """A KIE that tells a credit, and nothing else. `meanwhile` happens between the question and the answer."""

    figure = 0.0
    meanwhile: Callable[[], object] = staticmethod(lambda: None)

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Answer(BaseHTTPRequestHandler):
    server: Credit

    def do_GET(self) -> None:
        self.server.meanwhile()
        body = f'{{"code": 200, "msg": "success", "data": {self.server.figure}}}'.encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing on the terminal."""


@pytest.fixture
def kie() -> Iterator[Credit]:
    with Credit() as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def app(worker, kie: Credit) -> App:
    """A worker process that asks it, one of whose keys is out and due for a probe."""
    with_key_out = replace(worker(), kie=Kie(kie.url, kie.url))
    with db:
        key_health.quarantine(A, "Credits insufficient")
        ApiKey.update(until=clock.in_real(-1)).where(ApiKey.fingerprint == A).execute()
    return with_key_out


def key() -> ApiKey:
    with db:
        return ApiKey.get_by_id(A)


@pytest.mark.parametrize(
    ("credit", "state"), [(0.0, "quarantined"), (0.4, "quarantined"), (29.9, "quarantined"), (30.0, "healthy")]
)
def test_a_key_comes_back_when_its_credit_is_enough_for_a_video(app, kie, credit, state):
    kie.figure = credit
    maintenance.probe(app)
    # Either way its credit is known, and that it was out is not forgotten before a task was made
    assert (key().state, float(key().credit), key().strikes) == (state, credit, 1)
    assert key().credit_at is not None


def lock_out() -> None:
    with db:
        key_health.lock_out(A, "being replaced")


def test_an_operators_lock_during_the_question_stands(app, kie):
    kie.figure, kie.meanwhile = 5000.0, lock_out
    maintenance.probe(app)
    assert (key().state, key().reason, float(key().credit)) == ("quarantined", "being replaced", 5000.0)
