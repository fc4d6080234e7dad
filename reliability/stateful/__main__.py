"""Random sequences of everything people, workers, vendors and crashes do, with the invariants and a model checked after every step.

    python -m reliability.stateful [--steps N] [--seed S] [--processes P] [--no-shrink]

Steps come in batches of some examples with a seed each, the first batch's being S: the seed that is printed with a failure replays it.
The last line is one JSON object; the exit status is 1 when there was a violation.
"""

import argparse
import json
import multiprocessing
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from reliability.stateful.batch import Tally, begin, play
from sandbox.services import Postgres

ROOT = Path(__file__).parent.parent.parent
EXAMPLES_A_BATCH = 40


def seeds(first: int) -> Iterator[int]:
    """The seeds of the batches, the first being the run's own."""
    yield first
    dice = random.Random(first)  # noqa: S311  which sequences are tried
    while True:
        yield dice.getrandbits(32)


def run(steps: int, first: int, processes: int, shrink: bool) -> list[Tally]:
    """Plays batches until so many steps are done or one fails; returns what each came to."""
    tallies, numbers = list[Tally](), seeds(first)
    context = multiprocessing.get_context("spawn")
    with Postgres(ROOT / "var", durable=False) as server, Progress(console=Console(stderr=True)) as progress:
        bar = progress.add_task("steps", total=steps)
        with ProcessPoolExecutor(processes, context, begin, (server.url,)) as pool:
            running = _more(pool, numbers, processes, shrink)
            while running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                tallies += [batch.result() for batch in done]
                progress.update(bar, completed=played(tallies))
                if not progress.console.is_terminal:
                    progress.console.print(f"{played(tallies)} steps", highlight=False)
                if played(tallies) < steps and not any(tally.failure for tally in tallies):
                    running |= _more(pool, numbers, len(done), shrink)
    return tallies


def _more(pool: ProcessPoolExecutor, numbers: Iterator[int], batches: int, shrink: bool) -> set[Future[Tally]]:
    return {pool.submit(play, next(numbers), EXAMPLES_A_BATCH, shrink) for _ in range(batches)}


def played(tallies: Sequence[Tally]) -> int:
    """Steps in all."""
    return sum(tally.rules.total() for tally in tallies)


def report(tallies: Sequence[Tally], seconds: float, first: int) -> dict[str, object]:
    """The figures of a run."""
    rules = sum((tally.rules for tally in tallies), Counter[str]())
    return {
        "steps": rules.total(),
        "examples": sum(tally.examples for tally in tallies),
        "violations": sum(bool(tally.failure) for tally in tallies),
        "rules": dict(sorted(rules.items())),
        "seconds": round(seconds, 1),
        "seed": first,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Reads the arguments, runs, prints; the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m reliability.stateful", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--steps", type=int, default=20_000, help="at least so many, to the end of a batch")
    parser.add_argument("--seed", type=int, default=1, help="of the first batch; the others follow from it")
    parser.add_argument("--processes", type=int, default=1, help="side by side, each with a database of its own")
    parser.add_argument("--no-shrink", action="store_true", help="print a failing example as it was found, at once")
    given, began = parser.parse_args(arguments), time.monotonic()
    tallies = run(given.steps, given.seed, given.processes, not given.no_shrink)
    for tally in tallies:
        if tally.failure:
            print(f"VIOLATION, replay with --processes 1 --steps 1 --seed {tally.seed}\n{tally.failure}", flush=True)
    print(json.dumps(report(tallies, time.monotonic() - began, given.seed)), flush=True)
    return 1 if any(tally.failure for tally in tallies) else 0


if __name__ == "__main__":
    sys.exit(main())
