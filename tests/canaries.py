"""Secrets that the systems under test are given, and the search for them in everything that a test run leaves behind.

Logs of all processes, rows of all tables, messages to chats and requests to other vendors, and pytest's own reports: a secret found in
any of them fails a test. Findings name the secret and the place, and never repeat the value.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import psycopg2
import pytest
from psycopg2 import sql

BOT_TOKEN = "1000001:canary-of-the-bot-token-0123456789-abc"
OPENAI_KEY = "sk-canary-of-openai-0123456789"
KIE_KEYS = ("canary-of-kie-0123456789-one", "canary-of-kie-0123456789-two")
DATABASE_PASSWORD = "canary-of-postgresql-0123456789"
WEBHOOK_SECRET = "canary-of-the-webhook-0123456789"

# What bot and workers are started with. The embedded server lets our roles in with any password.
SETTINGS = {
    "BOT_TOKEN": BOT_TOKEN,
    "OPENAI_API_KEY": OPENAI_KEY,
    "KIE_API_KEY": ",".join(KIE_KEYS),
    "WEBHOOK_SECRET_TOKEN": WEBHOOK_SECRET,
}
STATIC = {
    "the bot's token": BOT_TOKEN, "OpenAI's key": OPENAI_KEY, "KIE's first key": KIE_KEYS[0], "KIE's second key": KIE_KEYS[1],
    "the database's password": DATABASE_PASSWORD, "the webhook's secret": WEBHOOK_SECRET,
}  # fmt: skip

_TABLES = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"


class SecretLeaked(AssertionError):
    """The text says which secrets are where."""


def with_password(url: str) -> str:
    """The database's address with the canary in it."""
    parts = urlsplit(url)
    return parts._replace(netloc=f"{parts.username}:{DATABASE_PASSWORD}@{parts.hostname}:{parts.port}").geturl()


def secrets_of(environment: Mapping[str, str]) -> dict[str, str]:
    """Every secret that the environment of a process has, by what it is."""
    found = {name: environment.get(name, "") for name in ("BOT_TOKEN", "OPENAI_API_KEY", "WEBHOOK_SECRET_TOKEN")}
    keys = (part.rpartition(":")[2].strip() for part in environment.get("KIE_API_KEY", "").split(","))
    found |= {f"KIE_API_KEY {number}": key for number, key in enumerate(keys, 1)}
    found |= {
        f"the password in {name}": urlsplit(environment.get(name, "")).password or ""
        for name in ("DATABASE_URL", "REDIS_URL")
    }
    return {name: value for name, value in found.items() if value}


def found_in(text: str, secrets: Mapping[str, str]) -> list[str]:
    """The names of the secrets that are in the text: as they are, in a URL, in JSON, or as PostgreSQL prints bytes."""
    return [name for name, value in secrets.items() if any(form in text for form in _forms(value))]


def _forms(secret: str) -> set[str]:
    return {secret, quote(secret, safe=""), json.dumps(secret)[1:-1], secret.encode().hex()}


def check(folder: Path, environment: Mapping[str, str], database: str) -> None:
    """Looks through all that a system left: the files of `folder`, the rows, what vendors were sent. Raises SecretLeaked."""
    journal = [json.loads(line) for line in (folder / "journal.jsonl").read_text(encoding="utf-8").splitlines()]
    secrets = secrets_of(environment)
    nonces = {f"the nonce of attempt {number}": nonce for number, nonce in _nonces(database)}
    leaks = [
        *_in_files(folder, secrets | nonces),
        *in_rows(database, secrets, nonces),
        *_in_journal(journal, secrets, nonces),
    ]
    if leaks:
        raise SecretLeaked("\n".join(leaks[:20]))


def _in_files(folder: Path, secrets: Mapping[str, str]) -> Iterator[str]:
    """The journal is the vendors' and is looked at by entries."""
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "journal.jsonl"):
        yield from (f"{name} is in {path.name}" for name in found_in(path.read_text(errors="replace"), secrets))


def in_rows(database: str, secrets: Mapping[str, str], nonces: Mapping[str, str] | None = None) -> Iterator[str]:
    """What is in the rows of a database. A nonce has one place where it belongs."""
    with closing(psycopg2.connect(database)) as connection, connection.cursor() as cursor:
        cursor.execute(_TABLES)
        for (table,) in cursor.fetchall():
            cursor.execute(sql.SQL("SELECT to_jsonb(t) - 'nonce' FROM {} AS t").format(sql.Identifier(table)))
            text = json.dumps(cursor.fetchall(), ensure_ascii=False)
            yield from (f"{name} is in a row of {table}" for name in found_in(text, {**secrets, **(nonces or {})}))


def _nonces(database: str) -> list[tuple[int, str]]:
    with closing(psycopg2.connect(database)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT id, nonce FROM provider_attempts")
        return cursor.fetchall()


def _in_journal(journal: list[dict[str, Any]], secrets: Mapping[str, str], nonces: Mapping[str, str]) -> Iterator[str]:
    """KIE is told the nonces and Telegram the webhook's secret; that is what they are for. The headers and paths that authenticate
    us are not in the journal."""
    for service in ("telegram", "openai", "kie"):
        entries = [_without_secret_token(entry) for entry in journal if entry["service"] == service]
        wanted = secrets if service == "kie" else {**secrets, **nonces}
        for name in found_in(json.dumps(entries, ensure_ascii=False), wanted):
            yield f"{name} was sent to {service}"


def _without_secret_token(entry: dict[str, Any]) -> Any:
    request = entry["request"]
    return {**request, "secret_token": None} if entry["endpoint"] == "setWebhook" else request


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Any:
    """Fails a test whose report would print a secret, and takes the secret out of it."""
    report = yield
    text = "\n".join((report.longreprtext, *(content for _, content in report.sections)))
    if leaked := found_in(text, STATIC):
        report.outcome = "failed"
        report.longrepr = f"{_hidden(report.longreprtext)}\nthis test's report has in it: {', '.join(leaked)}"
        report.sections = [(name, _hidden(content)) for name, content in report.sections]
    return report


def _hidden(text: str) -> str:
    for name, value in STATIC.items():
        for form in _forms(value):
            text = text.replace(form, f"[{name}]")
    return text
