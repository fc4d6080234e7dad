"""`make dev`: everything up until Ctrl-C, with a chat page in the browser; with BOT_TOKEN and API keys in `.env`, the real ones."""

import os
import signal
import threading
from pathlib import Path

from dotenv import dotenv_values
from rich.console import Console

from sandbox.guarded import ServiceError
from sandbox.local import ROOT, Local, StartFailed

# The variable of a vendor's key, and those of its addresses.
VENDORS = {
    "BOT_TOKEN": ("TELEGRAM_API_URL",),
    "OPENAI_API_KEY": ("OPENAI_BASE_URL",),
    "KIE_API_KEY": ("KIE_API_URL", "KIE_UPLOAD_URL", "PUBLIC_BASE_URL"),
}
console = Console(highlight=False)


def run(port: int) -> int:
    """Starts the system and waits for SIGINT or SIGTERM. Chats start afresh; users, orders and credits are kept in `var/`."""
    given, real = _given()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        with Local(_folder(), port=port, keep_data=True, settings=given, real=real) as local:
            console.print(_welcome(local, given), soft_wrap=True)
            while not stop.wait(1.0):
                local.check()
    except (StartFailed, ServiceError, OSError) as error:
        console.print(f"dev stopped: {error}", style="red", markup=False)
        return 1
    return 0


def _given() -> tuple[dict[str, str], set[str]]:
    """The settings of `.env` and the environment, and which vendors they make the real ones; for the others no address counts."""
    known = {**dotenv_values(ROOT / ".env"), **{key: os.environ[key] for key in VENDORS if key in os.environ}}
    real = {key for key in VENDORS if known.get(key)}
    ignored = {name for key, addresses in VENDORS.items() if key not in real for name in (key, *addresses)}
    return {name: value for name, value in known.items() if value and name not in ignored}, real


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
