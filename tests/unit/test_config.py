"""A value that is missing or malformed stops the start with one line that names the variable and what it should be."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from neurocards.config import Settings, load
from neurocards.errors import ConfigurationMistake

ROOT = Path(__file__).parents[2]
GOOD = {
    "BOT_TOKEN": "123456:" + "a" * 35,
    "DATABASE_URL": "postgresql://u:p@localhost/neurocards",
    "REDIS_URL": "redis://localhost:6379/0",
    "OPENAI_API_KEY": "sk-secret",
    "KIE_API_KEY": "one:k1, one:k2,k3",
}


@pytest.fixture
def environment(monkeypatch, tmp_path):
    """The good values and nothing else that could be a setting; no .env in the folder."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return monkeypatch


def test_good_values_are_read_and_secrets_do_not_show(environment):
    # When the settings are read
    settings = load(Settings)
    # Then keys are grouped by account and nothing secret is printed
    assert settings.kie_keys == (("one", "k1"), ("one", "k2"), ("default", "k3"))
    assert not any(secret in repr(settings) for secret in ("sk-secret", "k1", GOOD["BOT_TOKEN"]))
    assert set(settings.secrets()) >= {"sk-secret", "k1", "k2", "k3", GOOD["BOT_TOKEN"]}


@pytest.mark.parametrize("name", GOOD)
def test_a_missing_value_is_named(environment, name):
    environment.delenv(name)
    with pytest.raises(ConfigurationMistake, match=rf"^{name} is missing: it should be \w+.*$"):
        load(Settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BOT_TOKEN", "not a token"), ("DATABASE_URL", "postgresql://u:p@h:abc/x"), ("DATABASE_URL", "postgresql://u:p@h"),
        ("REDIS_URL", "redis://h:abc/0"), ("KIE_API_KEY", "account:"), ("KIE_API_KEY", "a,,b"), ("LOG_DIR", "/proc/nowhere"),
        ("ADMIN_IDS", "9" * 19), ("DATABASE_URL", "mysql://x"), ("REDIS_URL", "localhost"), ("BOT_MODE", "both"), ("PORT", "http"),
        ("PORT", "70000"), ("TIME_SCALE", "0"), ("TIME_SCALE", "fast"), ("ADMIN_IDS", "1;2"), ("KIE_API_URL", "api.kie.ai"),
        ("PUBLIC_BASE_URL", "example.org"), ("WEBHOOK_SECRET_TOKEN", "short"), ("WORKERS_CONFIGURED", "-1"),
        ("OPENAI_API_KEY", "two words"),
    ],
)  # fmt: skip
def test_a_malformed_value_is_named_and_not_repeated(environment, name, value):
    environment.setenv(name, value)
    with pytest.raises(ConfigurationMistake, match=rf"^{name} is malformed: it should be .+$") as mistake:
        load(Settings)
    assert "\n" not in str(mistake.value)
    assert "two words" not in str(mistake.value)


def test_an_empty_value_counts_as_absent(environment):
    environment.setenv("PORT", "")
    environment.setenv("PUBLIC_BASE_URL", "")
    settings = load(Settings)
    assert (settings.port, settings.public_base_url) == (10000, None)


def test_operators_and_models_are_lists(environment):
    environment.setenv("ADMIN_IDS", " 1, 22 ")
    environment.setenv("KIE_FALLBACK_MODELS", "a/b, bytedance/seedance-1.5-pro,c")
    settings = load(Settings)
    assert settings.admins == (1, 22)
    assert settings.models == ("bytedance/seedance-1.5-pro", "a/b", "c")


@pytest.mark.parametrize("script", ["run_bot.py", "run_workers.py"])
def test_a_service_stops_with_one_line_and_starts_nothing(environment, tmp_path, script):
    # Given everything but the database's address
    environment.delenv("DATABASE_URL")
    # When the service is started
    command = [sys.executable, str(ROOT / script)]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    # Then it says what is missing in one line, with status 2
    assert done.returncode == 2
    assert done.stderr.strip().splitlines() == [
        f"DATABASE_URL is missing: it should be {Settings.model_fields['database_url'].description}"
    ]
    assert done.stdout == ""


def test_a_second_bot_on_the_port_says_so_and_ends(environment, tmp_path):
    # Given a port that somebody listens on
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        # When a bot is started there
        done = subprocess.run(
            [sys.executable, str(ROOT / "run_bot.py")],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PORT": str(port)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    # Then it ends with one line and the status of a wrong setting
    assert done.returncode == 2
    line = f"PORT {port} is taken: another bot runs here, or choose another PORT (Address already in use)"
    assert done.stderr.strip().splitlines() == [line]
