"""The report for people: figures as tables on a terminal."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

console = Console(highlight=False)
COLUMNS = ("p50", "p95", "p99", "max")


def show(title: str, figures: Mapping[str, Any]) -> None:
    """One table of names and values; what is itself a mapping is written out in its cell."""
    table = Table("", "", title=title, title_justify="left", show_header=False)
    for name, value in figures.items():
        table.add_row(name.replace("_", " "), _cell(value))
    console.print(table)


def show_latency(title: str, figures: Mapping[str, Mapping[str, float]]) -> None:
    """Percentiles in seconds, a row each."""
    table = Table("", *COLUMNS, "n", title=title, title_justify="left")
    for name, found in figures.items():
        table.add_row(name, *(f"{found[column] / 1000:.2f} s" for column in COLUMNS), str(found["n"]))
    console.print(table)


def show_side_by_side(title: str, runs: Mapping[str, Mapping[str, Any]]) -> None:
    """A column for each run, a row for each figure."""
    table = Table("", *runs, title=title, title_justify="left")
    for name in next(iter(runs.values())):
        table.add_row(name.replace("_", " "), *(_cell(run.get(name)) for run in runs.values()))
    console.print(table)


def _cell(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_cell(inner)}" for name, inner in value.items()) or "none"
    if isinstance(value, list):
        return " → ".join(map(str, value)) or "none"
    return str(value)
