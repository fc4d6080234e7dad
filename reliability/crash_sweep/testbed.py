"""What a sweep runs on: one PostgreSQL and Valkey, one sandbox, and a database for each run, copied from its scenario's."""

import os
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import psycopg2
import redis

from neurocards import db
from neurocards.migrate import migrate
from reliability.crash_sweep import forked
from sandbox.client import SandboxClient
from sandbox.local import ROOT, TOKEN, Child
from sandbox.services import Services

OPERATOR = 424242
KEYS = "one:sandbox-key-1,two:sandbox-key-2"
NOBODY_LISTENS = "http://127.0.0.1:9"
PATIENCE = 20.0

_CLIENTS = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND backend_type = 'client backend'"


class Testbed:
    """A context: inside it everything runs, after it nothing is left. The parent keeps no connection that a child could use."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._services = Services(ROOT / "var", durable=False)
        self._newest = 0

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            undo.enter_context(self._services)
            self._admin = psycopg2.connect(self.database("template1"))
            self._admin.autocommit = True
            undo.callback(self._admin.close)
            sandbox = self._start_sandbox()
            undo.callback(sandbox.stop)
            self.client = undo.enter_context(SandboxClient(self._announced(sandbox)))
            self._undo = undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._undo.close()

    def _start_sandbox(self) -> Child:
        path = {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        return Child(
            "sandbox", ["-m", "sandbox", "--port", "0", "--prepared-video"], {**os.environ, **path}, self.folder
        )

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
        self._do(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')

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

    def newest(self) -> int:
        """The number of the journal's last entry."""
        self._newest = max([self._newest, *(entry["n"] for entry in self.client.journal(after=self._newest))])
        return self._newest

    def environment(self, database: str, settings: Mapping[str, str]) -> dict[str, str]:
        """What bot and worker read at their start. The product's time is real: waiting is done by SQL."""
        url = self.client.url
        return {
            "DATABASE_URL": self.database(database), "REDIS_URL": self._services.valkey.url,
            "BOT_TOKEN": TOKEN, "TELEGRAM_API_URL": url, "ADMIN_IDS": str(OPERATOR), "WELCOME_CREDITS": "5",
            "OPENAI_API_KEY": "sk-sandbox", "OPENAI_BASE_URL": f"{url}/v1",
            "KIE_API_KEY": KEYS, "KIE_API_URL": url, "KIE_UPLOAD_URL": url, "PUBLIC_BASE_URL": NOBODY_LISTENS,
            "TIME_SCALE": "1", "BOT_MODE": "polling",
            **settings,
        }  # fmt: skip

    def calm_vendors(self) -> None:
        """Vendors without limits or delays, all keys well, nothing armed."""
        self.client.clear_faults()
        self.client.settings(rate_limit={"enabled": False}, callback_lifetime_seconds=3600)
        quick = {"render_seconds": 0.02, "fail_seconds": 0.01, "create_seconds": 0, "upload_seconds": 0}
        self.client.kie("PUT", "settings", create_limit=0, poll_limit=0, **quick)
        well = {key.rpartition(":")[2]: key.partition(":")[0] for key in KEYS.split(",")}
        self.client.kie(
            "PUT", "keys", **{key: {"account": name, "state": "ok", "credits": 1e9} for key, name in well.items()}
        )
        self.client.call("PUT", "/sandbox/openai/settings", json={"latency_seconds": 0})


def _migrate() -> None:
    db.connect(os.environ["DATABASE_URL"], pool_size=2)
    migrate()
