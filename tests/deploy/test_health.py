"""The probe of the containers, asked as a supervisor asks it."""

import os
import platform
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from neurocards import clock, liveness
from neurocards.db import db
from neurocards.models import Process

PROBE = Path(__file__).parents[2] / "deploy" / "health.py"


def probe(*what: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs it as a container would, in no folder of ours."""
    return subprocess.run(
        [sys.executable, str(PROBE), *what],
        env={"PATH": os.environ["PATH"], **environment},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port where nobody listens and nobody else will."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.fixture
def answering_port(request: pytest.FixtureRequest) -> Iterator[int]:
    """A bot that is ready, or not, by the test's parameter."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(request.param if self.path == "/readyz" else 404)
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("answering_port", "status"), [(200, 0), (503, 1)], indirect=["answering_port"])
def test_bot_is_as_well_as_it_is_ready(answering_port: int, status: int):
    assert probe("bot", PORT=str(answering_port)).returncode == status


def test_bot_that_does_not_listen_is_ill(closed_port: int):
    done = probe("bot", PORT=str(closed_port))
    assert done.returncode == 1
    assert f"/readyz on port {closed_port}" in done.stderr
    assert "Traceback" not in done.stderr


def test_worker_is_well_while_it_beats(clean_db: str):
    # Given a worker of another host only
    with db:
        liveness.beat("elsewhere:1:abc", "elsewhere:0")
    # Then this host's is ill
    assert probe("worker", DATABASE_URL=clean_db).returncode == 1
    # When it beats, then it is well
    name = f"{platform.node()}:2:abc"
    with db:
        liveness.beat(name, "here:0")
    assert probe("worker", DATABASE_URL=clean_db).returncode == 0
    # When it falls silent, then it is ill, and says so
    with db:
        Process.update(beat_at=clock.in_real(-60)).where(Process.id == name).execute()
    done = probe("worker", DATABASE_URL=clean_db)
    assert done.returncode == 1
    assert "no worker of" in done.stderr


def test_worker_is_not_blamed_for_a_database_that_is_away(closed_port: int):
    # Given nobody at PostgreSQL's address: restarting every worker would not bring it back
    done = probe("worker", DATABASE_URL=f"postgresql://u:secret@127.0.0.1:{closed_port}/d")
    # Then the worker is well, and the password is nowhere
    assert done.returncode == 0
    assert done.stdout + done.stderr == ""


def test_asked_strictly_a_worker_without_a_database_is_ill(closed_port: int):
    # Given nobody at PostgreSQL's address, and an address that is none: PostgreSQL's own words would quote it
    away = f"postgresql://u:secret@127.0.0.1:{closed_port}/d"
    for address in (away, "postgres//u:secret@h"):
        # Then the worker is ill where that only is shown, and the password is nowhere
        done = probe("worker", "--strict", DATABASE_URL=address)
        assert done.returncode == 1
        assert "PostgreSQL can't be asked" in done.stderr
        assert "secret" not in done.stdout + done.stderr
