"""`config`: every setting as `docs/configuration.md` has it, from the class that reads them."""

import sys

import typer
from pydantic.fields import FieldInfo

from neurocards.config import NEEDED_FOR_THE_WEBHOOK, Settings

cli = typer.Typer()

_PAGE = """\
# Configuration

`make docs` writes this page from `neurocards/config.py`. Each setting is an environment variable, or a line of `.env` in the folder where
the process starts; the environment wins, and an empty value counts as absent. A required one that is missing, or any that is malformed,
stops the start with one line that names it. `make demo`, `make dev` and `make test` bring servers and stand-ins of their own for what is
absent.

How lines of `.env` are written, and what Docker Compose alone wants to know: [.env.example](../.env.example).

| variable | what for | value | when absent |
|---|---|---|---|
{rows}
"""


@cli.command("config")
def print_configuration() -> None:
    """Print every setting: what it is for, what it may be, and what holds when it is absent."""
    sys.stdout.write(_PAGE.format(rows="\n".join(_row(name, field) for name, field in Settings.model_fields.items())))


def _row(name: str, field: FieldInfo) -> str:
    return f"| `{name.upper()}` | {field.title} | {field.description} | {_when_absent(field)} |"


def _when_absent(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    if NEEDED_FOR_THE_WEBHOOK in field.metadata:
        return "**required** for `BOT_MODE=webhook`, else none"
    if field.default in (None, ""):
        return "none"
    return f"`{field.default:g}`" if isinstance(field.default, float) else f"`{field.default}`"
