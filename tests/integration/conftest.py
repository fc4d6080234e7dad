"""A worker process as a value: what the domain is given, with vendors that nobody answers for. And what runs SQL or the audit on a
database that is not ours.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import dramatiq
import psycopg2
import pytest
from telebot import TeleBot

from neurocards import app as application
from neurocards.app import App
from neurocards.clients.kie import Kie
from neurocards.clients.openai import Gpt
from neurocards.clients.telegram import Telegram
from neurocards.config import Settings
from neurocards.keys import KeyPool
from tests import canaries
from tests.conftest import ROOT

NOWHERE = "http://127.0.0.1:9"
OPERATOR = 424242

MakeWorker = Callable[..., App]


@pytest.fixture
def worker(clean_db: str, idle_broker: dramatiq.Broker) -> Iterator[MakeWorker]:
    """A factory of worker processes; `settings` differ from those of an ordinary one."""
    pollers = ThreadPoolExecutor(application.POLLS_AT_ONCE)

    def make(process: str = "w1", **settings: object) -> App:
        known = settings_with(**settings)
        telegram, keys = Telegram(TeleBot(canaries.BOT_TOKEN, threaded=False)), KeyPool(known.kie_keys)
        keys.enrol()
        gpt = Gpt(NOWHERE, canaries.OPENAI_KEY, "gpt-4o-mini")
        return App(known, process, "host:1", Kie(NOWHERE, NOWHERE), gpt, telegram, keys, pollers=pollers)

    yield make
    pollers.shutdown()


def settings_with(**others: object) -> Settings:
    """Complete settings, whatever the environment says."""
    known = {
        "database_url": "postgresql://nowhere/none", "redis_url": "redis://nowhere", "bot_token": canaries.BOT_TOKEN,
        "openai_api_key": canaries.OPENAI_KEY, "kie_api_key": "one:key-a,two:key-b", "public_base_url": "https://bot.example",
        "admin_ids": str(OPERATOR), "kie_model": "bytedance/seedance-1.5-pro",
        "kie_fallback_models": "kling-3.0/video",
    }  # fmt: skip
    return Settings(_env_file=None, **{**known, **others})


def run(url: str, statements: str) -> None:
    """Runs SQL in one transaction on the database at `url`."""
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(statements)


def audited(url: str, *options: str | Path) -> tuple[int, str]:
    """Status and output of the audit, as an operator runs it on the database at `url`."""
    command = [sys.executable, "-m", "neurocards", "audit", *options]
    environment = {"PATH": os.environ["PATH"], "DATABASE_URL": url}
    done = subprocess.run(command, check=False, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout
