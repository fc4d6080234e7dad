"""Where videos are made: each photo once, in the background, however many tasks ask for it."""

import threading
from concurrent.futures import Future
from pathlib import Path

from sandbox.kie.files import FileStore, StoredFile
from sandbox.kie.render import RenderAborted, render, sample_photo
from sandbox.kie.workers import Workers
from sandbox.world import World

RENDER_THREADS = 1
_NICENESS = 10

# The sample's video takes seconds of a CPU: it is made once a process, however many sandboxes there are.
_sample: list[bytes] = []


class Studio:
    """Renders photos to MP4 files, one at a time and at low priority, and remembers them by the photo's digest."""

    def __init__(self, world: World, store: FileStore) -> None:
        """Start the render thread; `close` ends it."""
        self._world = world
        self._store = store
        self._lock = threading.Lock()
        self._videos: dict[str, Future[Path]] = {}
        # The prepared video keeps everybody waiting: it gives way to nothing.
        self._workers = Workers(RENDER_THREADS, "kie-render", 0 if world.prepared_video else _NICENESS)
        if world.prepared_video:
            self.video_of(None)

    def video_of(self, photo: StoredFile | None) -> Future[Path]:
        """The MP4 of a photo, now or later; of the sample photo if there is none, or one prepared video serves for all.

        The future's exception is NotAPicture when the bytes can't be decoded.
        """
        source = photo.path if photo and not self._world.prepared_video else None
        digest = photo.digest if photo and source else "sample"
        # The future is in the map before the work begins, so that two tasks never render the same photo.
        with self._lock:
            if digest in self._videos:
                return self._videos[digest]
            future = self._videos[digest] = Future[Path]()
        self._workers.submit(lambda: self._render(source, self._store.blank(f"{digest}.mp4"), future))
        return future

    def _render(self, photo: Path | None, target: Path, future: Future[Path]) -> None:
        try:
            self._make(photo, target)
        except RenderAborted:
            future.cancel()
        except Exception as wrong:  # noqa: BLE001 - a task waits for this future: any fault has to reach it
            future.set_exception(wrong)
        else:
            future.set_result(target)

    def _make(self, photo: Path | None, target: Path) -> None:
        if photo is None and _sample:
            target.write_bytes(_sample[0])
            return
        render(photo.read_bytes() if photo else sample_photo(), target, lambda: self._world.clock.stopped)
        if photo is None:
            _sample[:] = [target.read_bytes()]

    def close(self) -> None:
        """End the render thread; a render under way stops at its next frame."""
        self._workers.close()
