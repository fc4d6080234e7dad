"""`keys`: how the provider's keys fare, and an operator's hand on one. Keys are named by fingerprint, or by its beginning."""

import sys
import time
from typing import Annotated, Any

import typer
from rich.live import Live
from rich.table import Table

from neurocards import db, keys, operators
from neurocards.cli.terminal import connect, console

cli = typer.Typer(help="Show the provider's keys, live in a terminal; release or quarantine one.")

REFRESH_SECONDS = 1.0


@cli.callback(invoke_without_command=True)
def show(context: typer.Context, once: Annotated[bool, typer.Option(help="print the table and end")] = False) -> None:
    """Show the provider's keys: live in a terminal until Ctrl-C, once otherwise."""
    connect()
    if context.invoked_subcommand:
        return
    if once or not console.is_terminal:
        console.print(_table())
        return
    with Live(_table(), console=console, auto_refresh=False) as live:
        try:
            while True:
                time.sleep(REFRESH_SECONDS)
                live.update(_table(), refresh=True)
        except KeyboardInterrupt:
            return


@cli.command()
def release(key: Annotated[str, typer.Argument(help="a fingerprint, or its beginning")]) -> None:
    """Put a key back to work, whatever was the matter with it."""
    _change(key, "released", lambda print_: operators.release_key(operators.SHELL, print_))


@cli.command()
def quarantine(
    key: Annotated[str, typer.Argument(help="a fingerprint, or its beginning")],
    reason: Annotated[str, typer.Option(help="why; it is shown in the table")] = "by the operator",
) -> None:
    """Take a key out of use until it is released; no probe ends this."""
    _change(key, "quarantined until released", lambda print_: operators.lock_key(operators.SHELL, print_, reason))


def _change(beginning: str, done: str, change: Any) -> None:
    with db.db:
        fitting = [row.fingerprint for row in keys.overview() if row.fingerprint.startswith(beginning)]
        if len(fitting) != 1:
            sys.stderr.write(f"{len(fitting)} keys begin with {beginning}\n")
            raise typer.Exit(1)
        change(fitting[0])
    console.print(f"key {fitting[0]}: {done}")


def _table() -> Table:
    table = Table("key", "account", "state", "why", "window", "in flight", "credit", "until", title="provider keys")
    with db.db:
        rows = keys.overview()
    for row in rows:
        until = "" if row.until is None else "released" if row.locked else f"{row.until:%m-%d %H:%M:%S}"
        credit = "" if row.credit is None else f"{row.credit:g} ({row.credit_at:%H:%M})"
        state = row.state if row.configured else f"{row.state}, not configured"
        window = f"{row.window}/{keys.CREATES_A_WINDOW}"
        table.add_row(row.fingerprint, row.account, state, row.reason, window, str(row.in_flight), credit, until)
    return table
