"""`python -m neurocards`: the operator's and the developer's command line, a module for each group of commands."""

import sys

import typer
from peewee import OperationalError, ProgrammingError
from psycopg2 import errorcodes

from neurocards import migrate as migration
from neurocards import monitoring
from neurocards.cli import audit, failures, jobs, keys, local, money, settings
from neurocards.cli.terminal import connect, console
from neurocards.db import in_a_line, sqlstate
from neurocards.errors import ConfigurationMistake

cli = typer.Typer(
    help="Neurocards: a product photo in, a short video that sells it out.", no_args_is_help=True, add_completion=False
)
for name, group in (("jobs", jobs.cli), ("credits", money.cli), ("keys", keys.cli)):
    cli.add_typer(group, name=name)
for commands in (audit.cli, failures.cli, local.cli, settings.cli):
    cli.add_typer(commands)


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line (`arguments` or the process's own); a database that is away or empty is one line and status 1."""
    try:
        cli(arguments)
    except OperationalError as error:
        sys.stderr.write(f"PostgreSQL is not reachable: {str(error).splitlines()[0]}\n")
        raise SystemExit(1) from None
    except ProgrammingError as error:
        # Those that a person can cause: a database not migrated, or by whom it may not be. Any other is a bug and keeps its traceback.
        if sqlstate(error) not in (
            errorcodes.UNDEFINED_TABLE,
            errorcodes.INSUFFICIENT_PRIVILEGE,
        ):
            raise
        sys.stderr.write(f"{in_a_line(error)}\n")
        raise SystemExit(1) from None
    except ConfigurationMistake as mistake:
        sys.stderr.write(f"{mistake}\n")
        raise SystemExit(2) from None


@cli.command()
def migrate() -> None:
    """Create or upgrade the database at DATABASE_URL, as its owner, and grant APP_ROLE what it needs. Safe to run again."""
    applied = migration.migrate(connect().app_role)
    console.print(f"applied: {', '.join(applied)}" if applied else "the database is up to date")


@cli.command()
def stats() -> None:
    """Show what /queue_stats shows."""
    connect()
    console.print_json(data=monitoring.queue_stats(None))
