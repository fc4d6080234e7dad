"""How things stand now, read from PostgreSQL when Prometheus asks: true for the whole system, whichever process answers.

Everything here is about what is open, and found by indexes of that alone: a million finished jobs cost nothing. The ages of jobs are in
the product's seconds (TIME_SCALE), those of updates and messages in real ones. All functions run inside the caller's transaction.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing

from peewee import SQL, Expression, fn
from prometheus_client.core import GaugeMetricFamily

from neurocards import clock, keys, liveness, outages, outbox, service
from neurocards.db import db
from neurocards.jobs import STAGES
from neurocards.keys import KeyRow
from neurocards.models import NOW, InboxUpdate, Outgoing

STATES = ("queued", *STAGES)
KEY_STATES = ("healthy", "cooling", "quarantined")
KINDS = ("card", "notice", "alert", "broadcast")

_JOBS = """
    SELECT coalesce(stage, status), count(*), count(held_at), extract(epoch FROM now() - min(created_at)),
        extract(epoch FROM avg(now() - created_at))
    FROM jobs WHERE status IN ('queued', 'processing') GROUP BY 1"""
# Not what is being answered this moment, such as the question itself.
_UNANSWERED = InboxUpdate.handled_at.is_null() & (InboxUpdate.received_at < clock.in_real(-1.0))

Row = tuple[Sequence[str], float]


def read() -> list[GaugeMetricFamily]:
    """All of them."""
    return [*_jobs(), *_keys(keys.overview()), *_waiting(), *_workers(), *_closed()]


def stages() -> dict[str, tuple[int, int, float, float]]:
    """Open jobs by state, where there are any: how many, how many of them held, and their greatest and mean age in real seconds."""
    with closing(db.execute_sql(_JOBS)) as cursor:
        return {state: (count, held, float(oldest), float(mean)) for state, count, held, oldest, mean in cursor}


def unanswered() -> tuple[int, float]:
    """Updates that wait for their answer, and the greatest age."""
    count, oldest = InboxUpdate.select(fn.COUNT(SQL("*")), _age("received_at")).where(_UNANSWERED).scalar(as_tuple=True)
    return count, float(oldest or 0)


def untold() -> dict[str, tuple[int, float]]:
    """Messages to people that should have gone, by kind, where there are any: how many, and how long the oldest has been due."""
    due = Outgoing.select(Outgoing.kind, fn.COUNT(SQL("*")), _age("due_at")).where(
        outbox.untold() & (Outgoing.due_at <= NOW)
    )
    return {kind: (count, float(oldest)) for kind, count, oldest in due.group_by(Outgoing.kind).tuples()}


def _age(column: str) -> Expression:
    return SQL(f"extract(epoch FROM now() - min({column}))")


def _gauge(name: str, about: str, labels: Sequence[str], rows: Sequence[Row]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"neurocards_{name}", about, labels=labels)
    for values, figure in rows:
        family.add_metric(values, figure)
    return family


def _jobs() -> Iterator[GaugeMetricFamily]:
    found = stages()
    counts = {state: found.get(state, (0, 0, 0.0, 0.0)) for state in STATES}
    oldest, mean = (clock.unscaled(age) for age in counts["queued"][2:])
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
    # An account has one credit: what the newest answer to any of its keys told.
    told = sorted((row.credit_at, row.account, row.credit) for row in ours if row.credit_at and row.credit is not None)
    credit = [([account], figure) for account, figure in {account: figure for _, account, figure in told}.items()]
    names = ["account", "key"]
    yield _gauge("renders_in_flight", "Tasks at the provider, by the key that made them.", names, flying)
    yield _gauge(
        "key_window_creates", "Tasks made in the last ten seconds.", ["account"], [([name], n) for name, n in windows]
    )
    yield _gauge("key_window_limit", "Tasks that ten seconds admit.", [], [([], keys.CREATES_A_WINDOW)])
    yield _gauge("key_state", "1 for the state a key is in.", [*names, "state"], states)
    yield _gauge("keys_usable", "Keys not in quarantine.", [], [([], sum(row.state != "quarantined" for row in ours))])
    yield _gauge("account_credit", "An account's credit, as the provider last told it.", ["account"], credit)


def _waiting() -> Iterator[GaugeMetricFamily]:
    unhandled, oldest = unanswered()
    due = untold()
    counts = [([kind], due.get(kind, (0, 0.0))[0]) for kind in KINDS]
    ages = [([kind], due.get(kind, (0, 0.0))[1]) for kind in KINDS]
    yield _gauge("inbox_unhandled", "Updates that nobody has answered within a second.", [], [([], unhandled)])
    yield _gauge("inbox_age_seconds", "Age of the oldest of them.", [], [([], oldest)])
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
