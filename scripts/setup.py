"""Makes `.venv` in the checkout and installs the pinned packages into it; does nothing when that is already done.

Only the standard library, and only syntax that older Pythons can read too, so that they get the message and not a
traceback. `make` runs it before everything else; two at once wait for each other.
"""

import fcntl
import hashlib
import importlib.util
import platform
import subprocess
import sys
import time
from pathlib import Path

OLDEST = (3, 11)
CHECKOUT = Path(__file__).resolve().parents[1]
VENV = CHECKOUT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "installed"  # written last: without it the environment is unfinished
LOCK = CHECKOUT / ".venv.lock"
REQUIREMENTS = CHECKOUT / "requirements-dev.txt"

NO_VENV = (
    "this Python cannot make virtual environments: its ensurepip module is missing.\n"
    "On Debian and Ubuntu: apt install python3-venv"
)
# How pip words it when no index answers: either of these, by the way in which the network is missing.
NO_NETWORK = ("(from versions: none)", "Max retries exceeded")


def say(line: str) -> None:
    """One line of progress on standard output."""
    print("setup: " + line, flush=True)


def fingerprint() -> str:
    """What the environment depends on: the pins, the Python and the place, which its scripts have written into them."""
    pins = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    return f"{pins} python {sys.version_info[0]}.{sys.version_info[1]} in {CHECKOUT}\n"


def up_to_date() -> bool:
    """Whether there is nothing to do; also not so when the Python that the environment was made from is gone."""
    return PYTHON.exists() and STAMP.exists() and STAMP.read_text() == fingerprint()


def usable() -> bool:
    """Whether there is an environment that can be installed into: what was made by hand may be what services run from."""
    if not PYTHON.exists():
        return False
    if STAMP.exists():
        return STAMP.read_text().partition(" ")[2] == fingerprint().partition(" ")[2]
    able = f"import pip, sys; sys.exit(sys.version_info < {OLDEST!r})"
    return subprocess.run([str(PYTHON), "-c", able], stderr=subprocess.DEVNULL, check=False).returncode == 0


def make_environment() -> None:
    """Makes an empty environment, over what an interrupted or differently made one left."""
    if importlib.util.find_spec("ensurepip") is None:
        sys.exit("setup: " + NO_VENV)
    say(f"making .venv with Python {platform.python_version()}")
    run(sys.executable, "-m", "venv", "--clear", str(VENV))


def install() -> None:
    """Installs exactly what the requirements file names and nothing that does not match its hashes."""
    say("installing packages, about half a minute")
    quiet = ["--quiet", "--disable-pip-version-check", "--no-input", "--retries", "2"]
    run(str(PYTHON), "-m", "pip", "install", *quiet, "--require-hashes", "-r", str(REQUIREMENTS))


def run(*command: str) -> None:
    """Runs a step silently; if it fails, ends with what it said last and, where that is plain, with the cause."""
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    if done.returncode == 0:
        return
    output = done.stdout.decode(errors="replace").strip()
    print("\n".join(output.splitlines()[-15:]), file=sys.stderr)
    if any(sign in output for sign in NO_NETWORK):
        sys.exit("setup: no package index can be reached: check the network, or pip's proxy and index settings")
    sys.exit("setup: failed; the reason is above. Nothing needs to be undone before the next try.")


def set_up() -> None:
    """Brings the environment up to date, with the lock held."""
    started = time.monotonic()
    if not usable():
        make_environment()
    STAMP.unlink(missing_ok=True)
    install()
    STAMP.write_text(fingerprint())
    say(f".venv is ready after {time.monotonic() - started:.0f} s")


def main() -> None:
    """Exits with one line on standard error if the environment cannot be made."""
    if sys.version_info < OLDEST:
        found = platform.python_version()
        sys.exit(f"setup: Python 3.11 or newer is needed and {sys.executable} is {found}; try make PYTHON=python3.12")
    if VENV.is_symlink():
        # deploy_vps.sh made the link: bot and workers run from what it leads to, and making it anew would empty that.
        sys.exit("setup: .venv is a link, so this checkout is deployed; use another clone")
    if up_to_date():
        return
    with LOCK.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another setup is at work here; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        if not up_to_date():
            set_up()


if __name__ == "__main__":
    main()
