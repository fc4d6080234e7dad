"""What a process works with, built once where it begins and passed down."""

import os
import platform
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from uuid import UUID

from neurocards import clock, db
from neurocards.clients import telegram
from neurocards.clients.kie import Kie
from neurocards.clients.openai import Gpt
from neurocards.config import Settings
from neurocards.jobs import new_process_id
from neurocards.keys import KeyPool

POLLS_AT_ONCE = 8
# A callback may bring a lost task's id; without callbacks nothing will.
AWAIT_CALLBACK = 600.0
AWAIT_NOTHING = 60.0


@dataclass(frozen=True)
class App:
    """Settings, the vendors' clients, the key pool, and the claims this process is working on right now."""

    settings: Settings
    process: str
    instance: str
    kie: Kie
    gpt: Gpt
    telegram: telegram.Telegram
    keys: KeyPool
    in_hand: set[UUID] = field(default_factory=set)
    # Kept, so that their connections to KIE are too.
    pollers: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(POLLS_AT_ONCE, thread_name_prefix="poll")
    )

    @property
    def callbacks(self) -> bool:
        """Whether KIE can reach us."""
        return self.settings.public_base_url is not None

    @property
    def answer_due_in(self) -> float:
        """How long a lost answer to createTask is waited for, in seconds."""
        return AWAIT_CALLBACK if self.callbacks else AWAIT_NOTHING


def worker_name(log_dir: str | None) -> str:
    """What this worker process is called in its log: WORKER_NAME, if that is set. Else files are numbered from worker-1 on; where there are
    none, as in containers, the lines of several come together and tell host and process.
    """
    unnamed = "worker-1" if log_dir else f"worker-{platform.node() or 'host'}:{os.getpid()}"
    return os.environ.get("WORKER_NAME") or unnamed


def build(settings: Settings) -> App:
    """Makes the clients and points database and clock at their settings. Connects to nothing."""
    clock.set_scale(settings.time_scale)
    db.connect(settings.database_url.get_secret_value(), settings.db_pool_size)
    host = platform.node() or "host"
    return App(
        settings=settings,
        process=new_process_id(host, os.getpid()),
        instance=f"{host}:{os.getppid()}",
        kie=Kie(settings.kie_api_url, settings.kie_upload_url),
        gpt=Gpt(settings.openai_base_url, settings.openai_api_key.get_secret_value(), settings.openai_model),
        telegram=telegram.Telegram(telegram.connect(settings.bot_token.get_secret_value(), settings.telegram_api_url)),
        keys=KeyPool(settings.kie_keys),
    )
