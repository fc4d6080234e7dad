"""A deployment that runs already, found by its addresses, put under the same load.

With a sandbox in place of its vendors, the sandbox's people order through the bot. Without, the vendors are real: orders are placed
straight through the domain for marked people without a chat, all videos go to one chat, and somebody has agreed to pay for them.
"""

import random
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dramatiq
import requests
from rich.progress import Progress

from benchmarks.crowd import query
from benchmarks.load.rush import HANDS, summarised
from neurocards import db, dispatch, ledger, orders
from neurocards.media import Picture, normalise_photo
from sandbox.client import SandboxClient
from sandbox.customer import PHOTO

# Telegram's ids are far below: nobody real is ever one of these.
MARKED = 8_000_000_000_000_000
NEWEST = "SELECT coalesce(max(id), 0) FROM jobs"


@dataclass
class Deployment:
    """`url` is the bot's HTTP address; `chat` gets the videos when there is no `client` of a sandbox."""

    url: str
    database: str
    redis: str
    client: SandboxClient | None = None
    chat: int = 0
    folder: Path | None = None

    def __post_init__(self) -> None:
        self.newest = int(query(self.database, NEWEST)[0][0])

    def about(self) -> dict[str, Any]:
        """What was measured, for the report."""
        stats = self._stats()
        return {"deployment": self.url, "workers": stats["workers_configured"], "queue_before": stats["queue"]}

    def check(self) -> None:
        """Raises when the bot can't be reached any more."""
        self._stats()

    def _stats(self) -> dict[str, Any]:
        answer = requests.get(f"{self.url.rstrip('/')}/queue_stats", timeout=10)
        answer.raise_for_status()
        stats: dict[str, Any] = answer.json()
        return stats

    def place(self, count: int, within: float, progress: Progress) -> float:
        """Places `count` orders straight through the domain, a person each, at moments drawn from `within` seconds."""
        task = progress.add_task("orders", total=count)
        db.connect(self.database, pool_size=HANDS + 1)
        dramatiq.set_broker(dispatch.make_broker(self.redis, []))
        began, moments = time.monotonic(), _moments(count, within)
        picture = normalise_photo(PHOTO.read_bytes())

        def one(number: int) -> float:
            time.sleep(max(0.0, began + moments[number] - time.monotonic()))
            late = time.monotonic() - began - moments[number]
            self._order(MARKED + self.newest + number, picture)
            progress.advance(task)
            return late

        try:
            with ThreadPoolExecutor(HANDS) as hands:
                return max(hands.map(one, range(count)))
        finally:
            db.db.close_all()

    def _order(self, person: int, picture: Picture) -> None:
        orders.meet(person, "Load test", "ru", 0)
        with db.db:
            ledger.grant(person, 1, "load test", "stress_test")
        draft = summarised(self.chat, person, picture)
        orders.place(person, self.chat, draft.id, draft.version, None)


def _moments(count: int, within: float) -> Sequence[float]:
    draw = random.Random(1)  # noqa: S311  arrivals
    return sorted(draw.uniform(0, within) for _ in range(count))
