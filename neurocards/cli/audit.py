"""`audit`: whether every promise holds on the live database, and between it and what the vendors saw."""

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from neurocards import audit
from neurocards.cli.terminal import connect, console
from neurocards.db import db
from neurocards.reconciliation import match, read_books, read_journal

cli = typer.Typer()

Journal = Annotated[
    Path | None,
    typer.Option(
        exists=True, dir_okay=False, help="the sandbox's journal of this database's whole life; no job may be under way"
    ),
]


@cli.command("audit")
def audit_database(journal: Journal = None) -> None:
    """Check the ten invariants in one snapshot. Status 1 and the ids when one is broken."""
    connect()
    violations = audit.audit()
    broken = {violation.invariant.name: violation for violation in violations}
    for invariant in audit.INVARIANTS:
        found = broken.get(invariant.name)
        verdict = f"[red]BROKEN by {_listed(invariant.of, found.ids)}[/]" if found else "[green]holds[/]"
        _print(f"{invariant.name:4}{invariant.promise}: {verdict}")
    sound = _reconcile(journal) if journal else True
    raise typer.Exit(1 if violations or not sound else 0)


def _reconcile(journal: Path) -> bool:
    """Prints what our books and the vendors' have in common and what not; whether that leaves nothing unexplained."""
    with db, closing(db.cursor()) as cursor:
        books = read_books(cursor)
    found = match(books, read_journal(journal))
    for name, count in found.figures.items():
        ids = found.violations.get(name)
        verdict = f"[red]{count}: {_listed('', ids)}[/]" if ids else str(count)
        _print(f"    {name.replace('_', ' ')}: {verdict}")
    return not found.violations


def _listed(of: str, ids: Iterable[object]) -> str:
    return f"{of} {', '.join(map(str, ids))}".strip()


def _print(line: str) -> None:
    console.print(line, soft_wrap=True, highlight=False)
