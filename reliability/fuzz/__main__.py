"""Throws rubbish at every door of the product and counts what it did not take in its stride.

    python -m reliability.fuzz [--updates N] [--bodies N] [--callbacks N] [--files N] [--walks N] [--seed S] [--found FOLDER]
    python -m reliability.fuzz --replay FILE

The last line is one JSON object; the exit status is 1 when anything was found. Each finding is a file in FOLDER, for `--replay`.
"""

import argparse
import json
import logging
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from reliability.fuzz.bodies import fuzz_bodies, replay_body
from reliability.fuzz.callbacks import fuzz_callbacks, replay_callback
from reliability.fuzz.files import fuzz_files, replay_file
from reliability.fuzz.findings import COUNTED, Findings, Stopwatch, Tally
from reliability.fuzz.system import System
from reliability.fuzz.updates import fuzz_updates, replay_updates
from reliability.fuzz.walks import fuzz_walks, replay_walks

# In this order: files are looked at in forked children, and a process forks best before it has threads.
ALONE: dict[str, Callable[[int, Findings], Tally]] = {"files": fuzz_files, "bodies": fuzz_bodies}
TOGETHER: dict[str, Callable[[int, Findings, System], Tally]] = {
    "updates": fuzz_updates,
    "callbacks": fuzz_callbacks,
    "walks": fuzz_walks,
}


def _fuzz(options: argparse.Namespace, findings: Findings) -> dict[str, Tally]:
    wanted = {name: getattr(options, name) for name in (*ALONE, *TOGETHER) if getattr(options, name)}
    tallies = {}
    for name in [name for name in ALONE if name in wanted]:
        tallies[name] = ALONE[name](wanted[name], findings)
        _say(name, tallies[name])
    with ExitStack() as undo:
        folder = Path(tempfile.mkdtemp(prefix="neurocards-fuzz-"))
        undo.callback(shutil.rmtree, folder)
        system = undo.enter_context(System(folder)) if wanted.keys() & TOGETHER.keys() else None
        for name in [name for name in TOGETHER if name in wanted and system]:
            tallies[name] = TOGETHER[name](wanted[name], findings, system) if system else Tally()
            _say(name, tallies[name])
    return tallies


def _say(name: str, tally: Tally) -> None:
    print(f"{name}: {json.dumps(vars(tally))}", flush=True)


def _replay(path: Path, findings: Findings) -> int:
    found = json.loads(path.read_text())
    section, case = found["section"], found["case"]
    if section in REPLAYED_ALONE:
        result: Any = REPLAYED_ALONE[section](case)
    else:
        with System(Path(tempfile.mkdtemp(prefix="neurocards-fuzz-"))) as system:
            result = vars(REPLAYED[section](case, findings, system))
    print(json.dumps(result))
    return 0


REPLAYED_ALONE: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {"files": replay_file, "bodies": replay_body}
REPLAYED: dict[str, Callable[[dict[str, Any], Findings, System], Tally]] = {
    "updates": replay_updates,
    "callbacks": replay_callback,
    "walks": replay_walks,
}


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m reliability.fuzz", description=(__doc__ or "").split("\n")[0])
    for name in (*TOGETHER, *ALONE):
        parser.add_argument(f"--{name}", type=int, default=0, metavar="N", help="none when it is not given")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--found", type=Path, default=Path("var/fuzz"), help="where findings are kept")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="one finding again")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzzes and reports; the exit status."""
    options, watch = _options(arguments), Stopwatch()
    # Decoders warn of what they find; that is what they are given.
    warnings.simplefilter("ignore")
    logging.getLogger().addHandler(logging.NullHandler())
    findings = Findings(options.found.resolve(), options.seed)
    if options.replay:
        return _replay(options.replay, findings)
    tallies = _fuzz(options, findings)
    totals = {name: sum(getattr(tally, name) for tally in tallies.values()) for name in COUNTED}
    growth = tallies["updates"].rss_growth_mb if "updates" in tallies else 0.0
    sections = {name: dict(tally.counts) for name, tally in tallies.items()}
    tried = {name: times for name in (*TOGETHER, *ALONE) if (times := getattr(options, name))}
    about = {"tried": tried, "rss_growth_mb": growth, "seconds": round(watch.seconds), "seed": options.seed}
    print(json.dumps({**sections, **totals, **about}), flush=True)
    return 0 if all(tally.clean for tally in tallies.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
