"""The customer's day at 48 times real speed: 1,200 users, 1,000 orders between 20:00 and 22:00, 600 over the rest; half an hour.

python -m benchmarks.day [--fraction 1.0] [--workers 5] [--time-scale 48]

What is asked: what a day leaves behind in memory, open files, database and log. `--fraction 0.1` is a day of 2.4 hours with a tenth of
people and orders. Telegram's 25 messages a second are not 48 times as many here: a thousand whole dialogues in 150 s can't be had, so
those of the evening are held over the hours before, and only their confirms fall into it. Writes benchmarks/results/day.json.
"""

import argparse
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

from rich.progress import Progress

from benchmarks.crowd import percentiles, query, report
from benchmarks.latency import answers
from benchmarks.load import figures, rush, tables
from benchmarks.load.run import folder, progress_bar
from benchmarks.load.system import System
from benchmarks.load.usage import Meter, Usage
from sandbox.client import SandboxClient, SandboxRefused
from sandbox.customer import PHOTO, TEXT, Customer

HOUR = 3600.0
USERS, IN_THE_EVENING, OVER_THE_REST = 1200, 1000, 600
EVENING, NOON, MIDNIGHT = (20.0, 22.0), 11.0, 24.0
TIMES: dict[str, float | list[float]] = {"render": [180.0, 300.0], "gpt": 3.0, "upload": 0.5, "create": 0.5}
HANDS = 64
# An order's deadline is an hour; what is open at midnight has ended after it (product seconds).
AFTER_MIDNIGHT = 5400.0
SIZE = "SELECT pg_database_size(current_database())"
ROWS = """
    SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM orders), (SELECT count(*) FROM jobs WHERE finished_at IS NULL),
           (SELECT count(*) FROM inbox WHERE handled_at IS NULL), (SELECT count(*) FROM inbox WHERE error IS NOT NULL)"""


class Moment(NamedTuple):
    """Somebody does something at an hour of the day."""

    hour: float
    person: int
    act: Callable[["Person"], None]


@dataclass
class Person:
    """One of the users. What they do, they do one after another."""

    customer: Customer

    def __post_init__(self) -> None:
        self._busy = threading.Lock()

    def do(self, act: Callable[["Person"], None]) -> str:
        """Does it; what went wrong, or an empty text."""
        with self._busy:
            try:
                act(self)
            except (TimeoutError, LookupError, SandboxRefused) as error:
                return f"{act.__name__}: {type(error).__name__}"
        return ""

    def prepare(self) -> None:
        """As far as the summary: once more of the last video, if there is one, else through the whole dialogue."""
        videos = [message for message in self.customer.user.chat() if message.kind == "video" and "Ещё" in str(message)]
        if videos:
            self.customer.answer = videos[-1]
            self.customer.tap("Ещё вариант")
            return
        self.customer.say("/start")
        self.customer.send(PHOTO)
        self.customer.say(TEXT)
        for label in ("UGC-блогер", "Пропустить", "1 видео"):
            self.customer.tap(label)

    def confirm(self) -> None:
        """«Запустить»."""
        self.customer.tap("Запустить")

    def order(self) -> None:
        """Both at once."""
        self.prepare()
        self.confirm()

    def look_around(self) -> None:
        """What people do besides: the balance, the history and a video of it, help."""
        self.customer.say("/balance")
        shown = self.customer.say("/history")
        if play := next((label for label in shown.labels if "▶" in label), None):
            self.customer.user.tap(shown, play)
        self.customer.say("/help")


def course(fraction: float, seed: int = 1) -> list[Moment]:
    """All that happens on the day, in order. A fraction of a day is as dense as the whole."""
    draw = random.Random(seed)  # noqa: S311  people
    users = max(10, round(USERS * fraction))
    evening = min(users - 1, round(IN_THE_EVENING * fraction))
    moments = [moment for person in range(evening) for moment in _evening(person, draw)]
    moments += [moment for _ in range(round(OVER_THE_REST * fraction)) for moment in _some_time(users, evening, draw)]
    return sorted(
        (Moment(hour * fraction, person, act) for hour, person, act in moments), key=lambda moment: moment.hour
    )


def _evening(person: int, draw: random.Random) -> Iterator[Moment]:
    hour = draw.uniform(*EVENING)
    yield Moment(draw.uniform(NOON, EVENING[0] - 0.3), person, Person.prepare)
    yield Moment(hour, person, Person.confirm)
    if draw.random() < 0.3:
        yield Moment(min(MIDNIGHT, hour + draw.uniform(0.5, 2)), person, Person.look_around)


def _some_time(users: int, evening: int, draw: random.Random) -> Iterator[Moment]:
    hour = draw.choice([draw.uniform(0, EVENING[0])] * 10 + [draw.uniform(EVENING[1], MIDNIGHT)])
    # Whoever has an order for the evening half made leaves it alone.
    person = draw.randrange(evening, users) if NOON - 0.5 < hour < EVENING[1] + 0.5 else draw.randrange(users)
    yield Moment(hour, person, Person.order)
    yield Moment(min(MIDNIGHT, hour + draw.uniform(0.2, 1)), person, Person.look_around)


def live(
    client: SandboxClient, moments: list[Moment], scale: float, progress: Progress
) -> tuple[list[Person], Counter[str]]:
    """Lets the day pass; its people, and what went wrong in dialogues, counted."""
    people = [Person(Customer(client.user(), patience=90)) for _ in range(1 + max(moment.person for moment in moments))]
    task, began = progress.add_task("the day", total=len(moments)), time.monotonic()

    def act(moment: Moment) -> str:
        time.sleep(max(0.0, began + moment.hour * HOUR / scale - time.monotonic()))
        wrong = people[moment.person].do(moment.act)
        progress.advance(task)
        return wrong

    with ThreadPoolExecutor(HANDS) as hands:
        return people, Counter(filter(None, hands.map(act, moments)))


def main() -> None:
    """Plays the day and prints what it left behind."""
    options = _options()
    moments = course(options.fraction)
    orders = sum(moment.act in (Person.confirm, Person.order) for moment in moments)
    before = figures.circumstances()
    with System(
        folder(), workers=options.workers, time_scale=options.time_scale, times=TIMES, telegram_limit=False
    ) as system:
        size = query(system.database, SIZE)[0][0]
        with progress_bar() as progress, Meter(every=HOUR / options.time_scale) as meter:
            people, broke = live(system.client, moments, options.time_scale, progress)
            placed = int(query(system.database, "SELECT count(*) FROM jobs")[0][0])
            aborted = rush.watched(system, placed, progress, AFTER_MIDNIGHT / options.time_scale + 60)
        run = {**before, **system.about(), "fraction_of_a_day": options.fraction, "orders_wanted": orders, "jobs": placed,
               **_figures(system, meter.usage, people, placed, aborted), "dialogues_that_broke": dict(broke),
               "database_mb": [round(bytes_ / 1e6, 1) for bytes_ in (size, query(system.database, SIZE)[0][0])]}  # fmt: skip
    figures.keep("day", run)
    _show(run)
    found = [figures.wrong(run), f"{placed} of {orders} orders were placed" if placed != orders else ""]
    if wrong := "; ".join(filter(None, found)):
        sys.exit(f"day: {wrong}")


def _figures(system: System, usage: Usage, people: list[Person], placed: int, aborted: str) -> figures.Figures:
    names = ("users", "orders", "jobs_open", "updates_open", "updates_set_aside")
    with ThreadPoolExecutor(8) as hands:
        latencies = [
            seconds for found in hands.map(lambda one: answers(one.customer.user), people) for seconds in found
        ]
    return {
        "rows": dict(zip(names, query(system.database, ROWS)[0], strict=True)),
        "throughput": figures.throughput(system.orders),
        "latency_ms_by_stage": figures.latency_by_stage(system.orders),
        "bot_latency_ms": percentiles(latencies),
        "cost": figures.cost(usage, system.orders, placed),
        "memory_mb_by_the_hour": {name: [round(mb) for mb in seen] for name, seen in usage.by_time.items()},
        "errors": {
            **figures.errors(system.orders, system.folder, aborted),
            "kie_429": figures.refused(system.client),
        },
        "money": figures.money(system.orders),
    }


def _show(run: figures.Figures) -> None:
    summary = {
        name: run[name] for name in ("orders_wanted", "rows", "dialogues_that_broke", "database_mb", "errors", "money")
    }
    summary |= {name: run["cost"][name] for name in ("memory_mb", "open_files", "cpu_ms_an_order_in_all", "cores_busy")}
    summary["bot_latency_ms"] = run["bot_latency_ms"]
    tables.show_latency("latency by stage, in real seconds", run["latency_ms_by_stage"])
    tables.show("the day (memory and open files: at the start, at most, at the end)", summary)
    report(**summary)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.day")
    parser.add_argument("--fraction", type=float, default=1.0, help="of a day, its people and orders")
    parser.add_argument("--workers", type=int, default=5, help="worker instances, the default of a deployment")
    parser.add_argument("--time-scale", type=float, default=48.0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
