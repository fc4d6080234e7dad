"""Runs a program on the database of DATABASE_URL: `with_database.py [--name OTHER] pg_dump --format=custom`.

The address reaches the program in libpq's environment variables, since arguments can be read by everyone on the machine. With
`--name` it is another database on the same server, in DATABASE_URL too. Where bot and workers have a role of their own, the
owner's DATABASE_URL and APP_ROLE stand in `.env.owner`, which only root can read: what it says wins over `.env`.
"""

import argparse
import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from psycopg2 import ProgrammingError
from psycopg2.extensions import parse_dsn
from pydantic_settings import SettingsConfigDict

from neurocards.config import DatabaseSettings, load_or_exit

FILES = [Path(__file__).resolve().parent.parent / name for name in (".env", ".env.owner")]
VARIABLES = {
    "host": "PGHOST",
    "hostaddr": "PGHOSTADDR",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "dbname": "PGDATABASE",
    "passfile": "PGPASSFILE",
    "options": "PGOPTIONS",
    "connect_timeout": "PGCONNECT_TIMEOUT",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
    "sslmode": "PGSSLMODE",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "sslrootcert": "PGSSLROOTCERT",
}


class OwnerSettings(DatabaseSettings):
    """The owner's address, if this account may know it; else that of bot and workers."""

    model_config = SettingsConfigDict(env_file=[path for path in FILES if os.access(path, os.R_OK)])


def environment(url: str) -> dict[str, str]:
    """What libpq has to find in its environment to connect to `url`, and `url` itself for our own programs."""
    try:
        parts = parse_dsn(url)
    except ProgrammingError:
        sys.exit("DATABASE_URL is malformed: libpq does not understand it")
    if unknown := parts.keys() - VARIABLES.keys():
        sys.exit(f"DATABASE_URL: {', '.join(sorted(unknown))} can't be handed to PostgreSQL's programs")
    return {"DATABASE_URL": url} | {VARIABLES[name]: value for name, value in parts.items()}


def main() -> None:
    """Becomes the program; status 127 when there is none of that name."""
    parser = argparse.ArgumentParser(description="Run a program on the database of DATABASE_URL.")
    parser.add_argument("--name", help="another database on the same server")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    chosen = parser.parse_args()
    if not chosen.command:
        parser.error("which program?")
    settings = load_or_exit(OwnerSettings)
    url = settings.database_url.get_secret_value()
    if chosen.name:
        url = urlsplit(url)._replace(path=f"/{chosen.name}").geturl()
    role = {"APP_ROLE": settings.app_role} if settings.app_role else {}
    try:
        os.execvpe(chosen.command[0], chosen.command, {**os.environ, **role, **environment(url)})  # noqa: S606  no shell is wanted
    except FileNotFoundError:
        sys.stderr.write(f"{chosen.command[0]} is not installed: it comes with PostgreSQL's client programs\n")
        sys.exit(127)


if __name__ == "__main__":
    main()
