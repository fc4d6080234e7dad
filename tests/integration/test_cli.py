"""`python -m neurocards`, as the operator types it."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from neurocards import jobs, key_health, orders
from neurocards.cli import cli
from neurocards.db import db
from neurocards.keys import KeyPool, fingerprint
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


# What a failure means -------------------------------------------------------------------------------------------------


def classified(*lines: str | bytes) -> list[dict]:
    """The verdicts on lines of standard input; no setting is needed for it."""
    given = b"\n".join(line.encode() if isinstance(line, str) else line for line in lines)
    result = CliRunner().invoke(cli, ["classify"], input=given, env={"DATABASE_URL": None})
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_each_line_gets_its_verdict_with_the_rules_name():
    # Given failures of three vendors, as whole as a log has them and as bare as somebody types them
    verdicts = classified(
        '{"provider": "kie", "channel": "createTask", "http_status": 200, "body_code": 500, "text": "Credits insufficient"}',
        '{"provider": "openai", "fail_code": "insufficient_quota", "http_status": 429}',
        '{"provider": "telegram", "http_status": 403, "text": "Forbidden: bot was blocked by the user"}',
        '{"text": "Image contains faces."}',
        '{"fail_code": 402, "body_code": ""}',
        '{"text": "blorp", "unheard_of": [1, 2]}',
    )
    # Then each has its meaning
    assert [(line["category"], line["subtype"], line["retry"]) for line in verdicts] == [
        ("BILLING", "no_credit", False),
        ("BILLING", "no_credit", False),
        ("UNREACHABLE", "blocked", False),
        ("USER_ERROR", "person", False),
        ("BILLING", "no_credit", False),
        ("UNKNOWN", "", True),
    ]
    assert all(set(line) == {"category", "subtype", "retry", "why"} and line["why"] for line in verdicts)


def test_bad_lines_get_an_error_and_the_others_their_verdict():
    # Given rubbish between two good lines
    rubbish = [
        "nonsense",
        "[]",
        "null",
        '{"text": 5',
        '{"http_status": {}}',
        '{"provider": []}',
        b"\xff\xfe",
        b"x" * 200_000,
    ]
    good = '{"text": "Rate limit exceeded"}'
    verdicts = classified(good, *rubbish, "", "   ", good)
    # Then each bad line is one error object and blank lines are nothing
    assert len(verdicts) == len(rubbish) + 2
    assert verdicts[0] == verdicts[-1]
    assert verdicts[0]["category"] == "RATE_LIMIT"
    assert all(set(line) == {"error"} and line["error"] for line in verdicts[1:-1])


# Keys -----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def pool(clean_db):
    """A pool of two keys."""
    pool = KeyPool([("one", "key-a"), ("two", "key-b")])
    pool.enrol()
    return pool


def test_keys_are_shown_with_what_an_operator_wants_to_know(run, pool):
    # Given a key in use and one that can't pay
    with db:
        key_health.quarantine(fingerprint("key-b"), "Credits insufficient")
        pool.acquire()
    # When the operator looks
    shown = run("keys").output
    # Then states, reasons and windows are there, and no key
    assert all(word in shown for word in (fingerprint("key-a"), "healthy", "1/20", "quarantined", "Credits"))
    assert "key-a" not in shown


def test_a_key_is_taken_out_and_put_back_by_the_beginning_of_its_name(run, pool):
    # When a key is quarantined by hand
    print_ = fingerprint("key-a")
    assert "until released" in run("keys", "quarantine", print_[:5], "--reason", "replaced").output
    # Then it is out, with the reason
    assert "replaced" in run("keys", "--once").output
    with db:
        assert pool.acquire().fingerprint == fingerprint("key-b")
    # And it works again when released
    assert run("keys", "release", print_).exit_code == 0
    assert "quarantined" not in run("keys").output


@pytest.mark.parametrize("beginning", ["", "zz"])
def test_a_name_that_fits_no_key_or_several_changes_none(run, pool, beginning):
    result = run("keys", "release", beginning)
    assert result.exit_code == 1
    assert "keys begin with" in result.stderr
