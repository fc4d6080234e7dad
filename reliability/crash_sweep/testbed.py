"""What a sweep runs on: one PostgreSQL and Valkey, one sandbox, and a database for each scenario, put back before each run."""

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from graphlib import TopologicalSorter
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import redis

from neurocards import db
from neurocards.migrate import migrate
from reliability.crash_sweep import forked
from sandbox.client import SandboxClient
from sandbox.local import ROOT, TOKEN, Child
from sandbox.services import Services
from sandbox.staged import Staged

OPERATOR = 424242
KEYS = {"sandbox-key-1": "one", "sandbox-key-2": "two"}
ACCOUNTS = tuple(KEYS.values())
PLENTY = 1e9
# Divides KIE's and Telegram's delays, down to milliseconds.
VENDORS_HURRY = 1000
NOBODY_LISTENS = "http://127.0.0.1:9"
PATIENCE = 20.0

_CLIENTS = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND backend_type = 'client backend'"

_TABLES = """SELECT t.relname::text, array_remove(array_agg(p.relname::text), NULL) FROM pg_class t
    LEFT JOIN pg_constraint c ON c.conrelid = t.oid AND c.contype = 'f' LEFT JOIN pg_class p ON p.oid = c.confrelid
    WHERE t.relkind = 'r' AND t.relnamespace = 'public'::regnamespace GROUP BY t.relname"""


class Testbed(Staged):
    """A context: inside it everything runs, after it nothing is left. The parent keeps no connection that a child could use."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._services = Services(ROOT / "var", durable=False)
        self._newest = 0

    def _stage(self, undo: ExitStack) -> None:
        undo.enter_context(self._services)
        self._admin = psycopg2.connect(self.database("template1"))
        self._admin.autocommit = True
        undo.callback(self._admin.close)
        sandbox = self._start_sandbox()
        undo.callback(sandbox.stop)
        self.client = undo.enter_context(SandboxClient(self._announced(sandbox)))

    def _start_sandbox(self) -> Child:
        path = {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        options = ["--port", "0", "--prepared-video", "--time-scale", str(VENDORS_HURRY)]
        return Child("sandbox", ["-m", "sandbox", *options], {**os.environ, **path}, self.folder)

    def _announced(self, sandbox: Child) -> str:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            sandbox.check()
            address = next((line for line in sandbox.log.read_text().splitlines() if line.startswith("sandbox: ")), "")
            if address:
                return address.removeprefix("sandbox: ")
            time.sleep(0.02)
        raise TimeoutError(f"the sandbox did not start: {sandbox.tail()}")

    def database(self, name: str) -> str:
        """The address of the database `name`."""
        return urlsplit(self._services.postgres.url)._replace(path=f"/{name}").geturl()

    def make(self, name: str) -> None:
        """Makes the database `name` with empty tables."""
        self._do(f'CREATE DATABASE "{name}"')
        forked.run(_migrate, self.folder, "migrate", self.environment(name, {}))
        self.until_deserted(name)

    def copy(self, template: str, name: str) -> None:
        """Makes the database `name` with everything that is in `template`."""
        self._do(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy')

    def keep(self, name: str) -> None:
        """Remembers what is in the database `name`, in a schema of its own. A copy of the database for each run would take longer."""
        with closing(psycopg2.connect(self.database(name))) as connection, connection, connection.cursor() as cursor:
            cursor.execute(_TABLES)
            tables = _parents_first(cursor.fetchall())
            kept = [f"CREATE TABLE kept.{table} AS TABLE public.{table}" for table in tables]
            kept.append("CREATE TABLE kept.numbers AS SELECT sequencename, last_value FROM pg_sequences")
            cursor.execute("; ".join(["CREATE SCHEMA kept", *kept]))
        # The ledger refuses changes, this one included.
        self._put_back = "; ".join(
            [f"ALTER TABLE {table} DISABLE TRIGGER USER; DELETE FROM {table}" for table in reversed(tables)]  # noqa: S608
            + [f"INSERT INTO {table} OVERRIDING SYSTEM VALUE TABLE kept.{table}" for table in tables]
            + [f"ALTER TABLE {table} ENABLE TRIGGER USER" for table in tables]
            + [
                "SELECT setval(sequencename::regclass, coalesce(last_value, 1), last_value IS NOT NULL) FROM kept.numbers"
            ]
        )

    def put_back(self, name: str) -> None:
        """The database `name` is as it was when it was kept."""
        self.until_deserted(name)
        with closing(psycopg2.connect(self.database(name))) as connection, connection, connection.cursor() as cursor:
            cursor.execute(self._put_back)
        self.until_deserted(name)

    def drop(self, name: str) -> None:
        """Removes a database, if there is one, once nobody is connected. Not by force, which autovacuum's workers resist."""
        self.until_deserted(name)
        self._do(f'DROP DATABASE IF EXISTS "{name}"')

    def _do(self, statement: str) -> None:
        with self._admin.cursor() as cursor:
            cursor.execute(statement)

    def until_deserted(self, name: str) -> None:
        """Blocks until the server has noticed that nobody is connected to the database any more, as it does within milliseconds."""
        deadline = time.monotonic() + PATIENCE
        with self._admin.cursor() as cursor:
            while time.monotonic() < deadline:
                cursor.execute(_CLIENTS, (name,))
                found = cursor.fetchone()
                if found and not found[0]:
                    return
                time.sleep(0.002)
        raise TimeoutError(f"the connections of {name} do not end")

    def forget_messages(self) -> None:
        """Empties Valkey: nothing of an earlier run, and all that a killed worker held is lost."""
        with redis.Redis.from_url(self._services.valkey.url) as connection:
            connection.flushdb()

    def until_rendered(self) -> None:
        """Blocks until KIE has nothing to do: whether a task is ready must not depend on how fast this machine is."""
        for task in self.client.kie("GET", "tasks")["tasks"]:
            if task["state"] not in ("success", "fail"):
                self.client.kie("GET", f"tasks/{task['taskId']}", wait=PATIENCE)

    def newest(self) -> int:
        """The number of the journal's last entry."""
        self._newest = max([self._newest, *(entry["n"] for entry in self.client.journal(after=self._newest))])
        return self._newest

    def environment(self, database: str, settings: Mapping[str, str]) -> dict[str, str]:
        """What bot and worker read at their start. The product's time is real: waiting is done by SQL."""
        url, keys = self.client.url, ",".join(f"{account}:{key}" for key, account in KEYS.items())
        return {
            "DATABASE_URL": self.database(database), "REDIS_URL": self._services.valkey.url,
            "BOT_TOKEN": TOKEN, "TELEGRAM_API_URL": url, "ADMIN_IDS": str(OPERATOR), "WELCOME_CREDITS": "5",
            "OPENAI_API_KEY": "sk-sandbox", "OPENAI_BASE_URL": f"{url}/v1",
            "KIE_API_KEY": keys, "KIE_API_URL": url, "KIE_UPLOAD_URL": url, "PUBLIC_BASE_URL": NOBODY_LISTENS,
            "TIME_SCALE": "1", "BOT_MODE": "polling",
            **settings,
        }  # fmt: skip

    def calm_vendors(self) -> None:
        """Vendors without limits or delays, all keys well, nothing armed."""
        self.client.clear_faults()
        self.client.settings(rate_limit={"enabled": False}, callback_lifetime_seconds=3600)
        quick = {"render_seconds": 0.02, "fail_seconds": 0.01, "create_seconds": 0, "upload_seconds": 0}
        self.client.kie("PUT", "settings", create_limit=0, poll_limit=0, **quick)
        well = {key: {"account": account, "state": "ok", "credits": PLENTY} for key, account in KEYS.items()}
        self.client.kie("PUT", "keys", **well)
        self.client.call("PUT", "/sandbox/openai/settings", json={"latency_seconds": 0})


def _parents_first(rows: Sequence[tuple[str, list[str]]]) -> list[str]:
    """The tables of (table, those its rows refer to), so that each comes after those."""
    return list(TopologicalSorter({table: set(parents) - {table} for table, parents in rows}).static_order())


def _migrate() -> None:
    db.connect(os.environ["DATABASE_URL"], pool_size=2)
    migrate()
