"""What is rehearsed, at what size for the evidence and for every change, and how a result reads in one line."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Result = dict[str, Any]


@dataclass(frozen=True)
class Rehearsal:
    """A program of this package: `full` are its arguments for RELIABILITY.md, `quick` those for every change (None: not then).

    `line` says in a few words what its last line, one JSON object, came to.
    """

    program: str
    full: Sequence[str]
    quick: Sequence[str] | None
    line: Callable[[Result], str]


def _swept(found: Result) -> str:
    windows = ", ".join(f"{count} at {window}" for window, count in found["duplicates"].items())
    return (
        f"{found['points']:,} points, {found['runs']:,} kills, {found['violations']} violations; duplicates: {windows}"
    )


def _soaked(found: Result) -> str:
    settled = found["seconds_to_settle"]["p99"]
    return (
        f"{found['orders']:,} orders, {found['faults']['all']} faults: lost {found['lost']}, charged twice {found['double_charges']}, "
        f"refunded twice {found['double_refunds']}; duplicates: {found['duplicate_tasks']} tasks, {found['duplicate_videos']} videos; "
        f"settled in {settled} s (p99)"
    )


def _soak(seed: int, quick: Sequence[str] | None = None) -> Rehearsal:
    return Rehearsal("chaos", ("--jobs", "800", "--seed", f"{seed}"), quick, _soaked)


# By the name of their file in `results`.
REHEARSALS = {
    "crash_sweep": Rehearsal("crash_sweep", (), ("--every", "20"), _swept),
    "chaos_1": _soak(1, ("--jobs", "200", "--seed", "1")),
    "chaos_2": _soak(2),
    "chaos_3": _soak(3),
}
