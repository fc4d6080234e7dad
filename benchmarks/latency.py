"""How soon the bot answers: from an update being available to the first visible message or edit that the sandbox receives.

Measured idle and with 300 orders in flight. An answer to a callback query does not count.
"""

import random
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.crowd import alone, many_accounts, order_all, percentiles, query, report
from sandbox.client import SandboxClient, User
from sandbox.customer import Customer
from sandbox.local import Local

WALKS = 40
KEYS = ",".join(f"a{n}:key-{n}" for n in range(10))
IN_FLIGHT = 300


def answers(user: User) -> list[float]:
    """Seconds to the first visible answer, for each thing the user did."""
    found, asked = [], None
    for event in user.events():
        if event["kind"] in ("user_message", "tap"):
            asked = event["at"]
        elif asked is not None and event["kind"] in ("message", "edit"):
            found.append(event["at"] - asked)
            asked = None
    return found


def think(_text: str, mine: bool) -> None:
    """A person needs a moment; without it the four would be bound by the 25 calls a second that Telegram is spared."""
    if mine:
        time.sleep(random.uniform(0.3, 0.9))  # noqa: S311


def walk(client: SandboxClient, walks: int) -> list[float]:
    """People who go through the whole dialogue, four at a time and at a person's pace, and then ask for their balance."""

    def one(_: int) -> list[float]:
        customer = Customer(client.user(), show=think, patience=60)
        customer.order()
        customer.say("/balance")
        return answers(customer.user)

    with ThreadPoolExecutor(4) as pool:
        return [seconds for found in pool.map(one, range(walks)) for seconds in found]


def main() -> None:
    """Runs both parts and prints the figures in milliseconds."""
    alone()
    settings = {"WELCOME_CREDITS": "5", "KIE_API_KEY": KEYS}
    with Local(Path(tempfile.mkdtemp(prefix="neurocards-bench-")), prepared_video=True, settings=settings) as local:
        with SandboxClient(local.sandbox.url) as client:
            many_accounts(client, KEYS)
            client.kie("PUT", "settings", render_seconds=600)
            idle = walk(client, WALKS)
            order_all(client, IN_FLIGHT // 5, count=5)
            busy = walk(client, WALKS)
            flying = query(
                local.environment["DATABASE_URL"], "SELECT count(*) FROM jobs WHERE status IN ('queued', 'processing')"
            )[0][0]
    report(idle_ms=percentiles(idle), busy_ms=percentiles(busy), in_flight=flying)


if __name__ == "__main__":
    main()
