"""`python3 tests/stress_test.py --jobs=100 --workers=10`: orders upon a whole system, and the report on how it bore them."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.load import tables
from benchmarks.load.deployment import Deployment, RealDeployment
from benchmarks.load.figures import Figures, wrong
from benchmarks.load.run import folder, play
from benchmarks.load.rush import RATE
from benchmarks.load.system import System
from sandbox.client import SandboxClient

TIMES: dict[str, float | list[float]] = {"render": [120.0, 240.0], "gpt": 3.0, "upload": 0.5, "create": 0.5}
# An order that nothing disturbs takes five minutes; a crowd waits for KIE's window (seconds of the product's time).
PATIENCE = 900.0
# What one account is asked for (creates a second), and how long an order may wait for it: its deadline is an hour.
DRAINED, DEADLINE = 1.95, 3600.0 - 300.0

REAL = (
    "{url} is asked to make {jobs} real videos: {jobs} tasks at KIE and {jobs} requests to GPT, which its accounts pay, and {jobs} "
    "videos to the chat {chat}.\nIf that is meant: --chat-id YOUR_ID --yes-spend-credits. If its vendors are a sandbox: --sandbox-url URL."
)


def main(
    *,
    jobs: Annotated[int, typer.Option(min=1, max=100_000, help="orders, of one video each")] = 100,
    workers: Annotated[int, typer.Option(min=1, max=20, help="worker instances to start (without --url)")] = 10,
    within: Annotated[
        float | None,
        typer.Option(min=0, help="seconds into which the orders fall, 0: at once; by default 8.3 a second"),
    ] = None,
    time_scale: Annotated[
        float, typer.Option(min=0.1, help="divides every delay; 1 is real time (without --url)")
    ] = 60.0,
    accounts: Annotated[int, typer.Option(min=0, help="KIE accounts; 0 lifts KIE's limit (without --url)")] = 1,
    url: Annotated[str, typer.Option(help="a running deployment: its bot's HTTP address")] = "",
    database_url: Annotated[str, typer.Option(envvar="DATABASE_URL", help="with --url: its PostgreSQL")] = "",
    redis_url: Annotated[str, typer.Option(envvar="REDIS_URL", help="with --url: its Redis")] = "",
    sandbox_url: Annotated[str, typer.Option(help="with --url: the sandbox that stands in for its vendors")] = "",
    chat_id: Annotated[int, typer.Option(help="with --url and real vendors: who gets the videos")] = 0,
    yes_spend_credits: Annotated[bool, typer.Option(help="with --url and real vendors: yes, pay for them")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="also write all figures here")] = None,
) -> None:
    """Places orders upon a system of its own, or a running one, and reports throughput, latency, cost and errors."""
    span = jobs / RATE if within is None else within
    limited = 1 if url else accounts
    if limited and jobs > DRAINED * limited * DEADLINE:
        typer.echo(f"warning: KIE accounts: {limited}; they take {DRAINED * limited:.2f} orders a second, and orders that have not ended "
                   f"after an hour fail: not all of {jobs} will be delivered", err=True)  # fmt: skip
    if url:
        target = _deployment(
            url=url, database_url=database_url, redis_url=redis_url, sandbox_url=sandbox_url, jobs=jobs, chat=chat_id,
            agreed=yes_spend_credits,
        )  # fmt: skip
        figures = play(target, jobs, span, PATIENCE + jobs / DRAINED)
    else:
        with System(folder(), workers=workers, accounts=accounts, time_scale=time_scale, times=TIMES) as system:
            typer.echo(f"bot, {workers} workers and stand-ins are up; logs: {system.folder}")
            figures = play(system, jobs, span, (PATIENCE + jobs) / time_scale + jobs)
    _show(figures)
    if json_file:
        json_file.write_text(json.dumps(figures, ensure_ascii=False, indent=1) + "\n")
    if found := wrong(figures):
        sys.exit(f"stress test: {found}")


def _deployment(
    *, url: str, database_url: str, redis_url: str, sandbox_url: str, jobs: int, chat: int, agreed: bool
) -> Deployment:
    if not database_url or not redis_url:
        sys.exit("stress test: with --url say where its data are: --database-url and --redis-url, or their variables")
    if sandbox_url:
        return Deployment(url, database_url, SandboxClient(sandbox_url))
    if not (agreed and chat):
        sys.exit(REAL.format(url=url, jobs=jobs, chat=chat or "of nobody yet"))
    return RealDeployment(url, database_url, redis_url, chat)


def _show(figures: Figures) -> None:
    tables.show("what was run", {name: figures[name] for name in figures if name not in _SHOWN_APART})
    pace = figures.get("time_scale", 1.0)
    seconds = "real seconds" + (f" of a run hurried {pace:g} times" if pace != 1 else "")
    tables.show(f"throughput, in {seconds}", figures["throughput"])
    tables.show_latency(f"latency by stage, in {seconds}", figures["latency_ms_by_stage"])
    if figures["bot_latency_ms"]:
        tables.show_latency("bot: from a confirm to its first answer, and to the card", figures["bot_latency_ms"])
    tables.show("cost (memory and open files: at the start, at most, at the end)", figures["cost"])
    tables.show("money", figures["money"])
    tables.show("errors", figures["errors"])


_SHOWN_APART = ("throughput", "latency_ms_by_stage", "bot_latency_ms", "cost", "money", "errors")
