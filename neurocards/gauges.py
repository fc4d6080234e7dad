"""How things stand now, read from PostgreSQL when Prometheus asks: true for the whole system, whichever process answers.

Everything here is about what is open, and found by indexes of that alone: a million finished jobs cost nothing. The ages of jobs are in
the product's seconds (TIME_SCALE), those of updates and messages in real ones. All functions run inside the caller's transaction.
"""

from collections.abc import Iterator, Sequence

from prometheus_client.core import GaugeMetricFamily

from neurocards import clock, keys, liveness, outages, service
from neurocards.db import db
from neurocards.jobs import STAGES
from neurocards.keys import KeyRow

STATES = ("queued", *STAGES)
KEY_STATES = ("healthy", "cooling", "quarantined")
KINDS = ("card", "notice", "alert", "broadcast")

_JOBS = """
    SELECT coalesce(stage, status), count(*), count(held_at), extract(epoch FROM now() - min(created_at)),
        extract(epoch FROM avg(now() - created_at))
    FROM jobs WHERE status IN ('queued', 'processing') GROUP BY 1"""
_INBOX = "SELECT count(*), extract(epoch FROM now() - min(received_at)) FROM inbox WHERE handled_at IS NULL"
_OUTBOX = """
    SELECT kind, count(*), extract(epoch FROM now() - min(due_at)) FROM outbox
    WHERE sent_at IS NULL AND error IS NULL AND due_at <= now() GROUP BY kind"""

Row = tuple[Sequence[str], float]


def read() -> list[GaugeMetricFamily]:
    """All of them."""
    return [*_jobs(), *_keys(keys.overview()), *_waiting(), *_workers(), *_closed()]


def _gauge(name: str, about: str, labels: Sequence[str], rows: Sequence[Row]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"neurocards_{name}", about, labels=labels)
    for values, figure in rows:
        family.add_metric(values, figure)
    return family


def _jobs() -> Iterator[GaugeMetricFamily]:
    found = {row[0]: row[1:] for row in db.execute_sql(_JOBS)}
    counts = {state: found.get(state, (0, 0, 0, 0)) for state in STATES}
    oldest, mean = (clock.unscaled(float(age or 0)) for age in counts["queued"][2:])
    held = sum(row[1] for row in counts.values())
    yield _gauge("jobs", "Open jobs by stage.", ["stage"], [([state], row[0]) for state, row in counts.items()])
    yield _gauge("jobs_held", "Open jobs that wait for the end of a provider's outage.", [], [([], held)])
    yield _gauge("queue_age_seconds", "Age of the oldest queued job; 0 when there is none.", [], [([], oldest)])
    yield _gauge("queue_mean_age_seconds", "Mean age of the queued jobs.", [], [([], mean)])


def _keys(rows: list[KeyRow]) -> Iterator[GaugeMetricFamily]:
    ours = [row for row in rows if row.configured]
    windows = sorted({row.account: row.window for row in ours}.items())
    states = [
        ([row.account, row.fingerprint, state], float(row.state == state)) for row in ours for state in KEY_STATES
    ]
    flying = [([row.account, row.fingerprint], row.in_flight) for row in rows if row.configured or row.in_flight]
    credit = [([row.account, row.fingerprint], row.credit) for row in ours if row.credit is not None]
    names = ["account", "key"]
    yield _gauge("renders_in_flight", "Tasks at the provider, by the key that made them.", names, flying)
    yield _gauge(
        "key_window_creates", "Tasks made in the last ten seconds.", ["account"], [([name], n) for name, n in windows]
    )
    yield _gauge("key_window_limit", "Tasks that ten seconds admit.", [], [([], keys.CREATES_A_WINDOW)])
    yield _gauge("key_state", "1 for the state a key is in.", [*names, "state"], states)
    yield _gauge("keys_usable", "Keys not in quarantine.", [], [([], sum(row.state != "quarantined" for row in ours))])
    yield _gauge("key_credit", "A key's credit, as the provider last told it.", names, credit)


def _waiting() -> Iterator[GaugeMetricFamily]:
    unhandled, oldest = db.execute_sql(_INBOX).fetchone()
    due = {row[0]: row[1:] for row in db.execute_sql(_OUTBOX)}
    counts = [([kind], due[kind][0] if kind in due else 0) for kind in KINDS]
    ages = [([kind], float(due[kind][1]) if kind in due else 0) for kind in KINDS]
    yield _gauge("inbox_unhandled", "Updates that nobody has answered.", [], [([], unhandled)])
    yield _gauge("inbox_age_seconds", "Age of the oldest of them.", [], [([], float(oldest or 0))])
    yield _gauge("outbox_due", "Messages to people that should have gone.", ["kind"], counts)
    yield _gauge("outbox_age_seconds", "How long the oldest of them has been due.", ["kind"], ages)


def _workers() -> Iterator[GaugeMetricFamily]:
    yield _gauge("worker_processes", "Worker processes that beat.", [], [([], liveness.processes())])
    yield _gauge("worker_instances", "Worker instances that beat.", [], [([], liveness.instances())])


def _closed() -> Iterator[GaugeMetricFamily]:
    down = outages.down()
    paused = [([provider], float(provider in down)) for provider in outages.PROVIDERS]
    yield _gauge("provider_paused", "1 while a provider says that it is down.", ["provider"], paused)
    yield _gauge(
        "orders_closed", "1 while operators keep orders from being taken.", [], [([], float(service.closed()))]
    )
