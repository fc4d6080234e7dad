"""`credits`: look at and change balances, with a reason."""

import sys
from typing import Annotated

import typer

from neurocards import db, ledger
from neurocards.cli.terminal import connect, console
from neurocards.models import User

cli = typer.Typer(help="Look at and change balances.", no_args_is_help=True)


@cli.command("grant")
def grant(user_id: int, amount: int, reason: Annotated[str, typer.Option(help="why; it stays in the ledger")]) -> None:
    """Give AMOUNT credits to a user (negative: take back)."""
    connect()
    with db.db:
        if not User.select().where(User.id == user_id).exists():
            sys.stderr.write(f"user {user_id} has never written to the bot\n")
            raise typer.Exit(1)
        if amount == 0 or ledger.balance(user_id) + amount < 0:
            sys.stderr.write(f"{amount:+d} is not possible: the balance is {ledger.balance(user_id)}\n")
            raise typer.Exit(1)
        ledger.grant(user_id, amount, reason, "operator")
        console.print(f"user {user_id} has {ledger.balance(user_id)} credits now")
