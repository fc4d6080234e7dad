"""What all processes have counted together, in PostgreSQL: so it is right with any number of processes, and survives their ends.

Each adds what its figures have grown by every five seconds, and when it ends in order. One that is killed loses at most the growth since
then; one whose commit went through without its hearing of it adds that growth twice. Both are figures, not money.
"""

import json
import threading

from prometheus_client import CollectorRegistry

from neurocards.db import db
from neurocards.metrics import REGISTRY
from neurocards.models import Sample

# Real seconds.
SAVE_EVERY = 5.0

# (name of the sample, its labels as JSON) -> value
Totals = dict[tuple[str, str], float]

# In one order for all: two processes that wait for each other's rows would both be refused. Another that stands still with its rows
# locked must hold nobody up.
_ADD = """
    SET LOCAL lock_timeout = '1s';
    INSERT INTO metric_samples AS total (name, labels, value) SELECT * FROM unnest(%s::text[], %s::text[], %s::float8[])
    ON CONFLICT (name, labels) DO UPDATE SET value = total.value + excluded.value"""


class Tally:
    """The figures of this process, and how much of them PostgreSQL has already."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._saved: Totals = {}
        self._lock = threading.Lock()

    def save(self) -> None:
        """Adds what is new. Raises PeeweeException while the database is away, and the next call adds it."""
        # The last call of a process that must end doesn't wait for one that hangs.
        if not self._lock.acquire(timeout=1):
            return
        try:
            now = counted(self._registry)
            # Zeros once, too: a histogram without its empty buckets has other quantiles.
            new = {
                key: value - self._saved.get(key, 0.0) for key, value in now.items() if value != self._saved.get(key)
            }
            grown = sorted((*key, value) for key, value in new.items())
            if grown:
                with db:
                    db.execute_sql(_ADD, [list(column) for column in zip(*grown, strict=True)])
            self._saved = now
        finally:
            self._lock.release()


def counted(registry: CollectorRegistry) -> Totals:
    """The registry's figures as they are now."""
    return {
        (sample.name, labels_text(sample.labels)): sample.value
        for family in registry.collect()
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def labels_text(labels: dict[str, str]) -> str:
    """Labels as they stand in a row."""
    return json.dumps(labels, sort_keys=True, ensure_ascii=False)


def totals() -> Totals:
    """What all processes have saved; within the caller's transaction."""
    return {(row.name, row.labels): row.value for row in Sample.select()}


of_this_process = Tally(REGISTRY)
