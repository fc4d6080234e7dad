"""Kills the product before and after every I/O call of everything it does, lets it start again, and checks that no promise broke.

    python -m reliability.crash_sweep [--only SCENARIO] [--point K] [--side before|after] [--every N] [--jobs N]

The last line is one JSON object; the exit status is 1 when there was a violation.
"""

import argparse
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection, wait
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, TaskID

from reliability.crash_sweep.failpoints import SIDES
from reliability.crash_sweep.part import Point, Tally, play_part
from reliability.crash_sweep.scenarios import SCENARIOS

# More would share the machine with the servers.
MOST_JOBS = 4


def _start(names: Sequence[str], options: argparse.Namespace, folder: Path) -> Connection:
    # Spawned: a part forks its children from a process without threads.
    context = multiprocessing.get_context("spawn")
    hears, tells = context.Pipe(duplex=False)
    context.Process(target=play_part, args=(tells, options, names, folder)).start()
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
    parser.add_argument("--every", type=int, default=1, help="each Nth point")
    parser.add_argument("--jobs", type=int, default=min(MOST_JOBS, os.cpu_count() or 1), help="scenarios side by side")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Sweeps and reports; the exit status."""
    options, began = _options(arguments), time.monotonic()
    names = options.only or list(SCENARIOS)
    folder = Path(tempfile.mkdtemp(prefix="neurocards-sweep-"))
    shares = [names[number :: options.jobs] for number in range(options.jobs)]
    parts = [_start(share, options, folder / f"part-{n}") for n, share in enumerate(shares) if share]
    with Progress(console=Console(stderr=True)) as progress:
        tally = _hear(parts, progress)
    if tally.violations:
        print(f"what the violations left: {folder}")
    else:
        shutil.rmtree(folder)
    print(json.dumps(tally.report(time.monotonic() - began)), flush=True)
    return 1 if tally.violations else 0


if __name__ == "__main__":
    sys.exit(main())
