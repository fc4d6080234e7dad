"""No secret is left anywhere, and the search for them would find it: `tests/canaries.py` looks, here it is shown something to find."""

import json
import subprocess
import sys
from pathlib import Path

import psycopg2
import pytest

from neurocards.db import db
from neurocards.models import InboxUpdate
from tests import canaries

ROOT = Path(__file__).parents[2]
NONCE = "n" * 32
LEAKY = """
import logging
import pytest
from tests import canaries

@pytest.fixture
def troubled():
    yield
    raise RuntimeError(canaries.KIE_KEYS[1])

def test_prints(): print("bot" + canaries.BOT_TOKEN)
def test_logs(): logging.getLogger("x").warning("Bearer %s", canaries.OPENAI_KEY)
def test_raises(): raise ValueError(canaries.KIE_KEYS[0])
def test_ends_badly(troubled): pass
def test_is_fine(): print("all is well")
"""


@pytest.fixture
def left(clean_db: str, tmp_path: Path):
    """What a system leaves, nothing of it secret; with a place for each thing that could be."""
    (tmp_path / "logs").mkdir()
    (tmp_path / "run_bot.log").write_text("polling\n")
    (tmp_path / "logs" / "worker-1.log.1").write_text("job 1 moved\n")
    entries = [
        {"service": name, "endpoint": "x", "request": {}, "response": {}} for name in ("telegram", "openai", "kie")
    ]
    (tmp_path / "journal.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    environment = {
        **canaries.SETTINGS,
        "DATABASE_URL": canaries.with_password("postgresql://a@b:5/c"),
        "KIE_API_KEY": "acc:key-0001, key-0002",
    }
    return tmp_path, environment, clean_db


def test_what_holds_no_secret_passes(left):
    canaries.check(*left)


@pytest.mark.parametrize(
    ("file", "text", "name"),
    [
        ("run_bot.log", canaries.BOT_TOKEN, "BOT_TOKEN"),
        ("run_bot.log", canaries.BOT_TOKEN.replace(":", "%3A"), "BOT_TOKEN"),
        ("run_bot.log", "Authorization: Bearer key-0001", "KIE_API_KEY 1"),
        ("logs/worker-1.log.1", "key-0002", "KIE_API_KEY 2"),
        ("logs/worker-1.log.1", f"postgresql://a:{canaries.DATABASE_PASSWORD}@b", "the password in DATABASE_URL"),
        ("migrate.log", f"X-Telegram-Bot-Api-Secret-Token: {canaries.WEBHOOK_SECRET}", "WEBHOOK_SECRET_TOKEN"),
        ("run_workers.log", f"POST /kie/callback/{NONCE}", "the nonce of attempt 1"),
    ],
)
def test_a_secret_in_a_log_is_found(left, ordered, file, text, name):
    folder, _, url = left
    plant_nonce(url, ordered)
    # Given a log into which a secret got
    with (folder / file).open("a") as log:
        log.write(f"some words {text} and more\n")
    # Then the check fails, names it, and doesn't repeat it
    with pytest.raises(canaries.SecretLeaked, match=name) as found:
        canaries.check(*left)
    assert text not in str(found.value)


def plant_nonce(url: str, ordered) -> None:
    ordered()
    connection = psycopg2.connect(url)
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO provider_attempts (job_id, n, nonce, key, model) SELECT id, 1, %s, 'k', 'm' FROM jobs",
            (NONCE,),
        )
    connection.close()


@pytest.mark.parametrize(
    ("secret", "name"),
    [(canaries.OPENAI_KEY, "OPENAI_API_KEY"), (NONCE, "the nonce of attempt 1"), (canaries.BOT_TOKEN, "BOT_TOKEN")],
)
def test_a_secret_in_a_row_is_found(left, ordered, secret, name):
    plant_nonce(left[2], ordered)
    canaries.check(*left)
    # Given a row into which a secret got
    with db:
        InboxUpdate.insert(update_id=1, lane=0, body="{}", error=f"no route to {secret}").execute()
    # Then the check fails
    with pytest.raises(canaries.SecretLeaked, match=f"{name} is in a row of inbox"):
        canaries.check(*left)
    with db:
        InboxUpdate.delete().execute()


@pytest.mark.parametrize(("service", "told"), [("telegram", True), ("openai", True), ("kie", False)])
def test_a_secret_in_a_message_is_found(left, ordered, service, told):
    folder, _, url = left
    plant_nonce(url, ordered)
    # Given a message or a request with a nonce in it, which is KIE's to know and nobody else's
    entry = {"service": service, "endpoint": "send", "request": {"text": f"see {NONCE}"}, "response": {}}
    with (folder / "journal.jsonl").open("a") as journal:
        journal.write(json.dumps(entry) + "\n")
    # Then the check fails for the others
    if told:
        with pytest.raises(canaries.SecretLeaked, match=f"was sent to {service}"):
            canaries.check(*left)
    else:
        canaries.check(*left)


def test_a_secret_in_a_report_fails_its_test_and_is_not_shown(tmp_path):
    # Given tests that pass or fail with a secret in their output, their log, their error, or the end of a fixture
    (tmp_path / "test_leaky.py").write_text(LEAKY)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.canaries",
        "-p",
        "no:cacheprovider",
        "-n",
        "2",
        "-rA",
        "--rootdir",
        str(tmp_path),
    ]
    # When they run in processes of xdist
    done = subprocess.run([*command, str(tmp_path)], check=False, cwd=ROOT, capture_output=True, text=True, timeout=100)
    # Then each is a failure, the one without a secret passes, and no secret is printed
    assert done.returncode == 1, done.stdout
    assert "3 failed, 2 passed, 3 errors" in done.stdout
    assert canaries.found_in(done.stdout + done.stderr, canaries.STATIC) == []


def test_what_a_vendor_repeats_of_our_secrets_is_hidden(system, client, anna, rows):
    """The rest of what the system leaves is looked through when it ends."""
    # Given a KIE that answers with what it was sent
    echo = f"Internal error at Bearer {canaries.KIE_KEYS[0]}, {canaries.KIE_KEYS[1]}, bot{canaries.BOT_TOKEN}, {canaries.OPENAI_KEY}"
    client.fault("kie", "createTask", "code", code=500, msg=echo)
    client.fault("kie", "createTask", "fail", failCode="500", failMsg=echo, seconds=1)
    # When a customer orders all the same
    anna.order()
    anna.video()
    # Then both failures are on record, without the secrets
    errors = [
        row["error"]
        for row in rows(
            "SELECT error FROM provider_attempts a JOIN jobs j ON j.id = a.job_id WHERE user_id = %s", anna.user.id
        )
    ]
    assert sum("Internal error at Bearer [hidden]" in (error or "") for error in errors) == 2, errors
    assert (
        list(
            canaries.in_rows(
                system.environment["DATABASE_URL"].replace("neurocards_app:", "neurocards:"), canaries.STATIC
            )
        )
        == []
    )
