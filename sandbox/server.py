"""The whole sandbox in one object: used in-process by tests and by `python -m sandbox`."""

import threading
from pathlib import Path
from types import TracebackType

from flask import Flask
from flask.json.provider import DefaultJSONProvider

from sandbox import control, kie, openai, telegram
from sandbox.clock import Clock
from sandbox.connection import Server
from sandbox.faults import Faults
from sandbox.journal import Journal
from sandbox.transport import FaultyTransport
from sandbox.world import World

_STOP_SECONDS = 2.0
MAX_BODY_BYTES = 96 * 1024 * 1024


class _Json(DefaultJSONProvider):
    ensure_ascii = False
    sort_keys = False
    compact = True


class _App(Flask):
    json_provider_class = _Json


def create_app(world: World) -> Flask:
    """The Flask app with every stand-in and the control API, without the transport faults."""
    app = _App("sandbox", static_folder=None)
    app.config.update(MAX_CONTENT_LENGTH=MAX_BODY_BYTES, MAX_FORM_MEMORY_SIZE=MAX_BODY_BYTES)
    for stand_in in (control, telegram, kie, openai):
        app.register_blueprint(stand_in.blueprint(world))
    return app


class Sandbox:
    """A sandbox on one loopback port; start it, or use it as a context manager. It can be started once."""

    def __init__(
        self,
        port: int = 0,
        time_scale: float = 1.0,
        prepared_video: bool = False,
        journal_file: Path | None = None,
    ) -> None:
        """Prepare a sandbox for `port` (0 = any free one); nothing is bound or started yet."""
        self._port = port
        self.world = World(Clock(time_scale), Journal(journal_file), Faults(), prepared_video)
        self._server: Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """The base URL, such as http://127.0.0.1:9101; empty before the start."""
        return self.world.url

    def start(self) -> "Sandbox":
        """Bind the port and serve in a background thread. Exits with a message when the port is taken."""
        app = FaultyTransport(create_app(self.world), self.world)
        self._server = Server(self._port, app)
        self.world.url = f"http://127.0.0.1:{self._server.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="sandbox", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop serving, end every connection, thread and wait; a second call does nothing."""
        # Waits end first, or the calls that wait would hold up everything below.
        self.world.clock.stop()
        if self._server and self._thread:
            self._server.shutdown()
            self._thread.join()
            self._server.hang_up()
        # Wakes whoever still waits inside a call, so that the connections' threads can end.
        self.world.close()
        if self._server:
            self._server.wait_until_idle(_STOP_SECONDS)
            self._server = self._thread = None

    def __enter__(self) -> "Sandbox":
        """Start."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()
