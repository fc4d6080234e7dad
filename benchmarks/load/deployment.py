"""A deployment that runs already, found by its addresses, put under the same load.

With a sandbox in place of its vendors, the sandbox's people order through the bot. Without, the vendors are real: orders are placed
straight through the domain for marked people without a chat, all videos go to one chat, and somebody has agreed to pay for them.
"""

from typing import Any

import dramatiq
import requests
from rich.progress import Progress

from benchmarks.crowd import query
from benchmarks.load.figures import Orders
from benchmarks.load.rush import HANDS, Target, paced, summarised
from neurocards import db, dispatch, ledger, orders
from neurocards.media import Picture, normalise_photo
from neurocards.models import User
from sandbox.client import SandboxClient
from sandbox.customer import PHOTO
from sandbox.local import StartFailed

# Telegram's ids are far below: nobody real is ever one of these.
MARKED = 8_000_000_000_000_000
NEWEST = "SELECT coalesce(max(id), 0) FROM jobs"


class Deployment(Target):
    """`url` is the bot's HTTP address."""

    def __init__(self, url: str, database: str, client: SandboxClient | None = None) -> None:
        self.database, self.client = database, client
        self.orders = Orders(database, int(query(database, NEWEST)[0][0]))
        self._url = url

    def about(self) -> dict[str, Any]:
        """What was measured, for the report."""
        stats = self._stats()
        return {"deployment": self._url, "workers": stats["workers_configured"], "queue_before": stats["queue"]}

    def check(self) -> None:
        """Raises StartFailed when the bot can't be reached any more."""
        try:
            self._stats()
        except requests.RequestException as error:
            raise StartFailed(f"{self._url} does not answer any more: {error}") from None

    def _stats(self) -> dict[str, Any]:
        answer = requests.get(f"{self._url.rstrip('/')}/queue_stats", timeout=10)
        answer.raise_for_status()
        stats: dict[str, Any] = answer.json()
        return stats


class RealDeployment(Deployment):
    """With real vendors. Only what marked people order is looked at, and `chat` gets their videos."""

    def __init__(self, url: str, database: str, redis: str, chat: int) -> None:
        super().__init__(url, database)
        self.orders = Orders(database, self.orders.after, MARKED)
        self._redis, self._chat = redis, chat

    def confirm(self, count: int, within: float, progress: Progress) -> float:
        """Places the orders straight through the domain, a person each."""
        db.connect(self.database, pool_size=HANDS + 1)
        dramatiq.set_broker(dispatch.make_broker(self._redis, []))
        picture, first = normalise_photo(PHOTO.read_bytes()), MARKED + self.orders.after
        try:
            return paced(count, within, lambda number: self._order(first + number, picture), progress)
        finally:
            db.db.close_all()

    def _order(self, person: int, picture: Picture) -> None:
        orders.meet(person, "Load test", "ru", 0)
        with db.db:
            ledger.grant(person, 1, "load test", "stress_test")
            # Nobody is there: a message to everybody passes them over.
            User.update(reachable=False).where(User.id == person).execute()
        draft = summarised(self._chat, person, picture)
        orders.place(person, self._chat, draft.id, draft.version, None)
