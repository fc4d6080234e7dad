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
    mended = found.get("mended_since")
    since = (
        f" (added by hand: mended since; that scenario again: {mended['runs']} kills, {mended['violations']})"
        if mended
        else ""
    )
    return f"{found['points']:,} points, {found['runs']:,} kills, {found['violations']} violations{since}; duplicates: {windows}"


def _soaked(found: Result) -> str:
    settled = found["seconds_to_settle"]["p99"]
    return (
        f"{found['orders']:,} orders, {found['faults']['all']} faults: lost {found['lost']}, charged twice {found['double_charges']}, "
        f"refunded twice {found['double_refunds']}; duplicates: {found['duplicate_tasks']} tasks, {found['duplicate_videos']} videos; "
        f"settled in {settled} s (p99)"
    )


def _recovered(found: Result) -> str:
    resumed, postgres, redis = found["resume_seconds"], found["postgres_outage"], found["redis_outage"]
    killed = (
        f"{found['kills']} workers killed, {found['jobs_interrupted']} jobs taken up again in {resumed['p99']} s (p99)"
    )
    without = f"{postgres['seconds']:.0f} s without PostgreSQL: {postgres['updates']} updates, none lost"
    accepted = f"{redis['orders_meanwhile']} of {redis['confirms']} confirms accepted meanwhile"
    after = f"all delivered within {redis['delivered_seconds']['max']} s after"
    return f"{killed}; {without}; {redis['seconds']:.0f} s without Redis: {accepted}, {after}"


def _stepped(found: Result) -> str:
    return f"{found['steps']:,} steps in {found['examples']:,} stories, {found['violations']} violations"


def _raced(found: Result) -> str:
    return (
        f"{found['races']:,} races of {len(found['by_kind'])} kinds, {found['violations']} violations; "
        f"{found['torn_snapshots']} of {found['snapshots']:,} sums of the bank torn"
    )


def _fuzzed(found: Result) -> str:
    tried = ", ".join(f"{times:,} {what}" for what, times in found["tried"].items())
    bad = f"{found['unhandled']} unhandled, {found['slow']} slow, {found['violations']} violations"
    return f"{tried}: {bad}, memory +{found['rss_growth_mb']:.0f} MB"


def _soak(seed: int, quick: Sequence[str] | None = None) -> Rehearsal:
    return Rehearsal("chaos", ("--jobs", "800", "--seed", f"{seed}"), quick, _soaked)


def _fuzz(what: str, times: int) -> Rehearsal:
    return Rehearsal("fuzz", (f"--{what}", f"{times}", "--seed", "1"), None, _fuzzed)


_QUICK_FUZZ = ("--updates", "2500", "--bodies", "3000", "--callbacks", "2000", "--files", "700", "--walks", "15")

# By the name of their file in `results`.
REHEARSALS = {
    "crash_sweep": Rehearsal("crash_sweep", ("--every", "1"), ("--every", "21"), _swept),
    "chaos_1": _soak(1, ("--jobs", "200", "--seed", "1")),
    "chaos_2": _soak(2),
    "chaos_3": _soak(3),
    "recovery": Rehearsal("recovery", ("--kills", "100", "--outage", "60"), None, _recovered),
    "races": Rehearsal("races", ("--races", "10000"), ("--races", "1000"), _raced),
    "stateful": Rehearsal("stateful", ("--steps", "1000000", "--processes", "2"), ("--steps", "10000"), _stepped),
    "fuzz_updates": _fuzz("updates", 100_000),
    "fuzz_bodies": _fuzz("bodies", 20_000),
    "fuzz_callbacks": _fuzz("callbacks", 10_000),
    "fuzz_files": _fuzz("files", 5_000),
    "fuzz_walks": _fuzz("walks", 1_000),
    "fuzz": Rehearsal("fuzz", (), _QUICK_FUZZ, _fuzzed),
}
