"""Faults that tests and rehearsals arm over HTTP, and the stand-ins take when a matching call arrives.

Transport kinds (the connection misbehaves) are applied for every service in `transport.py`. All other kinds belong to
one service, whose blueprint takes and interprets them.
"""

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

TRANSPORT_KINDS = frozenset({"http", "hang", "reset", "slow", "lost_reply", "late_reply", "truncate"})
# What is known about a call before its body is read; a transport fault can match on nothing else.
TRANSPORT_CONTEXT = frozenset({"caller", "method"})


@dataclass
class Fault:
    """One armed misbehaviour of `service` at `endpoint` ("*" = any).

    The first `after` matching calls pass unharmed, the next `times` are hit (-1 = until removed). A call matches when
    each key of `match` has that value in the call's context; `params` say what the kind needs.
    """

    service: str
    endpoint: str
    kind: str
    times: int = 1
    after: int = 0
    params: dict[str, Any] = field(default_factory=dict)
    match: dict[str, Any] = field(default_factory=dict)


@dataclass
class _Armed:
    id: int
    fault: Fault
    seen: int = 0
    taken: int = 0

    @property
    def spent(self) -> bool:
        return 0 <= self.fault.times <= self.taken


class Faults:
    """The armed faults, in the order they were added. Thread-safe."""

    def __init__(self) -> None:
        """Start with nothing armed."""
        self._lock = threading.Lock()
        self._armed: list[_Armed] = []
        self._last_id = 0
        self._declared: dict[str, tuple[frozenset[str], Callable[[Fault], None]]] = {}

    def declare(
        self, service: str, kinds: frozenset[str], check: Callable[[Fault], None] = lambda _fault: None
    ) -> None:
        """Say which kinds a service has, so that arming a misspelt one is an error and not a test of nothing.

        `check` raises ValueError for params that make no sense.
        """
        self._declared[service] = (kinds, check)

    def add(self, fault: Fault) -> int:
        """Arm a fault and return its id. Raises ValueError for an unknown kind or a match that can never be met."""
        self._check(fault)
        with self._lock:
            self._last_id += 1
            self._armed.append(_Armed(self._last_id, fault))
            return self._last_id

    def _check(self, fault: Fault) -> None:
        if fault.times < -1 or fault.times == 0 or fault.after < 0:
            raise ValueError("times must be -1 or at least 1, after 0 or more")
        if fault.kind in TRANSPORT_KINDS:
            if not fault.match.keys() <= TRANSPORT_CONTEXT:
                raise ValueError(f"a transport fault can match only on {sorted(TRANSPORT_CONTEXT)}")
            return
        if fault.service not in self._declared:
            raise ValueError(f"there is no service {fault.service!r}; there are {sorted(self._declared)}")
        kinds, check = self._declared[fault.service]
        if fault.kind not in kinds:
            raise ValueError(f"{fault.service} has no fault kind {fault.kind!r}; it has {sorted(kinds)}")
        check(fault)

    def take(
        self, service: str, endpoint: str, *, kinds: Collection[str] | None = None, **context: object
    ) -> Fault | None:
        """The first armed service fault for this call, counted as used; None when the call should go well.

        A blueprint that asks more than once a call (what to answer, how the task ends) names the `kinds` it asks for.
        """
        return self._take(lambda kind: kind not in TRANSPORT_KINDS and _one_of(kind, kinds), service, endpoint, context)

    def take_transport(self, service: str, endpoint: str, **context: object) -> Fault | None:
        """Like `take`, for the transport kinds."""
        return self._take(TRANSPORT_KINDS.__contains__, service, endpoint, context)

    def _take(
        self, wanted: Callable[[str], bool], service: str, endpoint: str, context: Mapping[str, object]
    ) -> Fault | None:
        with self._lock:
            matching = [
                a for a in self._armed if wanted(a.fault.kind) and _matches(a.fault, service, endpoint, context)
            ]
            # Every matching fault sees the call, also one that another fault takes: `after` counts calls.
            for armed in matching:
                armed.seen += 1
            taken = next((armed for armed in matching if armed.seen > armed.fault.after), None)
            if taken is None:
                return None
            taken.taken += 1
            self._armed = [armed for armed in self._armed if not armed.spent]
            return taken.fault

    def remove(self, number: int) -> bool:
        """Disarm the fault with this id; False when it was not armed (any more)."""
        with self._lock:
            before = len(self._armed)
            self._armed = [armed for armed in self._armed if armed.id != number]
            return len(self._armed) < before

    def clear(self) -> None:
        """Disarm everything."""
        with self._lock:
            self._armed = []

    def active(self) -> list[dict[str, Any]]:
        """The armed faults with their `id`, how many matching calls they have `seen` and how many they have `taken`."""
        with self._lock:
            return [{"id": a.id, **asdict(a.fault), "seen": a.seen, "taken": a.taken} for a in self._armed]


def _one_of(kind: str, kinds: Collection[str] | None) -> bool:
    return kinds is None or kind in kinds


def _matches(fault: Fault, service: str, endpoint: str, context: Mapping[str, object]) -> bool:
    if fault.service not in ("*", service) or fault.endpoint.lower() not in ("*", endpoint.lower()):
        return False
    # Compared as text: a chat id is a number in JSON and a string in a form.
    return all(key in context and str(context[key]) == str(value) for key, value in fault.match.items())
