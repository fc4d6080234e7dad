"""A thousand renders of five minutes each, in real time, held by one worker process with two threads."""

import tempfile
import time
from pathlib import Path

from benchmarks.crowd import alone, children, many_accounts, order_all, query, report, resident_mb
from sandbox.client import SandboxClient
from sandbox.local import Local

CUSTOMERS, EACH = 200, 5
KEYS = ",".join(f"a{n}:key-{n}" for n in range(10))
RENDER_SECONDS = 300
PATIENCE = 1200.0
STATES = """
    SELECT count(*) FILTER (WHERE stage = 'render'), count(*) FILTER (WHERE status = 'done'),
           count(*) FILTER (WHERE status = 'failed')
    FROM jobs"""


def main() -> None:
    """Orders, watches, and prints the figures."""
    alone()
    settings = {"WELCOME_CREDITS": str(EACH), "KIE_API_KEY": KEYS}
    folder = Path(tempfile.mkdtemp(prefix="neurocards-bench-"))
    with Local(folder, prepared_video=True, settings=settings, worker_options=("--threads", "2")) as local:
        with SandboxClient(local.sandbox.url) as client:
            many_accounts(client, KEYS)
            client.kie("PUT", "settings", render_seconds=RENDER_SECONDS, create_seconds=0, upload_seconds=0)
            client.call("PUT", "/sandbox/openai/settings", json={"latency_seconds": 0.05})
            began = time.monotonic()
            order_all(client, CUSTOMERS, EACH)
            ordered = time.monotonic() - began
            worker = children(local.children[-1].pid)[0]
            figures = watch(local.environment["DATABASE_URL"], worker)
            report(
                orders=CUSTOMERS * EACH,
                ordering_seconds=round(ordered),
                seconds_in_all=round(time.monotonic() - began),
                **figures,
            )


def watch(url: str, worker: int) -> dict[str, float]:
    """Looks once a second until every job has ended; the most renders at once and the worker's memory then and at its highest."""
    most, at_most, highest, done, failed = 0, 0.0, 0.0, 0, 0
    deadline = time.monotonic() + PATIENCE
    while done + failed < CUSTOMERS * EACH and time.monotonic() < deadline:
        rendering, done, failed = query(url, STATES)[0]
        memory = resident_mb(worker)
        if rendering > most:
            most, at_most = rendering, memory
        highest = max(highest, memory)
        time.sleep(1)
    return {
        "most_in_flight": most,
        "worker_mb_then": round(at_most),
        "worker_mb_highest": round(highest),
        "delivered": done,
        "failed": failed,
    }


if __name__ == "__main__":
    main()
