"""Many customers at once, and what can be read off a running system."""

import json
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg2
from rich.progress import Progress

from sandbox.client import SandboxClient
from sandbox.customer import Customer


def order_all(client: SandboxClient, customers: int, count: int = 1, threads: int = 8) -> list[Customer]:
    """`customers` new people each order `count` videos; returns them when all have confirmed."""
    crowd = [Customer(client.user(), patience=60) for _ in range(customers)]
    with Progress(transient=True) as progress, ThreadPoolExecutor(threads) as pool:
        task = progress.add_task("ordering", total=customers)
        for _ in pool.map(lambda customer: customer.order(count=count), crowd):
            progress.advance(task)
    return crowd


def alone() -> None:
    """Forgets which servers the environment names: what a benchmark measures, and may destroy, it has started itself."""
    for name in ("DATABASE_URL", "REDIS_URL"):
        os.environ.pop(name, None)


def until(so: Callable[[], object], what: str, patience: float, every: float = 0.2) -> None:
    """Waits for what has no event of its own. Raises TimeoutError after `patience` seconds."""
    deadline = time.monotonic() + patience
    while not so():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {patience:.0f} s for {what}")
        time.sleep(every)


def many_accounts(client: SandboxClient, pairs: str) -> None:
    """Makes the sandbox's KIE group keys as our KIE_API_KEY does ('account:key,...'): otherwise all share one account's limit."""
    keys = dict(pair.split(":")[::-1] for pair in pairs.split(","))
    client.kie("PUT", "keys", **{key: {"account": account} for key, account in keys.items()})


def query(url: str, sql: str, *values: object) -> list[tuple[Any, ...]]:
    """Rows of one query; `values` stand for its %s."""
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(sql, values or None)
            return list(cursor.fetchall())
    finally:
        connection.close()


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """p50, p95, p99 and the largest, in milliseconds."""
    ordered = sorted(seconds)
    at = {
        name: ordered[min(len(ordered) - 1, int(len(ordered) * share))]
        for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
    }
    return {name: round(value * 1000, 1) for name, value in {**at, "max": ordered[-1]}.items()} | {"n": len(ordered)}


def resident_mb(pid: int) -> float:
    """Resident memory of one process in MB (Linux)."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))) / 1024


def children(pid: int) -> list[int]:
    """Process ids of the direct children (Linux)."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def report(**figures: object) -> None:
    """The last line."""
    print(json.dumps(figures, ensure_ascii=False))
