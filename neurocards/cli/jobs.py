"""`jobs`: which there are, and one with its whole story."""

import sys
from typing import Annotated

import typer
from rich.table import Table

from neurocards import db, lookup
from neurocards.cli.terminal import connect, console
from neurocards.errors import DeedRefused
from neurocards.lookup import Story
from neurocards.models import Job

cli = typer.Typer(help="Look at jobs.", no_args_is_help=True)


@cli.command("list")
def list_jobs(
    status: Annotated[str | None, typer.Option(help="queued, processing, done, failed or cancelled")] = None,
    user: Annotated[int | None, typer.Option(help="a Telegram user id")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 20,
) -> None:
    """List jobs, newest first."""
    connect()
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


@cli.command("show")
def show_job(job_id: int) -> None:
    """Show one job with its events, attempts and money."""
    connect()
    try:
        story = lookup.story(job_id)
    except DeedRefused:
        sys.stderr.write(f"there is no job {job_id}\n")
        raise typer.Exit(1) from None
    job = story.job
    console.print(
        f"job {job.id}, order {job.order_id}, user {job.user_id}: {job.status} {job.stage or ''}, due {job.due_at:%H:%M:%S}"
    )
    console.print(f"product: {story.order.description}", markup=False)
    console.print(_events(story), _attempts(story), _money(story))


def _events(story: Story) -> Table:
    table = Table("at", "from", "to", "reason", "by", title="events")
    for event in story.events:
        moved = (event.from_stage or event.from_status or "", event.to_stage or event.to_status)
        table.add_row(f"{event.at:%H:%M:%S.%f}"[:-3], *moved, event.reason, event.actor)
    return table


def _attempts(story: Story) -> Table:
    table = Table("n", "model", "key", "state", "task", "checks", "error", title="provider attempts")
    for attempt in story.attempts:
        made = (attempt.n, attempt.model, attempt.key, attempt.state)
        row = (*made, attempt.task_id or "", attempt.checks, attempt.error or "")
        table.add_row(*map(str, row))
    return table


def _money(story: Story) -> Table:
    table = Table("at", "kind", "credits", "reason", "by", title="money")
    for entry in story.entries:
        table.add_row(f"{entry.created_at:%H:%M:%S}", entry.kind, f"{entry.amount:+d}", entry.reason, entry.actor)
    return table
