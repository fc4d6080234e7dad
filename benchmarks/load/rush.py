"""A crowd that has its orders ready, and confirms them within a time.

Telegram takes about 30 messages a second of a bot, and a whole dialogue is a dozen: a thousand dialogues within two minutes would
measure Telegram. So everybody says /start, the rest of their dialogue is written into the database, and what falls into the time is
each one's «Запустить».
"""

import random
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from rich.progress import Progress

from benchmarks.crowd import query
from benchmarks.latency import answers as seen
from neurocards import db, drafts, orders
from neurocards.buttons import data
from neurocards.media import Picture, normalise_photo
from neurocards.models import Draft
from sandbox.client import SandboxClient, User
from sandbox.customer import PHOTO, TEXT

HANDS = 16
PATIENCE = 300.0
# The customer's evening: a thousand orders in two minutes at its worst.
RATE = 1000 / 120


ENDED = "SELECT count(*) FROM jobs WHERE finished_at IS NOT NULL AND id > %s"


class Target(Protocol):
    """A system under load. Only its jobs with ids above `newest` are looked at."""

    database: str
    newest: int

    def check(self) -> None:
        """Raises when a part of it has died."""


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


def confirm(crowd: Sequence[Ready], within: float, progress: Progress, seed: int = 1) -> float:
    """Everybody confirms, at moments drawn evenly from `within` seconds; returns how late the latest tap was, which is our own fault."""
    task = progress.add_task("confirms", total=len(crowd))
    draw = random.Random(seed)  # noqa: S311  arrivals
    moments = sorted(draw.uniform(0, within) for _ in crowd)
    began = time.monotonic()

    def tap(ready: Ready, moment: float) -> float:
        time.sleep(max(0.0, began + moment - time.monotonic()))
        late = time.monotonic() - began - moment
        # The welcome doesn't have this button, but the bot can't know: it is what makes a summary without a dialogue.
        ready.user.tap(ready.message_id, data=ready.press, forged=True)
        progress.advance(task)
        return late

    with ThreadPoolExecutor(HANDS) as hands:
        return max(hands.map(tap, crowd, moments))


def answers(crowd: Sequence[Ready]) -> dict[str, list[float]]:
    """Seconds from each confirm being available to the bot to what its author saw first («Запускаю»), and to the order's card."""
    with ThreadPoolExecutor(HANDS) as hands:
        first = hands.map(lambda ready: ready.user.latencies()[-1:], crowd)
        card = hands.map(lambda ready: seen(ready.user)[-1:], crowd)
        return {
            "first": [s for found in first for s in found if s is not None],
            "card": [s for found in card for s in found],
        }


def watched(target: Target, total: int, progress: Progress, patience: float) -> None:
    """Waits until all orders have ended. Raises TimeoutError after `patience` seconds, and what `check` raises when a part has died."""
    task = progress.add_task("delivered", total=total)
    deadline = time.monotonic() + patience
    while (ended := int(query(target.database, ENDED, target.newest)[0][0])) < total:
        progress.update(task, completed=ended)
        target.check()
        if time.monotonic() > deadline:
            raise TimeoutError(f"{ended} of {total} orders have ended within {patience:.0f} s")
        time.sleep(0.5)
    progress.update(task, completed=total)
