"""`make dev`: everything up until Ctrl-C, with a chat page in the browser; with BOT_TOKEN and API keys in `.env`, the real ones."""

import os
import signal
import threading
from pathlib import Path

from dotenv import dotenv_values
from rich.console import Console

from sandbox.guarded import ServiceError
from sandbox.local import ROOT, Local, StartFailed

console = Console(highlight=False)


def run(port: int) -> int:
    """Starts the system and waits for SIGINT or SIGTERM. Chats start afresh; users, orders and credits are kept in `var/`."""
    given = {name: value for name, value in {**dotenv_values(ROOT / ".env"), **_keys()}.items() if value}
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        with Local(_folder(), port=port, keep_data=True, settings=given) as local:
            console.print(_welcome(local, given), soft_wrap=True)
            while not stop.wait(1.0):
                local.check()
    except (StartFailed, ServiceError, OSError) as error:
        console.print(f"dev stopped: {error}", style="red", markup=False)
        return 1
    return 0


def _keys() -> dict[str, str]:
    return {name: os.environ[name] for name in ("BOT_TOKEN", "OPENAI_API_KEY", "KIE_API_KEY") if os.environ.get(name)}


def _folder() -> Path:
    folder = ROOT / "var" / "dev"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _welcome(local: Local, given: dict[str, str]) -> str:
    chat = "Telegram itself (BOT_TOKEN is set)" if "BOT_TOKEN" in given else local.sandbox.url
    lines = [
        "[bold]Neurocards is up.[/bold] Ctrl-C stops it.",
        f"  chat      {chat}",
        f"  figures   http://127.0.0.1:{local.port}/queue_stats",
        f"  logs      {local.folder.relative_to(ROOT)}/run_bot.log, run_workers.log",
        f"  database  DATABASE_URL={local.environment['DATABASE_URL']} .venv/bin/python -m neurocards jobs list",
    ]
    return "\n".join(lines)
