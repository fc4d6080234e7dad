"""Files that bots and users sent: bytes on disk once per content, and the ids by which each bot knows them."""

import hashlib
import io
import secrets
import shutil
import tempfile
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from sandbox.telegram.errors import ApiError, bad_request
from sandbox.telegram.limits import FILE_LINK_SECONDS, MAX_DOWNLOAD_BYTES

Json = dict[str, Any]

_CHUNK = 1 << 18
_FOLDERS = {"photo": "photos", "video": "videos", "voice": "voice", "sticker": "stickers", "thumbnail": "thumbnails"}
_SUFFIXES = {"image/jpeg": ".jpg", "image/png": ".png", "video/mp4": ".mp4", "audio/ogg": ".oga", "image/webp": ".webp"}


@dataclass(frozen=True)
class Blob:
    """Bytes on disk under their digest; `path` is None when only a size was declared."""

    digest: str
    size: int
    path: Path | None

    def read(self) -> bytes:
        """All the bytes; empty for a declared file."""
        return self.path.read_bytes() if self.path else b""


@dataclass
class StoredFile:
    """A file as one bot knows it. `file_path` is its place in download links; `fields` are its other Bot API fields."""

    file_id: str
    file_unique_id: str
    bot: int
    kind: str
    blob: Blob
    mime: str
    file_path: str
    fields: Json = field(default_factory=dict)
    served_until: float = 0.0

    def json(self) -> Json:
        """The file's object in a message, such as a PhotoSize or a Document."""
        return {
            "file_id": self.file_id,
            "file_unique_id": self.file_unique_id,
            **self.fields,
            **({"file_size": self.blob.size} if self.blob.size else {}),
        }


@dataclass(frozen=True)
class Media:
    """What one message carries: the sizes of a photo, smallest first, or a single file of another kind."""

    kind: str
    files: tuple[StoredFile, ...]

    def json(self) -> Any:
        """The value of the message's field named `kind`."""
        return [size.json() for size in self.files] if self.kind == "photo" else self.files[-1].json()

    @property
    def best(self) -> StoredFile:
        """The largest size, or the file itself."""
        return self.files[-1]


class FileStore:
    """Everything ever sent through this sandbox, in a temporary folder that `close` removes. Thread-safe."""

    def __init__(self, now: Callable[[], float], link_seconds: Callable[[float], float]) -> None:
        """`now` gives unix seconds; `link_seconds` turns Telegram's link lifetime into real seconds."""
        self._now = now
        self._link_seconds = link_seconds
        self._lock = threading.Lock()
        self._folder = Path(tempfile.mkdtemp(prefix="sandbox-telegram-"))
        self._files: dict[str, StoredFile] = {}
        self._media: dict[str, Media] = {}
        self._by_path: dict[tuple[int, str], StoredFile] = {}
        self._memory: dict[tuple[str, str], Any] = {}
        # Also removes the folder when the process ends without a proper stop.
        self.close = weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)

    def keep(self, source: IO[bytes], most: int) -> Blob:
        """Read a stream to its end and keep it. Raises ApiError 413 as soon as it exceeds `most` bytes."""
        digest, size = hashlib.sha256(), 0
        with tempfile.NamedTemporaryFile(dir=self._folder, delete=False) as target:
            while chunk := source.read(_CHUNK):
                size += len(chunk)
                if size > most:
                    Path(target.name).unlink()
                    raise ApiError(413, "Request Entity Too Large")
                digest.update(chunk)
                target.write(chunk)
        path = self._folder / digest.hexdigest()
        # Atomic, and harmless when another thread has just stored the same content.
        Path(target.name).replace(path)
        return Blob(digest.hexdigest(), size, path)

    def keep_bytes(self, data: bytes) -> Blob:
        """Keep bytes that are already in memory."""
        return self.keep(io.BytesIO(data), len(data))

    def declare(self, size: int) -> Blob:
        """A file of `size` bytes that doesn't exist: too big to be downloaded anyway."""
        return Blob(secrets.token_hex(32), size, None)

    def remember(self, blob: Blob, what: str, work_out: Callable[[], Any]) -> Any:
        """The result of `work_out` for this content, worked out only once: a photo may come a thousand times."""
        key = (blob.digest, what)
        # Two threads may work out the same result at once; the work isn't done under the lock, and either result will do.
        with self._lock:
            if key in self._memory:
                return self._memory[key]
        result = work_out()
        with self._lock:
            self._memory[key] = result
        return result

    def add(self, bot: int, kind: str, blob: Blob, mime: str, name: str = "", **fields: Any) -> StoredFile:
        """Give the bytes an id for `bot`: a new `file_id`, and a `file_unique_id` that the content decides."""
        # The kind counts too: on Telegram a photo and a document of the same bytes are different files.
        unique = hashlib.sha256(f"{kind}:{blob.digest}".encode()).hexdigest()[:15]
        suffix = Path(name).suffix or _SUFFIXES.get(mime, "")
        with self._lock:
            place = f"{_FOLDERS.get(kind, 'documents')}/file_{len(self._files)}{suffix}"
            stored = StoredFile(_new_file_id(), unique, bot, kind, blob, mime, place, fields)
            self._files[stored.file_id] = stored
            self._by_path[bot, place] = stored
        return stored

    def media(self, kind: str, *files: StoredFile) -> Media:
        """Bind files into what a message carries, so that any of their ids sends it again."""
        bound = Media(kind, files)
        with self._lock:
            self._media.update((stored.file_id, bound) for stored in files)
        return bound

    def again(self, bot: int, file_id: str) -> Media:
        """What was once sent under `file_id`. Raises ApiError 400 for another bot's or an unknown id."""
        with self._lock:
            media = self._media.get(file_id)
        if media is None or media.best.bot != bot:
            raise bad_request("wrong file identifier/HTTP URL specified")
        return media

    def link(self, bot: int, file_id: str) -> StoredFile:
        """Prepare a file for download, as getFile does. Raises ApiError 400 for a bad id or over 20 MB."""
        if not file_id:
            raise bad_request("file_id not specified")
        with self._lock:
            stored = self._files.get(file_id)
        if stored is None or stored.bot != bot:
            raise bad_request("invalid file_id")
        if stored.blob.size > MAX_DOWNLOAD_BYTES:
            raise bad_request("file is too big")
        # At high time scales an hour would be over before a bot can fetch anything.
        stored.served_until = self._now() + max(60.0, self._link_seconds(FILE_LINK_SECONDS))
        return stored

    def linked(self, bot: int, file_path: str) -> StoredFile | None:
        """The file behind a download link while the link lives; None before getFile and after the link's end."""
        with self._lock:
            stored = self._by_path.get((bot, file_path))
        return stored if stored and stored.served_until > self._now() else None

    def any(self, file_id: str) -> StoredFile | None:
        """A file by its id, whoever it belongs to (for the chat page)."""
        with self._lock:
            return self._files.get(file_id)


def _new_file_id() -> str:
    return "AgAC" + secrets.token_urlsafe(48)
