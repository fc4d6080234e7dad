"""KIE takes a task and its answer is lost: what that costs, with callbacks and without.

python -m benchmarks.lost_replies [orders]

All orders are placed while no worker runs; then the first answer to each is lost and no other. Every customer's prompt carries
a number of its own, by which KIE's tasks are told apart.
"""

import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from rich.progress import Progress

from benchmarks.crowd import alone, many_accounts, query, report, until
from sandbox.client import SandboxClient
from sandbox.customer import PHOTO, TEXT, Customer
from sandbox.local import Local

TIME_SCALE = 5.0
PATIENCE = 600.0
KEYS = ",".join(f"a{n}:key-{n}" for n in range(10))
NUMBER = re.compile(r"Дубль (\d+)")
SYSTEMS = {"with_callbacks": {}, "without_callbacks": {"PUBLIC_BASE_URL": ""}}

OPEN = "SELECT count(*) FROM jobs WHERE finished_at IS NULL"
CHARGED = "SELECT user_id, -sum(amount) FROM ledger_entries WHERE kind <> 'grant' GROUP BY user_id"


def order(client: SandboxClient) -> Customer:
    """A new customer orders one video by a prompt that nobody else has."""
    customer = Customer(client.user(), patience=60)
    customer.say("/start")
    customer.send(PHOTO)
    customer.say(TEXT)
    customer.tap("Свой промпт")
    customer.say(f"Дубль {customer.user.id}. Камера медленно облетает чашку, утренний свет")
    customer.tap("1 видео")
    customer.tap("Запустить")
    return customer


def order_all(client: SandboxClient, orders: int) -> None:
    """As many customers, eight at a time."""
    with Progress(transient=True) as progress, ThreadPoolExecutor(8) as pool:
        task = progress.add_task("ordering", total=orders)
        for _ in pool.map(lambda _: order(client), range(orders)):
            progress.advance(task)


def lose(orders: int, settings: dict[str, str]) -> dict[str, Any]:
    """One system whose first `orders` answers to createTask are lost."""
    folder = Path(tempfile.mkdtemp(prefix="neurocards-bench-"))
    with Local(folder, time_scale=TIME_SCALE, prepared_video=True, settings={"KIE_API_KEY": KEYS, **settings}) as local:
        with SandboxClient(local.sandbox.url) as client:
            many_accounts(client, KEYS)
            workers = local.child("run_workers")
            workers.stop()
            order_all(client, orders)
            client.fault("kie", "createTask", "lost_reply", times=orders)
            began = time.monotonic()
            workers.start()
            wait_for_end(local.environment["DATABASE_URL"], orders)
            return {**figures(client, local.environment["DATABASE_URL"]), "seconds": round(time.monotonic() - began)}


def wait_for_end(database: str, orders: int) -> None:
    """Until all orders have ended."""
    with Progress(transient=True) as progress:
        task = progress.add_task("making videos", total=orders)

        def ended() -> bool:
            left = query(database, OPEN)[0][0]
            progress.update(task, completed=orders - left)
            return not left

        until(ended, "the end of all orders", PATIENCE, every=0.5)


def figures(client: SandboxClient, database: str) -> dict[str, Any]:
    """What KIE made and took, what the customers got and paid."""
    calls = client.journal(service="kie", endpoint="createTask")
    struck = [entry for entry in calls if "lost_reply" in entry["note"]]
    lost = {entry["response"]["data"]["taskId"] for entry in struck}
    ours = {row[0] for row in query(database, "SELECT task_id FROM provider_attempts")}
    tasks = client.kie("GET", "tasks")["tasks"]
    paid = Counter(number(task["input"]) for task in tasks if task["credits"] > 0)
    videos = [entry for entry in client.journal(service="telegram", endpoint="sendVideo") if entry["status"] == 200]
    return {
        "statuses": dict(query(database, "SELECT status, count(*) FROM jobs GROUP BY 1")),
        "answers_lost": len(lost),
        "answers_lost_an_order": spread(Counter(number(entry["request"]["input"]) for entry in struck)),
        "creates": len(calls),
        "tasks_made": len(tasks),
        "tasks_adopted": len(lost & ours),
        "tasks_made_an_order": spread(Counter(number(task["input"]) for task in tasks)),
        "tasks_paid_an_order": spread(paid),
        "paid_twice": sum(times > 1 for times in paid.values()),
        "credits_charged_a_customer": spread({user: int(charge) for user, charge in query(database, CHARGED)}),
        "videos_an_order": spread(Counter(str(entry["request"]["chat_id"]) for entry in videos)),
    }


def number(given: dict[str, Any]) -> str:
    """Whose task it is, by its prompt."""
    found = NUMBER.search(given["prompt"])
    return found[1] if found else "?"


def spread(times: Mapping[Any, int]) -> dict[str, int]:
    """How many have one, how many two, and so on."""
    return {str(n): having for n, having in sorted(Counter(times.values()).items())}


def main(orders: int = 200) -> None:
    """Runs both systems and prints the figures."""
    alone()
    report(time_scale=TIME_SCALE, orders=orders, **{name: lose(orders, settings) for name, settings in SYSTEMS.items()})


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
