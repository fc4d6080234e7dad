"""`python -m neurocards`: the operator's and the developer's command line."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from peewee import OperationalError, ProgrammingError
from rich.console import Console
from rich.table import Table

from neurocards import clock, db, ledger, monitoring
from neurocards import migrate as migration
from neurocards.config import DatabaseSettings, load_or_exit
from neurocards.models import Job, JobEvent, LedgerEntry, Order, ProviderAttempt, User

cli = typer.Typer(
    help="Neurocards: a product photo in, a short video that sells it out.", no_args_is_help=True, add_completion=False
)
jobs_cli = typer.Typer(help="Look at jobs.", no_args_is_help=True)
credits_cli = typer.Typer(help="Look at and change balances.", no_args_is_help=True)
cli.add_typer(jobs_cli, name="jobs")
cli.add_typer(credits_cli, name="credits")
console = Console()


def _connect() -> None:
    settings = load_or_exit(DatabaseSettings)
    clock.set_scale(settings.time_scale)
    db.connect(settings.database_url.get_secret_value(), settings.db_pool_size)


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line (`arguments` or the process's own); a database that is away or empty is one line and status 1."""
    try:
        cli(arguments)
    except OperationalError as error:
        sys.stderr.write(f"PostgreSQL is not reachable: {str(error).splitlines()[0]}\n")
        raise SystemExit(1) from None
    except ProgrammingError as error:
        # The one that a person can cause: a database that was never migrated. Any other is a bug and keeps its traceback.
        if "does not exist" not in str(error):
            raise
        sys.stderr.write("the database has no tables yet: run python3 scripts/migrate_db.py\n")
        raise SystemExit(1) from None


@cli.command()
def migrate() -> None:
    """Create or upgrade the database at DATABASE_URL. Running it twice changes nothing."""
    _connect()
    applied = migration.migrate()
    console.print(f"applied: {', '.join(applied)}" if applied else "the database is up to date")


@cli.command()
def stats() -> None:
    """Show what /queue_stats shows."""
    _connect()
    console.print_json(data=monitoring.queue_stats(None))


@jobs_cli.command("list")
def list_jobs(
    status: Annotated[str | None, typer.Option(help="queued, processing, done, failed or cancelled")] = None,
    user: Annotated[int | None, typer.Option(help="a Telegram user id")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 20,
) -> None:
    """List jobs, newest first."""
    _connect()
    table = Table("job", "order", "user", "status", "stage", "attempts", "created", "failure")
    chosen = Job.select().order_by(Job.id.desc()).limit(limit)
    if status:
        chosen = chosen.where(Job.status == status)
    if user:
        chosen = chosen.where(Job.user == user)
    with db.db:
        for job in chosen:
            tried = f"{job.script_attempts}+{job.render_attempts}"
            row = (
                job.id,
                job.order_id,
                job.user_id,
                job.status,
                job.stage or "",
                tried,
                f"{job.created_at:%m-%d %H:%M:%S}",
                job.failure_category or "",
            )
            table.add_row(*map(str, row))
    console.print(table)


@jobs_cli.command("show")
def show_job(job_id: int) -> None:
    """Show one job with its events, attempts and money."""
    _connect()
    with db.db:
        job = Job.get_or_none(Job.id == job_id)
        if job is None:
            sys.stderr.write(f"there is no job {job_id}\n")
            raise typer.Exit(1)
        console.print(
            f"job {job.id}, order {job.order_id}, user {job.user_id}: {job.status} {job.stage or ''}, due {job.due_at:%H:%M:%S}"
        )
        console.print(f"product: {Order.get_by_id(job.order_id).description}", markup=False)
        console.print(_events(job_id), _attempts(job_id), _money(job_id))


def _events(job_id: int) -> Table:
    table = Table("at", "from", "to", "reason", "by", title="events")
    for event in JobEvent.select().where(JobEvent.job == job_id).order_by(JobEvent.id):
        moved = (event.from_stage or event.from_status or "", event.to_stage or event.to_status)
        table.add_row(f"{event.at:%H:%M:%S.%f}"[:-3], *moved, event.reason, event.actor)
    return table


def _attempts(job_id: int) -> Table:
    table = Table("n", "model", "key", "state", "task", "checks", "error", title="provider attempts")
    for attempt in ProviderAttempt.select().where(ProviderAttempt.job == job_id).order_by(ProviderAttempt.n):
        row = (
            attempt.n,
            attempt.model,
            attempt.key,
            attempt.state,
            attempt.task_id or "",
            attempt.checks,
            attempt.error or "",
        )
        table.add_row(*map(str, row))
    return table


def _money(job_id: int) -> Table:
    table = Table("at", "kind", "credits", "reason", "by", title="money")
    for entry in LedgerEntry.select().where(LedgerEntry.job == job_id).order_by(LedgerEntry.id):
        table.add_row(f"{entry.created_at:%H:%M:%S}", entry.kind, f"{entry.amount:+d}", entry.reason, entry.actor)
    return table


@credits_cli.command("grant")
def grant(user_id: int, amount: int, reason: Annotated[str, typer.Option(help="why; it stays in the ledger")]) -> None:
    """Give AMOUNT credits to a user (negative: take back)."""
    _connect()
    with db.db:
        if not User.select().where(User.id == user_id).exists():
            sys.stderr.write(f"user {user_id} has never written to the bot\n")
            raise typer.Exit(1)
        if amount == 0 or ledger.balance(user_id) + amount < 0:
            sys.stderr.write(f"{amount:+d} is not possible: the balance is {ledger.balance(user_id)}\n")
            raise typer.Exit(1)
        ledger.grant(user_id, amount, reason, "operator")
        console.print(f"user {user_id} has {ledger.balance(user_id)} credits now")


@cli.command()
def demo(
    photo: Annotated[Path | None, typer.Option(help="a product photo of your own", exists=True, dir_okay=False)] = None,
    text: Annotated[str | None, typer.Option(help="what the product is")] = None,
) -> None:
    """Play one customer from /start to the finished video, on real parts. The last line is the video's path."""
    # Development packages: a production installation has none of them.
    from sandbox import demo as play  # noqa: PLC0415

    raise typer.Exit(play.run(photo, text))


@cli.command()
def dev(port: Annotated[int, typer.Option(help="the chat page's port")] = 9101) -> None:
    """Start everything and stay up, with a chat page in the browser in place of Telegram."""
    from sandbox import dev as local  # noqa: PLC0415  as above

    raise typer.Exit(local.run(port))
