"""What was found: counted, and each failing case kept in a file from which it can be replayed."""

import ctypes
import gc
import json
import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# One cause strikes often: so many cases of each are kept.
KEPT = 3
COUNTED = ("unhandled", "slow", "violations")


@dataclass
class Tally:
    """A section's figures. `counts` are the section's own words; the others are what must be zero, memory apart."""

    counts: Counter[str] = field(default_factory=Counter)
    unhandled: int = 0
    slow: int = 0
    violations: int = 0
    rss_growth_mb: float = 0.0

    @property
    def clean(self) -> bool:
        """Whether nothing was found."""
        return not (self.unhandled or self.slow or self.violations)


class Findings:
    """Where failing cases go: `folder/<section>-<kind>-<number>.json`, the first few of each cause."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.seed = seed
        self.folder = folder
        self._seen: Counter[str] = Counter()

    def add(self, section: str, tally: Tally, kind: str, why: str, case: Any) -> None:
        """Counts one and keeps it. `kind` is unhandled, slow or violations; `case` is what `--replay` needs, as JSON."""
        setattr(tally, kind, getattr(tally, kind) + 1)
        cause = f"{section} {kind} {why.splitlines()[-1][:60] if why else ''}"
        self._seen[cause] += 1
        if self._seen[cause] > KEPT:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{section}-{kind}-{sum(self._seen.values())}.json"
        about = {"section": section, "kind": kind, "why": why, "seed": self.seed, "case": case}
        path.write_text(json.dumps(about, indent=1))
        print(f"FOUND {path}: {why.splitlines()[-1][:300] if why else kind}", flush=True)


class Tracebacks(logging.Handler):
    """Hands every error that was logged with its traceback to `heed(record, text)`."""

    def __init__(self, heed: Callable[[logging.LogRecord, str], None]) -> None:
        super().__init__(logging.ERROR)
        self._heed = heed
        self._texts = logging.Formatter()

    def emit(self, record: logging.LogRecord) -> None:
        """One record; those without an exception are the product's own words about something it knows."""
        if record.exc_info and record.exc_info[0]:
            text = f"{record.getMessage()}\n{self._texts.formatException(record.exc_info)}"
            self._heed(record, text)


def megabytes() -> float:
    """The memory this process has now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def settled_memory() -> float:
    """As `megabytes`, once all that is free has been given back."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return megabytes()


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """So far."""
        return time.monotonic() - self._began
