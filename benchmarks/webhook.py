"""The webhook under rubbish and under change: forged requests, changes between polling and the webhook, SIGTERM while people order.

python -m benchmarks.webhook [--forged 10000] [--changes 8] [--stops 12]

Three parts on one system of two bots behind a proxy, people ordering all the while. What is asked: forged requests taken 0; updates
lost 0 over the changes; how long a process takes to end when told to, and work lost 0. Writes benchmarks/results/webhook.json.
"""

import argparse
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from itertools import cycle, islice
from typing import Any

import psycopg2
import requests

from benchmarks.crowd import alone, percentiles, query, report, until
from benchmarks.latency import answers
from benchmarks.load import figures, tables
from benchmarks.load.run import folder
from neurocards.reconciliation import Match, match, read_books, read_journal
from neurocards.web import MAX_BODY, SECRET_HEADER, WEBHOOK_PATH
from sandbox.client import SandboxClient, SandboxRefused
from sandbox.customer import Customer
from sandbox.local import ROOT, Child, Local, free_port
from sandbox.proxy import Proxy

SECRET = "the-secret-of-this-measurement"  # noqa: S105  of the stand-in only
# What nobody but a forger sends: no update of the stand-in has such a number.
FORGED_FROM = 5_000_000_000
HANDS, ORDERING = 8, 6
TIMES = {"render_seconds": 4.0, "upload_seconds": 0.2, "create_seconds": 0.2}
PATIENCE = 180.0
OPEN = "SELECT count(*) FROM jobs WHERE finished_at IS NULL"
LOST = "SELECT count(*) FROM inbox WHERE handled_at IS NULL OR error IS NOT NULL"
NUMBERS = "SELECT update_id FROM inbox"
AGAIN = "SELECT coalesce(sum(script_attempts), 0) - count(*) FROM jobs"


class System(Local):
    """Local in webhook mode behind a proxy, with a second bot, in either mode, that can be started and stopped."""

    def __init__(self, proxy: Proxy) -> None:
        settings = {
            "BOT_MODE": "webhook", "PUBLIC_BASE_URL": proxy.url, "WEBHOOK_SECRET_TOKEN": SECRET, "WELCOME_CREDITS": "100",
            "KIE_API_KEY": ",".join(f"a{n}:key-{n}" for n in range(20)),
        }  # fmt: skip
        super().__init__(folder(), prepared_video=True, settings=settings, workers=2)
        self.proxy = proxy

    def second(self, mode: str) -> Child:
        """Another bot process, behind the proxy as well."""
        port = free_port()
        self.proxy.ports.append(port)
        return Child(
            f"bot-{mode}-{port}",
            [str(ROOT / "run_bot.py")],
            {**self.environment, "PORT": str(port), "BOT_MODE": mode},
            self.folder,
        )


class Shoppers:
    """People who go through whole orders one after another until told to stop; each waits for every answer, so none may be lost.

    `stuck` says how dialogues ended that did not come to their end.
    """

    def __init__(self, client: SandboxClient) -> None:
        self._client = client
        self._stop = threading.Event()
        self.people: list[Customer] = []
        self.stuck: list[str] = []

    @contextmanager
    def ordering(self) -> Iterator[None]:
        """From `with` to its end; those in the midst of a dialogue end it."""
        self._stop.clear()
        threads = [threading.Thread(target=self._shop) for _ in range(ORDERING)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    def _shop(self) -> None:
        while not self._stop.is_set():
            customer = Customer(self._client.user(), patience=60)
            self.people.append(customer)
            try:
                customer.order()
            except (TimeoutError, LookupError, SandboxRefused, requests.RequestException) as error:
                self.stuck.append(type(error).__name__)

    def latency(self) -> dict[str, float]:
        """From each of their messages and taps to the first message or edit that answered it."""
        return percentiles([seconds for customer in self.people for seconds in answers(customer.user)])

    def updates(self) -> set[int]:
        """The numbers of all updates that the stand-in made of what they did."""
        events = [event for customer in self.people for event in customer.user.events()]
        return {event["update_id"] for event in events if event.get("update_id")}


def forgeries(count: int) -> Iterator[dict[str, Any]]:
    """Requests of eight kinds, each an update of its own: all that somebody without the secret could try."""
    wrong: list[dict[str, Any]] = [
        {"headers": {}},
        {"headers": {SECRET_HEADER: ""}},
        {"headers": {SECRET_HEADER: SECRET[:-1]}},
        {"headers": {SECRET_HEADER: SECRET + "x"}},
        {"headers": {SECRET_HEADER: SECRET.upper()}},
        {"headers": {"Authorization": f"Bearer {SECRET}"}},
        {"headers": {}, "params": {"secret_token": SECRET}},
        {"headers": {SECRET_HEADER: "x" * 4000}, "padding": "x" * MAX_BODY},
    ]
    for number, request in enumerate(islice(cycle(wrong), count)):
        person = {"id": 777, "is_bot": False, "first_name": "M"}
        message = {"message_id": 1, "date": 1, "chat": {"id": 777, "type": "private"}, "from": person, "text": "/start"}
        padding = request.get("padding", "")
        body = json.dumps({"update_id": FORGED_FROM + number, "message": message, "padding": padding})
        yield {"data": body, "headers": request["headers"], "params": request.get("params")}


def forge(system: System, count: int) -> dict[str, Any]:
    """Sends them to the bot itself, without the proxy, and tells what it answered and whether anything was kept."""
    url, local = f"http://127.0.0.1:{system.port}{WEBHOOK_PATH}", threading.local()

    def send(request: dict[str, Any]) -> str:
        local.session = getattr(local, "session", None) or requests.Session()
        try:
            return str(local.session.post(url, timeout=30, **request).status_code)
        except requests.ConnectionError:
            # The server closes on a body that is too large before it has all of it.
            return "closed"

    began = time.monotonic()
    with ThreadPoolExecutor(HANDS) as hands:
        statuses = Counter(hands.map(send, forgeries(count)))
    kept = query(_url(system), "SELECT count(*) FROM inbox WHERE update_id >= %s", FORGED_FROM)[0][0]
    seconds = time.monotonic() - began
    accepted = sum(n for status, n in statuses.items() if status.startswith("2"))
    return {
        "sent": count,
        "accepted": accepted,
        "kept": kept,
        "answers": dict(statuses),
        "a_second": round(count / seconds),
    }


def change(system: System, changes: int) -> dict[str, Any]:
    """The handling bot ends and one in the other mode takes over, time and again; in the end the first, a webhook bot, handles again."""
    bot, took = system.child("run_bot"), []
    for mode in islice(cycle(["polling", "webhook"]), changes):
        successor = system.second(mode)
        until(lambda: "stands by" in successor.tail(), "the second bot to stand by", PATIENCE)  # noqa: B023  called in this turn
        took.append(_stopped(bot))
        bot = successor
        time.sleep(2)
    seconds = percentiles(took)
    bot.stop()
    system.child("run_bot").start()
    return {"changes": changes, "ms_to_stop": seconds}


def stops(system: System, count: int) -> dict[str, Any]:
    """SIGTERM to bot and workers in turn while orders are in every stage; each is started again."""
    took: dict[str, list[float]] = {"bot": [], "worker": []}
    for name in islice(cycle(["run_workers", "run_bot", "run_workers-2"]), count):
        child = system.child(name)
        took["bot" if name == "run_bot" else "worker"].append(_stopped(child))
        child.start()
        time.sleep(4)
    return {f"ms_to_stop_a_{name}": percentiles(seconds) for name, seconds in took.items()}


def _stopped(child: Child) -> float:
    began = time.monotonic()
    child.stop()
    return time.monotonic() - began


def part(system: System, shoppers: Shoppers, act: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Does it while people order, waits until all have their videos, and adds what they noticed."""
    before = query(_url(system), "SELECT count(*) FROM jobs")[0][0]
    with shoppers.ordering():
        time.sleep(3)
        found = act()
    until(lambda: query(_url(system), OPEN)[0][0] == 0, "the last orders", PATIENCE)
    orders = query(_url(system), "SELECT count(*) FROM jobs")[0][0] - before
    return {
        **found,
        "orders_meanwhile": orders,
        "dialogues_stuck": dict(Counter(shoppers.stuck)),
        "bot_latency_ms": shoppers.latency(),
    }


def lost(system: System, sent: set[int]) -> dict[str, Any]:
    """After everything: updates by their numbers, orders, money, the three books compared, and errors in the logs."""
    url, books = _url(system), _books(system)
    stored = {number for (number,) in query(url, NUMBERS)}
    return {
        "updates": len(sent),
        "updates_never_stored": len(sent - stored),
        "updates_unanswered": query(url, LOST)[0][0],
        "endings": dict(figures.Orders(url).query(figures.ENDINGS)),
        "scripts_asked_for_again": int(query(url, AGAIN)[0][0]),
        "tasks": books.tasks,
        "orders_paid_for_twice_at_kie": len(books.double_paid_jobs),
        "videos_sent_twice": len(books.duplicate_videos),
        "orders_lost": len(books.lost_orders),
        "broken_promises": [*figures.broken_promises(url), *books.violations],
        **figures.log_lines(system.folder),
    }


def wrong(run: dict[str, Any]) -> str:
    """What should have been nothing and was not, in a line."""
    nothing = {
        "forged": ("accepted", "kept", "dialogues_stuck"),
        "changes_of_mode": ("dialogues_stuck",),
        "sigterm": ("dialogues_stuck",),
        "in_all": ("updates_never_stored", "updates_unanswered", "orders_lost", "broken_promises", "errors"),
    }
    return "; ".join(f"{name}: {run[of][name]}" for of, names in nothing.items() for name in names if run[of][name])


def _books(system: System) -> Match:
    with closing(psycopg2.connect(_url(system))) as connection, connection.cursor() as cursor:
        return match(read_books(cursor), read_journal(system.folder / "journal.jsonl"))


def _url(system: System) -> str:
    return system.environment["DATABASE_URL"]


def main() -> None:
    """Runs the three parts and prints what came of them."""
    alone()
    options = _options()
    run = figures.circumstances()
    with Proxy() as proxy, System(proxy) as system, SandboxClient(system.sandbox_url) as client:
        proxy.ports.append(system.port)
        client.kie("PUT", "settings", create_limit=0, poll_limit=0, **TIMES)
        client.call("PUT", "/sandbox/openai/settings", json={"latency_seconds": 1.0})
        parts = {
            "forged": lambda: forge(system, options.forged),
            "changes_of_mode": lambda: change(system, options.changes),
            "sigterm": lambda: stops(system, options.stops),
        }
        sent: set[int] = set()
        for name, act in parts.items():
            shoppers = Shoppers(client)
            run[name] = part(system, shoppers, act)
            sent |= shoppers.updates()
        run["in_all"] = lost(system, sent)
    figures.keep("webhook", run)
    for name in ("forged", "changes_of_mode", "sigterm", "in_all"):
        tables.show(name, run[name])
    report(**run)
    if found := wrong(run):
        sys.exit(f"webhook: {found}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.webhook")
    parser.add_argument("--forged", type=int, default=10_000, help="requests without the secret")
    parser.add_argument("--changes", type=int, default=8, help="changes of the mode")
    parser.add_argument("--stops", type=int, default=12, help="SIGTERMs, to bot and workers in turn")
    return parser.parse_args()


if __name__ == "__main__":
    main()
