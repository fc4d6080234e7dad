"""Kills the product before and after every I/O call of everything it does, lets it start again, and checks that no promise broke.

    python -m reliability.crash_sweep [--only SCENARIO] [--point K] [--side before|after] [--every N] [--jobs N]

The last line is one JSON object; the exit status is 1 when there was a violation.
"""

import argparse
import json
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection, wait
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, TaskID

from reliability.crash_sweep.failpoints import SIDES
from reliability.crash_sweep.part import Names, Point, Tally, play_part
from reliability.crash_sweep.scenarios import SCENARIOS

# More would share the machine with the servers.
MOST_JOBS = 4
CONTEXT = multiprocessing.get_context("spawn")


def _start(names: Names, options: argparse.Namespace, folder: Path) -> Connection:
    # Spawned: a part forks its children from a process without threads.
    hears, tells = CONTEXT.Pipe(duplex=False)
    CONTEXT.Process(target=play_part, args=(tells, options, names, folder)).start()
    tells.close()
    return hears


def _hear(parts: list[Connection], progress: Progress) -> Tally:
    """Shows what the parts tell until all have ended; one that ends without its tally has died, which is a violation."""
    tally, bars = Tally(), dict[str, TaskID]()
    while parts:
        for part in [part for part in parts if part in wait(parts)]:
            told = _told(part)
            if isinstance(told, Point):
                _show(told, bars, progress)
            elif isinstance(told, str):
                print(f"VIOLATION {told}", flush=True)
            else:
                tally.add(told)
                parts.remove(part)
    return tally


def _told(part: Connection) -> Point | str | Tally:
    try:
        told: Point | str | Tally = part.recv()
    except EOFError:
        print("VIOLATION a part of the sweep died", flush=True)
        return Tally(violations=1)
    return told


def _show(point: Point, bars: dict[str, TaskID], progress: Progress) -> None:
    if point.scenario not in bars:
        bars[point.scenario] = progress.add_task(point.scenario, total=point.total)
    progress.update(bars[point.scenario], completed=point.done)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m reliability.crash_sweep", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--only", choices=list(SCENARIOS), action="append", metavar="SCENARIO", help="may be repeated")
    parser.add_argument("--point", type=int, help="this point only")
    parser.add_argument("--side", choices=SIDES, help="this side only")
    parser.add_argument("--every", type=int, default=1, help="each Nth of the kills of each scenario, at least one")
    parser.add_argument("--jobs", type=int, default=min(MOST_JOBS, os.cpu_count() or 1), help="scenarios side by side")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Sweeps and reports; the exit status. Nothing is left behind but, for a look at them, the folders of runs with violations."""
    options, began = _options(arguments), time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    folder = Path(tempfile.mkdtemp(prefix="neurocards-sweep-"))
    tally = Tally(violations=1)
    try:
        tally = _swept(options, folder)
    finally:
        for part in multiprocessing.active_children():
            part.join()
        if not tally.violations or sys.exc_info()[0]:
            shutil.rmtree(folder, ignore_errors=True)
    if tally.violations:
        print(f"what the violations left: {folder}")
    print(json.dumps(tally.report(time.monotonic() - began)), flush=True)
    return 1 if tally.violations else 0


def _swept(options: argparse.Namespace, folder: Path) -> Tally:
    names: Names = CONTEXT.SimpleQueue()
    for name in [*(options.only or SCENARIOS), *[None] * options.jobs]:
        names.put(name)
    parts = [_start(names, options, folder / f"part-{number}") for number in range(options.jobs)]
    try:
        with Progress(console=Console(stderr=True)) as progress:
            return _hear(parts, progress)
    finally:
        # Whoever has nobody to tell any more ends.
        for part in parts:
            part.close()


if __name__ == "__main__":
    sys.exit(main())
