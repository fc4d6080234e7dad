"""Orders that keep coming, so that there is always work in the hands of whoever is killed."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

from reliability.chaos.shoppers import Shopper
from reliability.chaos.system import System
from reliability.recovery.instruments import rows

COUNT = 5  # videos an order: one dialogue, much work
SHOPPERS_AT_ONCE = 4
LOOK_EVERY = 0.3
UNDER_WAY = "SELECT count(*) FROM jobs WHERE finished_at IS NULL"


class Flow(threading.Thread):
    """Lets new customers order as long as fewer than `videos` are under way; at the end of `with` all have ordered."""

    def __init__(self, system: System, videos: int) -> None:
        super().__init__(name="flow")
        self._system, self._videos = system, videos
        self._enough = threading.Event()
        self._pool = ThreadPoolExecutor(SHOPPERS_AT_ONCE)
        self._ordering: list[Future[bool]] = []

    @property
    def people(self) -> int:
        """Customers so far."""
        return len(self._ordering)

    def run(self) -> None:
        """Looks and sends customers in. Must be told that it is enough before the database goes away."""
        while not self._enough.wait(LOOK_EVERY):
            choosing = sum(not one.done() for one in self._ordering)
            if rows(self._system.database, UNDER_WAY)[0][0] + COUNT * choosing < self._videos:
                shopper = Shopper(self._system.client.user(), COUNT)
                self._ordering.append(self._pool.submit(shopper.order))

    def enough(self) -> None:
        """No new customers; those who are choosing go on."""
        self._enough.set()
        self.join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.enough()
        self._pool.shutdown()
