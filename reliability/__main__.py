"""Runs every rehearsal, keeps its figures in `results` and puts them into RELIABILITY.md.

python -m reliability [--quick] [NAME ...]

`--quick` is the reduced set for every change: it keeps nothing and only says what failed. The exit status is 1 when anything did.
"""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from reliability.rehearsals import REHEARSALS, Result

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "reliability" / "results"
PAGE = ROOT / "RELIABILITY.md"
# A place for a result in the page: <!--name-->…<!--end-->, which shows as its inside only.
PLACE = re.compile(r"(<!--(\w+)-->).*?(<!--end-->)", re.DOTALL)
# Far beyond what any takes; one that hangs must not hang everything.
LONGEST = 3 * 3600.0


def rehearse(name: str, arguments: Sequence[str]) -> tuple[bool, Result]:
    """Runs one; whether every promise held, and its figures (its last line), or what it said instead."""
    command = [sys.executable, "-m", f"reliability.{REHEARSALS[name].program}", *arguments]
    done = subprocess.run(command, check=False, cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=LONGEST)
    *before, last = done.stdout.splitlines() or [""]
    sys.stderr.write("".join(f"{line}\n" for line in before))
    try:
        return done.returncode == 0, dict(json.loads(last))
    except ValueError:
        return False, {"said": last}


def keep(name: str, arguments: Sequence[str], result: Result) -> None:
    """Writes a result to its file, with what is needed to get it again."""
    about = {
        "command": " ".join(["python -m", f"reliability.{REHEARSALS[name].program}", *arguments]),
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "commit": _git("rev-parse", "--short", "HEAD")
        + ("+" if _git("status", "--porcelain", "-uno", *_NOT_OURS) else ""),
        "machine": f"{os.cpu_count()} cores, Python {platform.python_version()}",
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps({**about, "result": result}, ensure_ascii=False, indent=1) + "\n")


# What a rehearsal itself writes doesn't make the code another one.
_NOT_OURS = ("--", ".", ":!RELIABILITY.md", ":!reliability/results")


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], check=False, cwd=ROOT, capture_output=True, text=True).stdout.strip()


def filled(page: str) -> str:
    """The page with every kept result in its places."""

    def place(found: re.Match[str]) -> str:
        return found[1] + last_result(found[2]) + found[3]

    return PLACE.sub(place, page)


def last_result(name: str) -> str:
    """One line about the kept result, with the command that it is from."""
    file = RESULTS / f"{name}.json"
    if not file.exists():
        return "not yet run"
    kept = json.loads(file.read_text())
    return f"{REHEARSALS[name].line(kept['result'])} ({kept['date']}, {kept['commit']}: `{kept['command']}`)"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m reliability", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="the reduced set; keeps no results")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(REHEARSALS)}; all when none is given")
    options = parser.parse_args()
    if unknown := set(options.names) - set(REHEARSALS):
        parser.error(f"no such rehearsal: {', '.join(sorted(unknown))}")
    return options


def main() -> int:
    """Rehearses and reports; 1 when a promise was broken."""
    options, failed = _options(), []
    for name in options.names or REHEARSALS:
        arguments = REHEARSALS[name].quick if options.quick else REHEARSALS[name].full
        if arguments is None:
            continue
        began = time.monotonic()
        held, result = rehearse(name, arguments)
        if "said" in result:
            # It ended without a verdict: the machine's fault or its own. A broken promise gets no second chance.
            sys.stderr.write(f"{name} came to no result ({result['said']}) and is run once more\n")
            held, result = rehearse(name, arguments)
        print(
            f"{'ok' if held else 'FAILED':7}{name}: {json.dumps(result)} [{time.monotonic() - began:.0f} s]", flush=True
        )
        failed += [] if held else [name]
        if not options.quick:
            keep(name, arguments, result)
            PAGE.write_text(filled(PAGE.read_text()))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
