"""`/metrics`: what all processes have counted, how things stand, and how the answering process fares, in Prometheus' text format."""

import json
import platform
from collections.abc import Iterable, Iterator

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, ProcessCollector, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector, CollectorRegistry
from prometheus_client.samples import Sample

from neurocards import gauges, metrics, policies, samples
from neurocards.db import db

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

# Of one moment; and a server that hangs costs a thread no more than Prometheus' own patience.
_BEGIN = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET LOCAL statement_timeout = '5s'"


class _Fixed(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def text() -> bytes:
    """The whole answer. Raises PeeweeException while the database is away."""
    metrics.begin_at_zero(policies.categories())
    with db:
        db.execute_sql(_BEGIN)
        saved = samples.totals()
        families = gauges.read()
    return generate_latest(_Fixed([*counted(metrics.REGISTRY, saved), *families, *process()]))


def counted(registry: CollectorRegistry, saved: samples.Totals) -> Iterator[Metric]:
    """The registry's families with the figures of all processes in place of this one's: 0 for what is there and nobody has saved."""
    known = dict.fromkeys(samples.counted(registry), 0.0) | saved
    for family in registry.collect():
        names = {f"{family.name}{suffix}" for suffix in ("_total", "_bucket", "_count", "_sum")}
        found = Metric(family.name, family.documentation, family.type)
        found.samples = [
            Sample(name, json.loads(labels), value) for (name, labels), value in known.items() if name in names
        ]
        found.samples.sort(key=_place)
        yield found


def _place(sample: Sample) -> tuple[list[tuple[str, str]], str, float]:
    """Buckets of one histogram side by side, from the smallest up."""
    others = sorted((name, value) for name, value in sample.labels.items() if name != "le")
    return others, sample.name, float(sample.labels.get("le", 0))


def process() -> Iterator[Metric]:
    """CPU, memory and files of this process. Behind one address there may be several, so each says which it is."""
    for family in ProcessCollector(registry=None).collect():
        labelled = Metric(family.name, family.documentation, family.type)
        labelled.samples = [
            Sample(sample.name, {"host": platform.node() or "host"}, sample.value) for sample in family.samples
        ]
        yield labelled
