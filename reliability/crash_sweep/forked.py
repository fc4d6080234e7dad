"""Children that begin where everything is imported and nothing is connected: what a start of the product costs here is a fork."""

import gc
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path

# No run takes longer than a second or two; one that hangs is a finding, and must not hold up the sweep.
PATIENCE = 60.0
LOOK_EVERY = 0.002


class ChildFailed(Exception):
    """A child ended by an exception of its own or hung; the text ends with its last lines."""


def run(work: Callable[[], None], folder: Path, name: str, environment: Mapping[str, str]) -> bool:
    """Runs `work` in a child with `environment`, its output in `name`.log. True when it ended in order, False when it was killed.

    Raises ChildFailed when it raised, or was not done in PATIENCE.
    """
    log = folder / f"{name}.log"
    pid = os.fork()
    if pid == 0:
        _be_child(work, log, environment)
    status = _waited(pid)
    if status is None or (os.WIFEXITED(status) and os.WEXITSTATUS(status)):
        why = "hung" if status is None else "failed"
        raise ChildFailed(f"{name} {why}: {' | '.join(log.read_text(errors='replace').splitlines()[-3:])[-600:]}")
    return os.WIFEXITED(status)


def _be_child(work: Callable[[], None], log: Path, environment: Mapping[str, str]) -> None:
    status = 1
    try:
        # What the parent made is the parent's to collect: a collector that visits it copies it.
        gc.disable()
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(output, 1)
        os.dup2(output, 2)
        # No `.env` of a developer's, and no file of a killed child in the system's own folder.
        os.chdir(log.parent)
        tempfile.tempdir = str(log.parent)
        os.environ.update(environment)
        work()
        status = 0
    except BaseException:  # noqa: BLE001  see below
        # The child's edge: whatever it was must end this process, never run on as a second parent.
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _waited(pid: int) -> int | None:
    """The status the child ended with; None when it had to be killed for its slowness."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return status
        time.sleep(LOOK_EVERY)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return None
