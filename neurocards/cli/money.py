"""`credits`: look at and change balances, with a reason."""

import sys
from typing import Annotated

import typer

from neurocards import operators
from neurocards.cli.terminal import connect, console
from neurocards.errors import DeedRefused

cli = typer.Typer(help="Look at and change balances.", no_args_is_help=True)


@cli.command("grant")
def grant(user_id: int, amount: int, reason: Annotated[str, typer.Option(help="why; it stays in the ledger")]) -> None:
    """Give AMOUNT credits to a user (negative: take back)."""
    connect()
    try:
        balance = operators.grant(operators.SHELL, user_id, amount, reason)
    except DeedRefused as refused:
        why = {"no_user": "this person has never written to the bot", "no_amount": "zero is nothing"}
        sys.stderr.write(f"{amount:+d} is not possible for user {user_id}: {why.get(refused.reason, refused)}\n")
        raise typer.Exit(1) from None
    console.print(f"user {user_id} has {balance} credits now")
