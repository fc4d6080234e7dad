"""What each part of a system takes of the machine: processor time, memory, open files. Read from outside, from the process table."""

import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

import psutil

# What stands in the command line of a part's first process; its descendants are of the same part.
PARTS = {
    "run_bot.py": "bot",
    "run_workers.py": "worker",
    "bin/postgres": "PostgreSQL",
    "valkey-server": "Valkey",
    "sandbox": "sandbox",
}
DRIVER = "driver"
PRODUCT = ("bot", "worker", "PostgreSQL", "Valkey")
EVERY = 5.0
_GONE = (psutil.NoSuchProcess, psutil.AccessDenied, FileNotFoundError)


@dataclass(frozen=True)
class Span:
    """Of one part, at the start, at its highest and at the end."""

    start: float
    highest: float
    end: float


@dataclass
class Usage:
    """What was taken in `seconds`. `cpu` is in seconds by part, all workers together; `memory` (MB, a shared page counted once) and
    `files` (open descriptors) are of each instance, `by_time` all that was seen of the memory. `product` has each look: when (unix
    seconds), and the processor seconds of bot, workers and servers until then."""

    seconds: float = 0.0
    cpu: dict[str, float] = field(default_factory=dict)
    memory: dict[str, Span] = field(default_factory=dict)
    files: dict[str, Span] = field(default_factory=dict)
    by_time: dict[str, list[float]] = field(default_factory=dict)
    product: list[tuple[float, float]] = field(default_factory=list)

    def product_cpu(self) -> float:
        """What bot, workers and servers took together."""
        return _product(self.cpu)

    def cores_until(self, moment: float) -> float:
        """Cores that bot, workers and servers kept busy, from the start to the first look after `moment` (unix seconds)."""
        (began, before), *later = self.product
        at, spent = next((look for look in later if look[0] >= moment), later[-1])
        return (spent - before) / (at - began)


class Meter:
    """Watches this process and all its descendants, from `with` to its end."""

    def __init__(self, every: float = EVERY) -> None:
        self.usage = Usage()
        self._every = every
        self._over = threading.Event()
        self._memory: dict[str, list[float]] = defaultdict(list)
        self._files: dict[str, list[float]] = defaultdict(list)

    def __enter__(self) -> Self:
        self._looks: list[tuple[float, dict[str, float]]] = []
        self._sample()
        self._thread = threading.Thread(target=self._watch, name="meter", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._thread.join()
        self._sample()
        (began, before), (ended, after) = self._looks[0], self._looks[-1]
        self.usage = Usage(
            ended - began,
            {part: seconds - before.get(part, 0.0) for part, seconds in after.items()},
            _spans(self._memory),
            _spans(self._files),
            dict(self._memory),
            [(at, _product(spent)) for at, spent in self._looks],
        )

    def _watch(self) -> None:
        while not self._over.wait(self._every):
            self._sample()

    def _sample(self) -> None:
        self._looks.append((time.time(), _cpu()))
        for name, processes in instances().items():
            self._memory[name].append(sum(map(_megabytes, processes)))
            self._files[name].append(sum(map(_descriptors, processes)))


def _product(cpu: dict[str, float]) -> float:
    return sum(cpu.get(part, 0.0) for part in PRODUCT)


def _spans(samples: dict[str, list[float]]) -> dict[str, Span]:
    return {name: Span(seen[0], max(seen), seen[-1]) for name, seen in samples.items()}


def instances() -> dict[str, list[psutil.Process]]:
    """The processes of each instance by name: bot, worker-1, worker-2, PostgreSQL and so on; ourselves are the driver."""
    found: dict[str, list[psutil.Process]] = {DRIVER: [psutil.Process()]}
    counts: dict[str, int] = defaultdict(int)
    for part, root in sorted(_roots(psutil.Process()), key=lambda one: one[1].pid):
        counts[part] += 1
        name = f"{part}-{counts[part]}" if part == "worker" else part
        with suppress(*_GONE):
            found[name] = [root, *root.children(recursive=True)]
    return found


def _roots(above: psutil.Process) -> Iterator[tuple[str, psutil.Process]]:
    """The first process of every part below `above`; between the two there may be a guard."""
    for child in above.children():
        part = None
        with suppress(*_GONE):
            part = _part(child.cmdline())
        if part:
            yield part, child
        else:
            yield from _roots(child)


def _part(command: list[str]) -> str | None:
    # A guard names in its arguments what it starts.
    if any(word.endswith("guard.py") for word in command):
        return None
    # Valkey writes its address behind its name.
    words = [word.partition(" ")[0] for word in command]
    return next((part for sign, part in PARTS.items() if any(word.endswith(sign) for word in words)), None)


def _cpu() -> dict[str, float]:
    spent: dict[str, float] = defaultdict(float)
    for name, processes in instances().items():
        spent[name.partition("-")[0]] += sum(_seconds(process) for process in processes)
    return spent


def _seconds(process: psutil.Process) -> float:
    """Of the process, and of those of its children that have ended."""
    with suppress(*_GONE):
        times = process.cpu_times()
        ended = 0.0 if process.pid == psutil.Process().pid else times.children_user + times.children_system
        return float(times.user + times.system + ended)
    return 0.0


def _megabytes(process: psutil.Process) -> float:
    with suppress(*_GONE):
        return float(process.memory_full_info().pss) / (1024 * 1024)
    return 0.0


def _descriptors(process: psutil.Process) -> int:
    with suppress(*_GONE):
        return int(process.num_fds())
    return 0
