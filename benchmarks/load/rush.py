"""A crowd that has its orders ready, and confirms them within a time.

Telegram takes about 30 messages a second of a bot, and a whole dialogue is a dozen: a thousand dialogues within two minutes would
measure Telegram. So everybody says /start, the rest of their dialogue is written into the database, and what falls into the time is
each one's «Запустить».
"""

import random
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.progress import Progress

from benchmarks.crowd import until
from benchmarks.latency import answers as seen
from benchmarks.load.figures import UNSENT, Orders
from neurocards import db, drafts, orders
from neurocards.buttons import data
from neurocards.media import Picture, normalise_photo
from neurocards.models import Draft
from sandbox.client import SandboxClient, User
from sandbox.customer import PHOTO, TEXT
from sandbox.local import StartFailed

HANDS = 16
PATIENCE = 300.0
# The customer's evening: a thousand orders in two minutes at its worst.
RATE = 1000 / 120
ENDED = "SELECT count(*) FROM ours WHERE finished_at IS NOT NULL"


@dataclass(frozen=True)
class Ready:
    """Somebody who only has to press «Запустить» under `message_id`."""

    user: User
    message_id: int
    press: str


def prepare(client: SandboxClient, database: str, count: int, progress: Progress) -> list[Ready]:
    """`count` new people, each with an order ready to be confirmed."""
    task = progress.add_task("dialogues", total=count)
    picture = normalise_photo(PHOTO.read_bytes())
    db.connect(database, pool_size=HANDS + 1)

    def one(_: int) -> Ready:
        ready = _ready(client.user(), picture)
        progress.advance(task)
        return ready

    try:
        with ThreadPoolExecutor(HANDS) as hands:
            return list(hands.map(one, range(count)))
    finally:
        db.db.close_all()


def _ready(user: User, picture: Picture) -> Ready:
    user.say("/start")
    welcome = user.wait(lambda message: message.from_bot, PATIENCE)
    draft = summarised(user.id, user.id, picture)
    return Ready(user, welcome.id, data("run", draft.id, draft.version))


def summarised(chat: int, person: int, picture: Picture) -> Draft:
    """A draft of one video that only waits for its confirm."""
    photo = orders.save_photo(person, picture.jpeg, picture.width, picture.height)
    return drafts.save(
        chat, person, state="confirm", photo_id=photo, description=TEXT, template="ugc", wishes="", count=1
    )


def paced(count: int, within: float, act: Callable[[int], None], progress: Progress) -> float:
    """Does `act` with each number below `count`, at moments drawn evenly from `within` seconds; returns how late the latest was begun,
    which is our own fault."""
    task = progress.add_task("confirms", total=count)
    draw = random.Random(1)  # noqa: S311  arrivals
    moments = sorted(draw.uniform(0, within) for _ in range(count))
    began = time.monotonic()

    def one(number: int) -> float:
        time.sleep(max(0.0, began + moments[number] - time.monotonic()))
        late = time.monotonic() - began - moments[number]
        act(number)
        progress.advance(task)
        return late

    with ThreadPoolExecutor(HANDS) as hands:
        return max(hands.map(one, range(count)))


class Target(ABC):
    """A system under load, with people of a sandbox who order. Only `orders` are looked at; `folder` has its logs, when they are ours."""

    database: str
    client: SandboxClient | None = None
    folder: Path | None = None
    orders: Orders
    crowd: Sequence[Ready] = ()

    @abstractmethod
    def check(self) -> None:
        """Raises StartFailed when a part of it has died."""

    @abstractmethod
    def about(self) -> dict[str, Any]:
        """What was run, for the report."""

    def prepare(self, count: int, progress: Progress) -> None:
        """Brings as many people to where they only have to confirm."""
        if self.client:
            self.crowd = prepare(self.client, self.database, count, progress)

    def confirm(self, count: int, within: float, progress: Progress) -> float:
        """All of them confirm within so many seconds; returns how late the latest tap was."""

        def tap(number: int) -> None:
            ready = self.crowd[number]
            # The welcome doesn't have this button, but the bot can't know: it is what makes a summary without a dialogue.
            ready.user.tap(ready.message_id, data=ready.press, forged=True)

        return paced(count, within, tap, progress)


def answers(crowd: Sequence[Ready]) -> dict[str, list[float]]:
    """Seconds from each confirm being available to the bot to what its author saw first («Запускаю»), and to the order's card."""
    with ThreadPoolExecutor(HANDS) as hands:
        first = hands.map(lambda ready: ready.user.latencies()[-1:], crowd)
        card = hands.map(lambda ready: seen(ready.user)[-1:], crowd)
        return {
            "first": [s for found in first for s in found if s is not None],
            "card": [s for found in card for s in found],
        }


def watched(target: Target, total: int, progress: Progress, patience: float) -> str:
    """Waits until all orders have ended and everybody has been told; returns why it did not come to that, else an empty text."""
    task = progress.add_task("delivered", total=total)

    def over() -> bool:
        target.check()
        ended = int(target.orders.query(ENDED)[0][0])
        progress.update(task, completed=ended)
        return ended >= total and target.orders.query(UNSENT)[0][0] == 0

    try:
        until(over, f"{total} orders to end and their people to be told", patience, every=0.5)
    except (TimeoutError, StartFailed) as wrong:
        return str(wrong)
    return ""
