"""`audit`: whether every promise holds on the live database."""

import typer

from neurocards import audit
from neurocards.cli.terminal import connect, console

cli = typer.Typer()


@cli.command("audit")
def audit_database() -> None:
    """Check the ten invariants in one snapshot. Status 1 and the ids when one is broken."""
    connect()
    violations = audit.audit()
    broken = {violation.invariant.name: violation for violation in violations}
    for invariant in audit.INVARIANTS:
        found = broken.get(invariant.name)
        verdict = f"[red]BROKEN by {invariant.of} {', '.join(map(str, found.ids))}[/]" if found else "[green]holds[/]"
        console.print(f"{invariant.name:4}{invariant.promise}: {verdict}", soft_wrap=True, highlight=False)
    raise typer.Exit(1 if violations else 0)
