"""A minute without PostgreSQL, and one without Valkey, while people go on writing to the bot."""

import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from reliability.chaos.system import System
from reliability.chaos.verdict import UNFINISHED, spread
from reliability.recovery.flow import Flow
from reliability.recovery.instruments import mishandled, rows
from sandbox.client import User
from sandbox.customer import PHOTO, TEXT, Customer

# What a customer does from the first word to the confirm, and how.
WALK = (
    ("newcomer", "say", "/start"),
    ("photo", "photo", ""),
    ("description", "say", TEXT),
    ("template", "tap", "UGC-блогер"),
    ("wishes", "tap", "Пропустить"),
    ("count", "tap", "1 видео"),
    ("confirm", "tap", "Запустить"),
)
STEPS = tuple(step for step, _, _ in WALK)
# How many are about to take which step when PostgreSQL goes away; without Valkey all are about to confirm.
ABOUT_TO = {"newcomer": 4, "photo": 5, "description": 5, "template": 4, "wishes": 4, "count": 4, "confirm": 14}
ONLY_CONFIRM = {"confirm": 40}
# Orders under way besides, and the longest that everything may take afterwards (seconds).
UNDER_WAY, PATIENCE = 15, 700.0

ORDERS = "SELECT count(*), count(*) FILTER (WHERE created_at < to_timestamp(%s)) FROM orders WHERE user_id = ANY (%s)"
HANDLED_AT = (
    "SELECT extract(epoch FROM handled_at)::float8 FROM inbox WHERE update_id = ANY (%s) AND handled_at IS NOT NULL"
)
FINISHED_AT = """SELECT status, extract(epoch FROM finished_at)::float8 FROM jobs
    WHERE finished_at > to_timestamp(%s) AND created_at < to_timestamp(%s)"""


@dataclass
class Visitor:
    """Somebody about to take one step, and the updates that came of it."""

    customer: Customer
    step: str
    updates: list[int] = field(default_factory=list)

    @property
    def user(self) -> User:
        """The person."""
        return self.customer.user

    def come(self) -> None:
        """Takes all steps before it, each answered."""
        for _, how, what in WALK[: STEPS.index(self.step)]:
            _ANSWERED[how](self.customer, what)

    def go(self) -> None:
        """Takes the step and waits for no answer."""
        _, how, what = WALK[STEPS.index(self.step)]
        self.updates += _UNANSWERED[how](self.customer, what)


_ANSWERED: dict[str, Callable[[Customer, str], object]] = {
    "say": Customer.say,
    "photo": lambda customer, _: customer.send(PHOTO),
    "tap": Customer.tap,
}
_UNANSWERED: dict[str, Callable[[Customer, str], list[int]]] = {
    "say": lambda customer, text: customer.user.say(text),
    "photo": lambda customer, _: customer.user.photo(PHOTO),
    "tap": lambda customer, label: customer.user.tap(customer.answer.id if customer.answer else 0, label),
}


class Outage:
    """One minute of a system without one of its servers. `people` are all who ordered, with those before and after."""

    def __init__(self, system: System, seed: int) -> None:
        self.people = 0
        self._system = system
        self._rng = random.Random(seed)  # noqa: S311  a replay is wanted, not a secret

    def without_postgres(self, seconds: float) -> dict[str, Any]:
        """Everybody writes; nobody is answered before PostgreSQL is back."""
        server = self._system.services.postgres
        visitors, back = self._lived_through(ABOUT_TO, seconds, server.kill, server.start)
        updates = {number for visitor in visitors for number in visitor.updates}
        handled = [at - back for (at,) in rows(self._system.database, HANDLED_AT, sorted(updates))]
        return {
            "updates": len(updates),
            **{name: len(ids) for name, ids in mishandled(self._system.database, updates).items()},
            "handled_seconds": spread(handled),
            **self._orders(visitors, back),
        }

    def without_valkey(self, seconds: float) -> dict[str, Any]:
        """Everybody confirms, and is answered meanwhile."""
        server = self._system.services.valkey
        visitors, back = self._lived_through(ONLY_CONFIRM, seconds, server.kill, server.start)
        answers = [visitor.user.latencies()[-1] for visitor in visitors]
        known = sorted(seconds for seconds in answers if seconds is not None)
        return {
            "unanswered": answers.count(None),
            "answer_ms_p95": round(1000 * known[int(len(known) * 0.95)]) if known else None,
            **self._orders(visitors, back),
        }

    def _lived_through(
        self, about_to: dict[str, int], seconds: float, kill: Callable[[], None], start: Callable[[], None]
    ) -> tuple[list[Visitor], float]:
        """The visitors, and when the server was back (unix), once all has settled."""
        steps = [step for step, people in about_to.items() for _ in range(people)]
        visitors = [Visitor(Customer(self._system.client.user(), patience=60), step) for step in steps]
        with Flow(self._system, UNDER_WAY) as flow:
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(Visitor.come, visitors))
            flow.enough()
            kill()
            self._meanwhile(visitors, seconds)
            start()
            back = time.time()
        settle(self._system, PATIENCE)
        self.people += flow.people + steps.count("confirm")
        return visitors, back

    def _meanwhile(self, visitors: Sequence[Visitor], seconds: float) -> None:
        """Each comes at a moment of their own; who confirms and isn't answered taps again."""
        began = time.monotonic()
        moments = [(self._rng.uniform(0, 0.8 * seconds), visitor) for visitor in visitors]
        moments += [(at + 0.15 * seconds, visitor) for at, visitor in moments[::3] if visitor.step == "confirm"]
        for at, visitor in sorted(moments, key=lambda pair: pair[0]):
            time.sleep(max(0.0, began + at - time.monotonic()))
            with suppress(LookupError):  # answered meanwhile: the button is gone
                visitor.go()
        time.sleep(max(0.0, began + seconds - time.monotonic()))

    def _orders(self, visitors: Sequence[Visitor], back: float) -> dict[str, Any]:
        """What became of the confirms, and of everything that was under way when the server came back or not yet begun."""
        confirmed = [visitor.user.id for visitor in visitors if visitor.step == "confirm"]
        orders, meanwhile = rows(self._system.database, ORDERS, back, confirmed)[0]
        ended = rows(self._system.database, FINISHED_AT, back, back + PATIENCE)
        return {
            "confirms": len(confirmed),
            "orders": orders,
            "orders_meanwhile": meanwhile,
            "delivered_afterwards": sum(status == "done" for status, _ in ended),
            "delivered_seconds": spread([at - back for _, at in ended]),
        }


def settle(system: System, seconds: float) -> None:
    """Waits until every update is fetched and handled and every job has ended. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while rows(system.database, UNFINISHED)[0][0] or _unfetched(system):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not settled within {seconds:.0f} s")
        time.sleep(0.2)


def _unfetched(system: System) -> int:
    return int(system.client.call("GET", "/sandbox/telegram/bot")["waiting_updates"])
