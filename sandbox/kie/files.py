"""Uploaded photos and rendered videos: bytes on disk, names in memory, all gone when the sandbox stops."""

import hashlib
import random
import string
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

MAX_NAMES = 100_000


@dataclass(frozen=True)
class StoredFile:
    """One named file. `path` holds its bytes, or is None for a result that is bad on purpose, as `fault` says."""

    path: Path | None
    mime: str
    digest: str = ""
    fault: str = ""


class FileStore:
    """Files by their public path; equal content is kept once. Thread-safe."""

    def __init__(self) -> None:
        """Open a temporary folder, removed by `close`."""
        self._lock = threading.Lock()
        self._folder = tempfile.TemporaryDirectory(prefix="sandbox-kie-")
        self._names: dict[str, StoredFile] = {}

    def keep(self, content: bytes) -> tuple[Path, str]:
        """Store bytes under their digest: (path on disk, SHA-256 hex)."""
        digest = hashlib.sha256(content).hexdigest()
        path = self.blank(digest)
        with self._lock:
            # A thousand orders of one photo take its room once.
            if not path.exists():
                path.write_bytes(content)
        return path, digest

    def blank(self, name: str) -> Path:
        """Where a file of that name would lie on disk."""
        return Path(self._folder.name) / name

    def publish(self, public: str, stored: StoredFile) -> None:
        """Serve `stored` at a public path, in place of what was there. Beyond 100,000 names the oldest is forgotten."""
        with self._lock:
            # Popped first, so that a name used again counts as new.
            self._names.pop(public, None)
            self._names[public] = stored
            if len(self._names) > MAX_NAMES:
                del self._names[next(iter(self._names))]

    def find(self, public: str) -> StoredFile | None:
        """What is served at a public path."""
        with self._lock:
            return self._names.get(public)

    def close(self) -> None:
        """Remove the folder."""
        self._folder.cleanup()


def fresh_name(suffix: str) -> str:
    """A name in KIE's manner: <epoch ms>-<11 random characters><suffix>."""
    tail = "".join(random.choices(string.ascii_lowercase + string.digits, k=11))
    return f"{time.time_ns() // 1_000_000}-{tail}{suffix}"
