"""Runs one server and ends it as soon as the process that wanted it is gone, however that process ended.

Not imported: `sandbox.services` starts it by path, once per server, with nothing but the standard library loaded. The
only argument is a JSON object (`Order`). Standard output says the server's process id in one line. Standard input is
the lifeline: one byte asks for an orderly stop; its end without a byte means that the asker died, and that nobody
else is left to remove the server's files. A pipe is used because, unlike a signal on a parent's death, it works on
every Unix and does not mistake the end of the thread that started the server for the end of the process.
"""

import ctypes
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypedDict

PR_SET_PDEATHSIG = 1
STOP_SECONDS = 10.0


class Order(TypedDict):
    """What to run and how: argv, environment (None: the guard's), working folder, log file, account (None: one's own),
    stop signal, leftovers.
    """

    command: list[str]
    env: dict[str, str] | None
    folder: str
    log: str
    uid: int | None
    gid: int | None
    stop_signal: int
    leftovers: list[str]


def _die_with_guard(guard: int, signum: int) -> Callable[[], None]:
    """Has Linux signal the server when the guard itself is killed; elsewhere a killed guard leaves its server
    running.
    """
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None

    def in_child() -> None:
        if libc is None:
            return
        libc.prctl(PR_SET_PDEATHSIG, signum)
        if os.getppid() != guard:  # the guard died before the line above took effect
            os._exit(1)

    return in_child


def _launch(order: Order) -> "subprocess.Popen[bytes]":
    """Starts the server under its account; both of its output streams go to the log, which starts afresh."""
    with Path(order["log"]).open("wb") as log:
        return subprocess.Popen(
            order["command"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=order["folder"],
            env=order["env"],
            user=order["uid"],
            group=order["gid"],
            extra_groups=None if order["uid"] is None else [],
            # The death signal must be set after the change of account, which resets it; no thread runs yet.
            preexec_fn=_die_with_guard(os.getpid(), order["stop_signal"]),  # noqa: PLW1509
        )


class Lifeline(threading.Thread):
    """Waits for the asker's word or death, then stops the server: in order first, by force after `STOP_SECONDS`."""

    def __init__(self, server: "subprocess.Popen[bytes]", stop_signal: int) -> None:
        """Watches standard input on behalf of `server`; a daemon, so that it never outlives the server."""
        super().__init__(daemon=True)
        self._server, self._stop_signal = server, stop_signal
        self.asker_died = False

    def run(self) -> None:
        """Blocks on the pipe; sets `asker_died` before the server is told to stop."""
        self.asker_died = not os.read(sys.stdin.fileno(), 1)
        self._server.send_signal(self._stop_signal)
        time.sleep(STOP_SECONDS)
        self._server.kill()


def main(order: Order) -> int:
    """Runs the server to its end and returns its exit status; removes what it left if the asker can no longer do so."""
    server = _launch(order)
    print(server.pid, flush=True)
    lifeline = Lifeline(server, order["stop_signal"])
    lifeline.start()
    status = server.wait()
    if lifeline.asker_died:
        for leftover in order["leftovers"]:
            shutil.rmtree(leftover, ignore_errors=True)
    return status


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
