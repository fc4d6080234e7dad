"""What rules and races run on: a database of their own, messages that go nowhere, and worker processes as plain values."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import dramatiq
from telebot import TeleBot

from neurocards import db as database
from neurocards.app import App
from neurocards.clients.kie import Kie
from neurocards.clients.openai import Gpt
from neurocards.clients.telegram import Telegram
from neurocards.config import Settings
from neurocards.db import db
from neurocards.keys import KeyPool
from neurocards.migrate import migrate
from neurocards.models import TABLES, Account, ApiKey
from sandbox.databases import empty_database

OPERATOR = 424242
# The discard port: no rule or race asks a vendor, their answers are part of the rules.
_NOWHERE = "http://127.0.0.1:9"
_TOKEN = "1000001:" + "t" * 35
_SETTINGS = {
    "database_url": "postgresql://nowhere/none",
    "redis_url": "redis://nowhere",
    "bot_token": _TOKEN,
    "openai_api_key": "sk-test",
    "kie_api_key": "one:key-a,two:key-b",
    "public_base_url": "https://bot.example",
    "admin_ids": str(OPERATOR),
}


class Nowhere(dramatiq.Broker):
    """A broker that takes every message and forgets it: as if Redis were wiped all the time."""

    def enqueue(self, message: dramatiq.Message[object], *, delay: int | None = None) -> dramatiq.Message[object]:
        """Forgets the message."""
        return message


@contextmanager
def scratch_database(server: str, connections: int) -> Iterator[None]:
    """Makes a database on the server behind the address `server`, points `db` at it, and drops it in the end."""
    with empty_database(server) as url:
        database.connect(url, pool_size=connections)
        dramatiq.set_broker(Nowhere())
        try:
            migrate()
            yield
        finally:
            db.close_all()


def empty_tables() -> None:
    """Forgets everything but the provider keys; ids begin at 1 again, so that a sequence of steps always means the same."""
    emptied = ", ".join(model._meta.table_name for model in TABLES if model not in (Account, ApiKey))
    with db:
        db.execute_sql(f"TRUNCATE {emptied} RESTART IDENTITY")


def make_worker(process: str) -> App:
    """A worker process. Its clients would find nobody; its keys are enrolled."""
    settings = _settings()
    telegram, keys = Telegram(TeleBot(_TOKEN, threaded=False)), KeyPool(settings.kie_keys)
    keys.enrol()
    gpt = Gpt(_NOWHERE, "sk-test", settings.openai_model)
    return App(settings, process, "host:1", Kie(_NOWHERE, _NOWHERE), gpt, telegram, keys)


def _settings() -> Settings:
    make: Any = Settings  # its arguments are parsed, which their types don't say
    settings: Settings = make(_env_file=None, **_SETTINGS)
    return settings


def another(worker: App, process: str) -> App:
    """A second process with the same settings that has nothing in hand."""
    return replace(worker, process=process, in_hand=set())
