#!/usr/bin/env python3
"""A systemctl for tests: reads the installed unit files, really starts and stops what they say, and writes down what it was asked.

Knows what our scripts use of it: templates, Environment=, EnvironmentFile=, the target with its wants and parts. It doesn't restart what
ends, and knows no hardening. `FAKE_SYSTEMD` is its folder, `NEUROCARDS_UNITS` that of the unit files.
"""

import fnmatch
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

STATE = Path(os.environ["FAKE_SYSTEMD"])
UNITS = Path(os.environ["NEUROCARDS_UNITS"])
WANTS = UNITS / "neurocards.target.wants"
TARGET = "neurocards.target"


def unit_file(unit: str) -> Path:
    name, at, rest = unit.partition("@")
    return UNITS / (f"{name}@.{rest.rpartition('.')[2]}" if at else unit)


def settings(unit: str) -> dict[str, list[str]]:
    """The unit's lines by name, with %i filled in."""
    found: dict[str, list[str]] = {}
    for line in unit_file(unit).read_text().replace("%i", unit.partition("@")[2].partition(".")[0]).splitlines():
        if "=" in line and not line.startswith("#"):
            found.setdefault(line.partition("=")[0], []).append(line.partition("=")[2])
    return found


def environment(said: dict[str, list[str]]) -> dict[str, str]:
    lines = [word for line in said.get("Environment", []) for word in shlex.split(line)]
    for file in said.get("EnvironmentFile", []):
        lines += [line for line in Path(file).read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.partition("=")[::2] for line in lines)


def pid(unit: str) -> int:
    """The main process, 0 if there is none that lives."""
    try:
        number = int((STATE / f"{unit}.pid").read_text())
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return 0
    return 0 if state == "Z" else number


def active() -> list[str]:
    up = [file.stem for file in sorted(STATE.glob("*.pid")) if file.stem == TARGET or pid(file.stem)]
    return [unit for unit in up if unit != TARGET] + [TARGET] * (TARGET in up)


def start(unit: str) -> None:
    if not unit_file(unit).exists():
        sys.exit(f"Unit {unit} not found.")
    if unit == TARGET:
        (STATE / f"{TARGET}.pid").write_text("0")
        for wanted in sorted(WANTS.glob("*")):
            start(wanted.name)
    elif not pid(unit):
        said = settings(unit)
        for other in said.get("Conflicts", []):
            stop(other)
        with (STATE / f"{unit}.log").open("ab") as log:
            process = subprocess.Popen(
                shlex.split(said["ExecStart"][0]), cwd=said["WorkingDirectory"][0], env=environment(said),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        (STATE / f"{unit}.pid").write_text(str(process.pid))


def stop(unit: str) -> None:
    number = 0 if unit == TARGET else pid(unit)
    deadline = time.monotonic() + 15
    if number:
        os.kill(number, signal.SIGTERM)
    while number and pid(unit):
        if time.monotonic() > deadline:
            os.killpg(number, signal.SIGKILL)
        time.sleep(0.02)
    (STATE / f"{unit}.pid").unlink(missing_ok=True)
    if unit == TARGET:
        for part in active():
            if TARGET in settings(part).get("PartOf", []):
                stop(part)


def named(patterns: list[str]) -> list[str]:
    """As systemctl does it: a pattern stands for those in memory, a name for itself."""
    globs = {pattern: fnmatch.filter(active(), pattern) for pattern in patterns}
    return [unit for pattern in patterns for unit in (globs[pattern] if set("*?[") & set(pattern) else [pattern])]


def enable(unit: str) -> None:
    if unit != TARGET:
        WANTS.mkdir(exist_ok=True)
        (WANTS / unit).unlink(missing_ok=True)
        (WANTS / unit).symlink_to(unit_file(unit))


def main() -> int:
    """What systemd starts ignores no signal, even if whoever asked for it does."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    with (STATE / "calls").open("a") as calls:
        print(*sys.argv[1:], file=calls)
    action, *patterns = [word for word in sys.argv[1:] if not word.startswith("--")]
    units = named(patterns)
    if action == "list-units":
        print(*(f"{unit} loaded active running" for unit in units), sep="\n", end="\n" if units else "")
    elif action == "is-active":
        return 0 if all(map(pid, units)) else 3
    elif action == "disable":
        for unit in units:
            (WANTS / unit).unlink()
    elif action in ("start", "stop", "enable", "try-restart"):
        steps = {"start": [start], "stop": [stop], "enable": [enable], "try-restart": [stop, start]}[action]
        for unit in units:
            for step in steps:
                step(unit)
    elif action != "daemon-reload":
        sys.exit(f"this systemctl knows no {action}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
