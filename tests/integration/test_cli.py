"""`python -m neurocards`, as the operator types it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from neurocards import jobs, orders
from neurocards.cli import cli
from neurocards.db import db
from tests.conftest import jobs_of

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run(clean_db, monkeypatch, tmp_path):
    """Runs one command line and returns its result."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", clean_db)
    monkeypatch.setenv("DB_POOL_SIZE", "30")
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *arguments: CliRunner().invoke(cli, arguments)


def test_jobs_are_listed_and_one_is_shown_with_its_whole_story(run, ordered):
    # Given an order, one job of which is in the works
    order = ordered(count=3)
    first = jobs_of(order)[0]
    with db:
        jobs.claim(first.id, "script", "w1")
    # When the operator looks
    listed, queued, shown = (
        run("jobs", "list"),
        run("jobs", "list", "--status", "queued"),
        run("jobs", "show", str(first.id)),
    )
    # Then the list has all three, the filter two, and the story has events and money
    assert len(re.findall(r"^│ \d+ ", listed.output, re.MULTILINE)) == 3
    assert len(re.findall(r"^│ \d+ ", queued.output, re.MULTILINE)) == 2
    assert all(word in shown.output for word in ("taken up", "ordered", "w1", "debit", "Кружка"))


def test_an_unknown_job_is_said_to_be_unknown(run):
    result = run("jobs", "show", "12345")
    assert result.exit_code == 1
    assert "no job 12345" in result.stderr


def test_credits_are_granted_with_a_reason_and_never_below_zero(run, person):
    # Given someone with five credits
    person(7, credits=5)
    # When three are given and four taken back
    assert run("credits", "grant", "7", "3", "--reason", "gift").exit_code == 0
    assert run("credits", "grant", "7", "--reason", "mistake", "--", "-4").exit_code == 0
    # Then both are in the books, with their reasons
    assert orders.balance(7) == 4
    assert [(entry.amount, entry.reason) for entry in orders.entries(7)] == [
        (-4, "mistake"),
        (3, "gift"),
        (5, "welcome"),
    ]
    # And what can't be done is said
    for impossible in (
        ("7", "--reason", "x", "--", "-5"),
        ("7", "0", "--reason", "x"),
        ("8", "1", "--reason", "x"),
        ("7", "1"),
    ):
        assert run("credits", "grant", *impossible).exit_code != 0
    assert orders.balance(7) == 4


def test_stats_are_those_of_the_service(run, ordered):
    ordered()
    assert '"queued": 1' in run("stats").output


def test_migrating_a_current_database_says_so(run):
    assert "up to date" in run("migrate").output


@pytest.mark.parametrize("command", [["scripts/migrate_db.py"], ["-m", "neurocards", "jobs", "list"]])
def test_a_database_that_is_away_is_one_line(tmp_path, command):
    # Given an address where nobody listens
    environment = {"DATABASE_URL": "postgresql://u@127.0.0.1:1/nothing", "PATH": "", "PYTHONPATH": str(ROOT)}
    arguments = [str(ROOT / part) if part.endswith(".py") else part for part in command]
    # When a command needs it
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    # Then one line says so
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert "PostgreSQL is not reachable" in done.stderr
