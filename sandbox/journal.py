"""The journal: what every stand-in was asked and what it answered, in order.

Tests match the product's own ledger against it, so it is append-only and holds no secrets: a caller is the fingerprint
of its token or key, and big values are replaced by their length and digest.
"""

import hashlib
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

MAX_ENTRIES = 200_000
MAX_TEXT = 4_000

Entry = dict[str, Any]


def fingerprint(secret: str) -> str:
    """The first 8 hex digits of the SHA-256 of a token or key; "-" when there is none."""
    return hashlib.sha256(secret.encode()).hexdigest()[:8] if secret else "-"


def summarise(value: Any) -> Any:
    """`value` fit for the journal: bytes and texts over `MAX_TEXT` characters become {"bytes", "sha256"}."""
    if isinstance(value, Mapping):
        return {str(key): summarise(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [summarise(item) for item in value]
    if isinstance(value, (bytes, bytearray)) or (isinstance(value, str) and len(value) > MAX_TEXT):
        blob = value.encode() if isinstance(value, str) else bytes(value)
        return {"bytes": len(blob), "sha256": hashlib.sha256(blob).hexdigest()[:8]}
    return value


class Journal:
    """Numbered entries in memory (the newest 200,000) and, if wanted, one JSON line each in a file. Thread-safe."""

    def __init__(self, file: Path | None = None, max_entries: int = MAX_ENTRIES) -> None:
        """Keep up to `max_entries` in memory; append every entry to `file` when given."""
        self._changed = threading.Condition()
        self._entries: list[Entry] = []
        self._max = max_entries
        self._last = 0
        self._closed = False
        self._note = threading.local()
        self._file = file.open("a", encoding="utf-8", buffering=1) if file else None

    def record(
        self,
        service: str,
        endpoint: str,
        *,
        caller: str,
        request: Mapping[str, Any],
        status: int,
        response: Mapping[str, Any],
        note: str = "",
        started: float = 0.0,
    ) -> int:
        """Append one exchange and return its number.

        `started` is the unix time at which handling began and gives the entry its `ms`; `status` 0 = no answer.
        """
        at = time.time()
        # Set by `noting` for this thread only: each connection has its own.
        pending = getattr(self._note, "text", "")
        entry: Entry = {
            "n": 0,
            "at": at,
            "ms": round((at - started) * 1000, 1) if started else None,
            "service": service,
            "endpoint": endpoint,
            "caller": caller,
            "request": summarise(request),
            "status": status,
            "response": summarise(response),
            "note": "; ".join(part for part in (note, pending) if part),
        }
        return self._append(entry)

    def _append(self, entry: Entry) -> int:
        with self._changed:
            self._last += 1
            entry["n"] = self._last
            self._entries.append(entry)
            # Trimmed a tenth at a time: dropping the head of a list costs its whole length.
            if len(self._entries) > self._max:
                del self._entries[: max(1, self._max // 10)]
            if self._file and not self._file.closed:
                self._file.write(json.dumps(entry, ensure_ascii=False, default=str) + "\n")
            self._changed.notify_all()
            return self._last

    @contextmanager
    def noting(self, note: str) -> Iterator[None]:
        """Add `note` to what this thread records inside the block: a transport fault marks the entry it spoils."""
        self._note.text = note
        try:
            yield
        finally:
            self._note.text = ""

    def entries(self, after: int = 0, service: str | None = None, endpoint: str | None = None) -> list[Entry]:
        """The entries numbered above `after`, oldest first; of one service or endpoint if named."""
        with self._changed:
            first = self._entries[0]["n"] if self._entries else 0
            # Numbers have no gaps, so a number is an index.
            recent = self._entries[max(0, after + 1 - first) :]
        return [entry for entry in recent if _wanted(entry, service, endpoint)]

    def wait(self, after: int, timeout: float, service: str | None = None, endpoint: str | None = None) -> list[Entry]:
        """Like `entries`, but wait up to `timeout` real seconds for the first one; empty when none came."""
        deadline = time.monotonic() + timeout
        with self._changed:
            # The condition's lock is re-entrant, so nothing can be added between looking and waiting.
            while not (found := self.entries(after, service, endpoint)):
                left = deadline - time.monotonic()
                if self._closed or left <= 0:
                    return []
                self._changed.wait(left)
            return found

    def close(self) -> None:
        """End every wait and close the file, if any; the entries in memory stay readable."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            if self._file:
                self._file.close()


def _wanted(entry: Entry, service: str | None, endpoint: str | None) -> bool:
    if service is not None and entry["service"] != service:
        return False
    return endpoint is None or entry["endpoint"].lower() == endpoint.lower()
