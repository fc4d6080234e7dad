"""The architecture as tests: who imports whom, and that messages, settings and functions are what they say."""

import ast
import re
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from neurocards import dispatch
from neurocards.config import Settings

ROOT = Path(__file__).parents[1]
PACKAGES = ("neurocards", "actors", "handlers", "middleware", "sandbox")
SOURCES = sorted(
    path for package in (*PACKAGES, "benchmarks", "reliability") for path in (ROOT / package).rglob("*.py")
)


def test_the_import_contracts_hold():
    # When import-linter reads the whole tree
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    # Then no contract is broken
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_message_has_an_actor_of_its_name_and_the_reverse():
    # Given the functions decorated as actors, read without importing them (that would need settings)
    names = set()
    for path in (ROOT / "actors").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and any(
                "actor" in ast.unparse(decorator) for decorator in node.decorator_list
            ):
                names.add(node.name)
    # Then they are the messages
    assert names == set(dispatch.MESSAGES)


def test_a_message_nobody_answers_to_cannot_be_sent():
    with pytest.raises(KeyError):
        dispatch.send("no_such_actor", 1)


# Deployments rely on these names.
BINDING = {
    "BOT_TOKEN", "BOT_MODE", "TELEGRAM_API_URL", "PUBLIC_BASE_URL", "WEBHOOK_SECRET_TOKEN", "PORT", "DATABASE_URL", "REDIS_URL",
    "OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_MODEL", "KIE_API_KEY", "KIE_API_URL", "KIE_UPLOAD_URL", "KIE_MODEL", "ADMIN_IDS",
    "SUPPORT_CONTACT", "TIME_SCALE", "WORKERS_CONFIGURED", "LOG_DIR",
}  # fmt: skip


def test_every_setting_is_explained_in_both_places():
    # Given the names of all settings, among them those that are promised
    names = {name.upper() for name in Settings.model_fields}
    assert names >= BINDING
    # Then each has a line in .env.example and says what it is for
    example = (ROOT / ".env.example").read_text()
    assert {name for name in names if not re.search(rf"^#?{name}=", example, re.MULTILINE)} == set()
    assert [name for name, field in Settings.model_fields.items() if not (field.title and field.description)] == []
    # And the page of all settings is what the class says today
    command = [sys.executable, "-m", "neurocards", "config"]
    page = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True).stdout
    assert page == (ROOT / "docs" / "configuration.md").read_text(), "make docs"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_functions_are_short(path):
    # Given every function of a module, its docstring not counted
    lengths = {}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef):
            docstring = ast.get_docstring(node, clean=False)
            lengths[node.name, node.lineno] = (
                node.end_lineno - node.lineno + 1 - (len(docstring.splitlines()) if docstring else 0)
            )
    # Then none is over 40 lines
    assert {where: length for where, length in lengths.items() if length > 40} == {}


def test_packages_are_pinned_with_the_extras_that_others_ask_of_them():
    # Given what the installed packages ask of one another, extras included
    asked = [Requirement(line) for found in distributions() for line in found.requires or ()]
    extras = {f"{need.name}[{extra}]" for need in asked for extra in need.extras if applies(need)}
    # Then each is a pin: an older pip looks for `name[extra]` by itself, finds a newer release, and refuses it for want of a hash
    pins = (ROOT / "requirements-dev.txt").read_text()
    assert {name for name in extras if f"\n{name}==" not in pins} == set()


def applies(need: Requirement) -> bool:
    """Whether a requirement holds in this environment when nothing optional was asked for."""
    return need.marker is None or need.marker.evaluate({"extra": ""})
