"""Work done in a child that may die of it: a decoder is C, and what kills it would kill a worker."""

import os
import select
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

# Longer than any case may take, on a machine that is busy with others.
PATIENCE = 30.0


def boxed(work: Callable[[int], str], numbers: Sequence[int]) -> Iterator[tuple[int, str | None, str]]:
    """`(number, answer, "")` for each number that `work` answered with one line, `(number, None, why)` where its process died or hung."""
    left = list(numbers)
    while left:
        for number, answer, why in _one_child(work, tuple(left)):
            left.remove(number)
            yield number, answer, why


def _one_child(work: Callable[[int], str], numbers: Sequence[int]) -> Iterator[tuple[int, str | None, str]]:
    hears, tells = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(hears)
        _be_child(work, numbers, tells)
    os.close(tells)
    with os.fdopen(hears, "rb", buffering=0) as answers:
        for number in numbers:
            answer = _line(answers.fileno())
            if answer is None:
                yield number, None, _end(pid)
                return
            yield number, answer, ""
    os.waitpid(pid, 0)


def _be_child(work: Callable[[int], str], numbers: Sequence[int], tells: int) -> None:
    status = 1
    try:
        for number in numbers:
            os.write(tells, (work(number).replace("\n", "\\n") + "\n").encode(errors="replace"))
        status = 0
    finally:
        sys.stderr.flush()
        # Never on as a second parent.
        os._exit(status)


def _line(hears: int) -> str | None:
    """One line; None when the child is dead or late."""
    line = b""
    while not line.endswith(b"\n"):
        if not select.select([hears], [], [], PATIENCE)[0]:
            return None
        piece = os.read(hears, 1)
        if not piece:
            return None
        line += piece
    return line[:-1].decode()


def _end(pid: int) -> str:
    found, status = os.waitpid(pid, os.WNOHANG)
    if not found:
        if b"Z" not in Path(f"/proc/{pid}/stat").read_bytes():
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        return f"the process was ended by {signal.Signals(os.WTERMSIG(status)).name}"
    return f"the process ended with {os.WEXITSTATUS(status)}"
