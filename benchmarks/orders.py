"""Customers who order from a system that is already running, found by its sandbox and its database.

python -m benchmarks.orders http://127.0.0.1:9101 postgresql://... 100
"""

import sys
import time

from benchmarks.crowd import order_all, query, report
from sandbox.client import SandboxClient

PATIENCE = 600.0
OPEN = "SELECT count(*) FROM jobs WHERE status IN ('queued', 'processing')"
BOOKS = """
    SELECT count(*) FILTER (WHERE kind = 'debit'), count(*) FILTER (WHERE kind = 'capture'), count(*) FILTER (WHERE kind = 'refund')
    FROM ledger_entries"""


def main(sandbox: str, database: str, customers: int) -> None:
    """Each orders one video; prints what became of them, by the books and by the stand-ins' journals."""
    with SandboxClient(sandbox) as client:
        seen = {"kie": "createTask", "telegram": "sendVideo"}
        before = {
            service: len(client.journal(service=service, endpoint=endpoint)) for service, endpoint in seen.items()
        }
        began = time.monotonic()
        order_all(client, customers)
        ordered = time.monotonic() - began
        while query(database, OPEN)[0][0] and time.monotonic() - began < PATIENCE:
            time.sleep(0.5)
        done = time.monotonic() - began
        after = {service: len(client.journal(service=service, endpoint=endpoint)) for service, endpoint in seen.items()}
    statuses = dict(query(database, "SELECT status, count(*) FROM jobs GROUP BY 1"))
    debits, captures, refunds = query(database, BOOKS)[0]
    calls = {f"{service}_{endpoint}": after[service] - before[service] for service, endpoint in seen.items()}
    report(
        statuses=statuses,
        debits=debits,
        captures=captures,
        refunds=refunds,
        **calls,
        ordering_s=round(ordered, 1),
        all_s=round(done, 1),
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
