"""A key that KIE stops accepting while orders come in, and then all of them.

python -m benchmarks.lost_key [orders a round]

Three keys in two accounts, two worker processes. Half-way through a round's orders one key turns 401 or 402, stays so past two
probes, and is well again. A trigger writes down each change of a key at its commit, by the database's clock; KIE's
journal has the other end. Both run on this machine, so the two clocks are one. At last, in real time, every key is dead.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.crowd import alone, many_accounts, order_all, query, report, until
from sandbox.client import SandboxClient
from sandbox.customer import Customer
from sandbox.journal import fingerprint
from sandbox.local import Local

TIME_SCALE = 20.0
PATIENCE = 300.0
OPERATOR = 424242
KEYS = {"key-1": "one", "key-2": "one", "key-3": "two"}
LOST = "key-1"
ROUNDS = ("401", "402", "401", "402")
WITHOUT_ANY = 30
# Who orders at the same time: more would measure how two cores are shared and not how soon a key is out.
AT_ONCE = 3
# The product probes 60 s after a key was lost, then after 120 s more, then after 240 s: two probes find it still ill.
ILL_SECONDS = 240.0

# Deferred: it fires with the commit, so that what it writes is when others could see the change.
WATCH = """
    CREATE TABLE key_changes (id bigserial, fingerprint text, state text, until timestamptz, at timestamptz);
    CREATE FUNCTION note_key_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO key_changes (fingerprint, state, until, at) VALUES (NEW.fingerprint, NEW.state, NEW.until, clock_timestamp());
        RETURN NULL;
    END $$;
    CREATE CONSTRAINT TRIGGER watch_keys AFTER UPDATE ON api_keys DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
        WHEN (OLD.state IS DISTINCT FROM NEW.state OR OLD.until IS DISTINCT FROM NEW.until)
        EXECUTE FUNCTION note_key_change();
    SELECT 1"""
CHANGES = """
    SELECT id, fingerprint, state, extract(epoch FROM until)::float, extract(epoch FROM at)::float FROM key_changes ORDER BY id"""
PLACED = "SELECT count(*), coalesce(max(id), 0) FROM jobs"
OPEN = "SELECT count(*) FROM jobs WHERE finished_at IS NULL"
ENDINGS = """
    SELECT j.id, j.status, extract(epoch FROM j.finished_at - j.created_at)::float,
           ARRAY(SELECT key FROM provider_attempts a WHERE a.job_id = j.id AND a.task_id IS NOT NULL)
    FROM jobs j ORDER BY j.id"""
TOLD = """
    SELECT extract(epoch FROM o.sent_at - e.at)::float, j.status, j.failure_category
    FROM jobs j
    JOIN job_events e ON e.job_id = j.id AND e.from_stage = 'script' AND e.to_stage = 'submit'
    LEFT JOIN outbox o ON o.key = 'notice:' || j.id || ':failed'"""
UNTOLD = "SELECT count(*) FROM outbox WHERE kind = 'notice' AND sent_at IS NULL AND error IS NULL"


@dataclass(frozen=True)
class Change:
    """A key's row after a change, times in unix seconds."""

    id: int
    fingerprint: str
    state: str
    until: float | None
    at: float


@dataclass
class Bench:
    """A running system."""

    local: Local
    client: SandboxClient

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of its database."""
        return query(self.local.environment["DATABASE_URL"], sql)

    def changes(self, after: int = 0) -> list[Change]:
        """The changes of the lost key numbered above `after`."""
        mine = fingerprint(LOST)
        return [
            change for row in self.query(CHANGES) if (change := Change(*row)).fingerprint == mine and change.id > after
        ]

    def put_keys(self, state: str, *names: str) -> None:
        """What KIE thinks of the keys from now on."""
        self.client.kie("PUT", "keys", **{name: {"state": state} for name in names})


@contextmanager
def bench(time_scale: float) -> Iterator[Bench]:
    """A system of two worker processes that is watched."""
    pairs = ",".join(f"{account}:{key}" for key, account in KEYS.items())
    settings = {"KIE_API_KEY": pairs, "ADMIN_IDS": str(OPERATOR)}
    folder, options = Path(tempfile.mkdtemp(prefix="neurocards-bench-")), ("--processes", "2")
    with Local(folder, time_scale=time_scale, prepared_video=True, settings=settings, worker_options=options) as local:
        with SandboxClient(local.sandbox.url) as client:
            many_accounts(client, pairs)
            Customer(client.user(id=OPERATOR)).say("/start")
            running = Bench(local, client)
            running.query(WATCH)
            yield running


def lose_one(running: Bench, state: str, orders: int) -> dict[str, Any]:
    """One round: the key is lost half-way through the orders, stays lost for ILL_SECONDS, and is well again."""
    placed, newest_job = running.query(PLACED)[0]
    newest_change = max((change.id for change in running.changes()), default=0)
    newest_entry = max(entry["n"] for entry in running.client.journal())
    with ThreadPoolExecutor(1) as pool:
        ordering = pool.submit(order_all, running.client, orders, threads=AT_ONCE)
        until(
            lambda: running.query(PLACED)[0][0] >= placed + orders / 2 or ordering.done(),
            "half of the orders",
            PATIENCE,
        )
        running.put_keys(state, LOST)
        until(lambda: running.changes(newest_change), "quarantine", PATIENCE)
        time.sleep(ILL_SECONDS / TIME_SCALE)
        running.put_keys("ok", LOST)
        well_at = time.time()
        until(lambda: running.changes(newest_change)[-1].state == "healthy", "re-admission", PATIENCE)
        ordering.result()
    until(lambda: running.query(OPEN)[0][0] == 0, "the end of all orders", PATIENCE)
    return {
        "state": state,
        **of_orders(running, newest_job),
        **of_calls(running, state, newest_entry, running.changes(newest_change)),
        **of_probes(running, newest_entry, running.changes(newest_change), well_at),
    }


def of_orders(running: Bench, after: int) -> dict[str, Any]:
    """How the round's orders ended, and the slowest (product seconds from order to end) with and without the lost key."""
    endings = [row for row in running.query(ENDINGS) if row[0] > after]
    mine = fingerprint(LOST)
    slowest = {
        name: round(max((row[2] for row in endings if (mine in row[3]) == used), default=0.0) * TIME_SCALE)
        for name, used in (("with_the_key", True), ("without", False))
    }
    statuses = [row[1] for row in endings]
    return {
        "orders": len(endings),
        "delivered": statuses.count("done"),
        "failed": statuses.count("failed"),
        "slowest_s": slowest,
    }


def of_calls(running: Bench, state: str, after: int, changes: list[Change]) -> dict[str, Any]:
    """How soon the key was out, and what it was still used for."""
    calls = [
        entry
        for entry in running.client.journal(after=after, service="kie")
        if entry["caller"] == fingerprint(LOST) and entry["endpoint"] not in ("callback", "files")
    ]
    refused = [entry for entry in calls if str((entry["response"] or {}).get("code")) == state]
    out, back = changes[0].at, changes[-1].at
    first = refused[0]
    creates = [entry for entry in calls if entry["endpoint"] == "createTask" and first["n"] < entry["n"]]
    acted_on = next((entry for entry in refused if entry["endpoint"] != "recordInfo"), first)
    return {
        "first_refusal_at": first["endpoint"],
        "refusal_to_quarantine_ms": round((out - first["at"]) * 1000, 1),
        "refusal_of_a_create_or_upload_to_quarantine_ms": round((out - acted_on["at"]) * 1000, 1),
        "creates_before_quarantine": sum(entry["at"] <= out for entry in creates),
        "creates_in_quarantine": sum(out < entry["at"] <= back for entry in creates),
        "polls_refused": sum(entry["endpoint"] == "recordInfo" for entry in refused),
    }


def of_probes(running: Bench, after: int, changes: list[Change], well_at: float) -> dict[str, Any]:
    """Each look at the ill key against the time it was due, and the way back (product seconds since the quarantine)."""
    out, back = changes[0].at, changes[-1].at
    due = [change.until for change in changes if change.until is not None]
    asked = [
        entry["at"]
        for entry in running.client.journal(after=after, service="kie", endpoint="credit")
        if entry["caller"] == fingerprint(LOST) and out < entry["at"] <= back
    ]
    return {
        "probes_due_s": [round((moment - out) * TIME_SCALE, 1) for moment in due if moment < back],
        "probes_asked_s": [round((moment - out) * TIME_SCALE, 1) for moment in asked],
        "one_probe_an_interval": len(asked) == sum(moment < back for moment in due),
        "well_again_s": round((well_at - out) * TIME_SCALE, 1),
        "readmitted_s": round((back - out) * TIME_SCALE, 1),
        "readmitted_after_due_ms": round((back - max(moment for moment in due if moment < back)) * 1000, 1),
    }


def lose_all(running: Bench) -> dict[str, Any]:
    """No key is left: how soon after its turn (its script is there) each customer has the notice, in real seconds."""
    running.put_keys("401", *KEYS)
    crowd = order_all(running.client, WITHOUT_ANY)
    until(
        lambda: running.query(OPEN)[0][0] == 0 and running.query(UNTOLD)[0][0] == 0, "the end of all orders", PATIENCE
    )
    rows = running.query(TOLD)
    seconds = [row[0] for row in rows if row[0] is not None]
    sent_to_support = ["Обратитесь в тех. поддержку" in str([shown.text for shown in one.user.chat()]) for one in crowd]
    refunds = running.query("SELECT count(*), count(DISTINCT job_id) FROM ledger_entries WHERE kind = 'refund'")[0]
    return {
        "orders": len(rows),
        "failed_as_billing": sum(row[1:] == ("failed", "BILLING") for row in rows),
        "refunds": refunds[0],
        "refunded_jobs": refunds[1],
        "sent_to_support": sum(sent_to_support),
        "told_after_s": {
            "median": round(statistics.median(seconds), 2),
            "max": round(max(seconds), 2),
            "n": len(seconds),
        },
    }


def main(orders: int = 150) -> None:
    """Runs all three parts and prints the figures."""
    alone()
    with bench(TIME_SCALE) as running:
        rounds = [lose_one(running, state, orders) for state in ROUNDS]
    with bench(1.0) as running:
        without_any = lose_all(running)
    report(time_scale=TIME_SCALE, one_key_lost=rounds, all_lost_at_real_speed=without_any)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
