"""How the checkout's own environment is made, and what keeps it away from a deployed one."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with no environment, of which only the scripts that make one are there."""
    (tmp_path / "scripts").mkdir()
    (tmp_path / "tests").mkdir()
    for name in ("scripts/setup.py", "tests/environment.py"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "requirements-dev.txt").touch()
    return tmp_path


def run(script: Path) -> subprocess.CompletedProcess[str]:
    """Runs it with a Python that has no packages, as a system's has none."""
    base = sys._base_executable  # type: ignore[attr-defined]
    return subprocess.run([base, "-I", "-S", str(script)], capture_output=True, text=True, check=False, timeout=60)


def test_the_environment_of_a_deployment_is_left_alone(checkout: Path):
    # Given a checkout that deploy_vps.sh has given a link to the environment that bot and workers run from
    live = checkout / ".venvs" / "0123456789ab"
    live.mkdir(parents=True)
    (live / "complete").touch()
    (checkout / ".venv").symlink_to(live)

    # When `make` would set it up, then that is refused in a line, and nothing is missing
    done = run(checkout / "scripts" / "setup.py")
    assert done.returncode == 1
    assert done.stderr == "setup: .venv is a link, so this checkout is deployed; use another clone\n"
    assert (live / "complete").exists()


def test_an_environment_made_by_hand_is_completed_and_not_emptied(checkout: Path):
    # Given one from which services may run
    live = checkout / ".venv"
    subprocess.run([sys.executable, "-m", "venv", str(live)], check=True, timeout=60)
    (live / "theirs").touch()
    # When `make` sets it up, then nothing of it is gone
    done = run(checkout / "scripts" / "setup.py")
    assert done.returncode == 0, done.stderr
    assert (live / "theirs").exists() and (live / "installed").exists()


@pytest.fixture
def script(checkout: Path) -> Path:
    """One of the scripts that people start with any python3, in a checkout whose setup is a stand-in."""
    (checkout / "scripts" / "setup.py").write_text(
        "import pathlib, sys\n"
        "made = pathlib.Path(__file__).parents[1] / '.venv' / 'bin' / 'python'\n"
        "made.parent.mkdir(parents=True)\n"
        "made.write_text('#!/bin/sh\\necho in .venv: $*\\n')\n"
        "made.chmod(0o755)\n"
    )
    script = checkout / "tests" / "script.py"
    script.write_text(
        "import sys, pathlib\n"
        "sys.path.insert(0, str(pathlib.Path(__file__).parent))\n"
        "from environment import enter\n"
        "enter()\n"
        "print('with the packages of', sys.executable)\n"
    )
    return script


def test_a_script_in_a_fresh_clone_makes_the_environment_and_goes_on_in_it(script: Path):
    # When it is started by a Python without packages
    done = run(script)
    # Then the same command runs again in what was made
    assert (done.returncode, done.stdout) == (0, f"in .venv: {script}\n"), done.stderr


def test_a_script_ends_when_there_can_be_no_environment(script: Path, checkout: Path):
    # Given a setup that says why it can't
    (checkout / "scripts" / "setup.py").write_text("import sys\nsys.exit('setup: no network')\n")
    # Then that is all that is said
    done = run(script)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "setup: no network\n")
