"""Folders of the embedded servers: one a server, locked while in use, so that what a dead run left is known and
removed.

Under a root (`var/` in the checkout) a throw-away server has `run-XXXX/`, a kept one a folder with a fixed name. Each
holds `lock`, which the operating system frees when the last process using the folder is gone. PostgreSQL does not run
as root; root's servers run as `nobody`, who may not be able to reach the checkout: their files lie in the system's
temporary folder and `elsewhere` in the server's folder says where. `python -m sandbox.folders var` removes all that
no live run uses.

Only the standard library is imported here, so that `make clean` works without the virtual environment.
"""

import fcntl
import os
import pwd
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, NamedTuple, Self

ELSEWHERE_PREFIX = "neurocards-"
LOCK_SECONDS = 2.0


class ServiceError(RuntimeError):
    """An embedded server is not installed or cannot be started; the message says why and what to do."""


class FolderInUseError(ServiceError):
    """Another live run uses this folder."""


class Account(NamedTuple):
    """A system account by its numbers, as `subprocess` wants them."""

    uid: int
    gid: int


def server_account() -> Account | None:
    """The account servers run under when we are root; None when we are not and servers run as ourselves."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_uid, nobody.pw_gid)


class ServerFolder:
    """A server's folder, locked while the context lasts.

    `path` is where the server's files go: the folder itself, or a temporary one when we are root. Without `keep` both
    are removed at the end; with it they stay and the same `name` finds them again. Entering a kept folder that
    another run uses raises `FolderInUseError` after `LOCK_SECONDS`.
    """

    def __init__(self, root: Path, name: str, *, keep: bool = False) -> None:
        """Nothing is made yet."""
        self._root, self._name, self._keep = root, name, keep

    def __enter__(self) -> Self:
        """Makes or finds the folder; removes what earlier runs left behind under the same root."""
        self._root.mkdir(parents=True, exist_ok=True)
        sweep(self._root)
        self.folder, self._lock = self._open_kept() if self._keep else self._make_new()
        self.path = self.folder if server_account() is None else _elsewhere(self.folder)
        return self

    def __exit__(self, *_exc: object) -> None:
        """Removes a throw-away folder, then lets go of the lock."""
        if not self._keep:
            _remove(self.folder)
        self._lock.close()

    @property
    def lock_fd(self) -> int:
        """For child processes that use the folder too: the lock lasts until the last of them has closed it."""
        return self._lock.fileno()

    @property
    def leftovers(self) -> list[str]:
        """What has to be removed for this folder to leave nothing: empty for a kept one."""
        return [] if self._keep else [str(self.path), str(self.folder)]

    def _make_new(self) -> tuple[Path, IO[bytes]]:
        """The folder gets the name that `sweep` looks for only once it is locked; before, it would look dead."""
        made = Path(tempfile.mkdtemp(prefix="new-", dir=self._root))
        lock = (made / "lock").open("wb")
        fcntl.flock(lock, fcntl.LOCK_EX)
        return made.rename(made.with_name(made.name.replace("new-", f"run-{self._name}-"))), lock

    def _open_kept(self) -> tuple[Path, IO[bytes]]:
        folder = self._root / self._name
        folder.mkdir(mode=0o700, exist_ok=True)
        deadline = time.monotonic() + LOCK_SECONDS  # an interrupted run may need a moment to stop its servers
        while (lock := _try_lock(folder)) is None:
            if time.monotonic() > deadline:
                raise FolderInUseError(f"{folder} is in use by another run: stop that one first")
            time.sleep(0.05)
        return folder, lock


def sweep(root: Path) -> None:
    """Removes the throw-away folders under `root` whose run is dead."""
    for folder in root.glob("run-*"):
        _remove_if_dead(folder)


def clean(root: Path) -> list[Path]:
    """Removes everything under `root` that no live run uses, kept folders too; returns what is in use and stays."""
    busy = [lock.parent for lock in sorted(root.rglob("lock")) if not _remove_if_dead(lock.parent)]
    if not busy:
        shutil.rmtree(root, ignore_errors=True)
    return busy


def _remove_if_dead(folder: Path) -> bool:
    """Whether the folder is gone; it is not if a live run holds its lock or another account made it."""
    try:
        lock = _try_lock(folder)
    except FileNotFoundError:  # someone else swept it just now
        return True
    except PermissionError:
        return False
    if lock is None:
        return False
    with lock:
        _remove(folder)
    return True


def _try_lock(folder: Path) -> IO[bytes] | None:
    lock = (folder / "lock").open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return lock


def _remove(folder: Path) -> None:
    elsewhere = _read_elsewhere(folder)
    if elsewhere is not None:
        shutil.rmtree(elsewhere, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


def _read_elsewhere(folder: Path) -> Path | None:
    """The temporary folder this one points at, if it exists and is really ours: names in a temporary folder can be
    taken.
    """
    pointer = folder / "elsewhere"
    path = Path(pointer.read_text()) if pointer.exists() else None
    ours = path is not None and path.name.startswith(ELSEWHERE_PREFIX) and path.is_dir() and not path.is_symlink()
    return path if path is not None and ours and path.stat().st_uid == os.geteuid() else None


def _elsewhere(folder: Path) -> Path:
    """The folder's temporary folder, made unless it is there; others can pass through it but not list it."""
    known = _read_elsewhere(folder)
    if known is None:
        known = Path(tempfile.mkdtemp(prefix=ELSEWHERE_PREFIX, dir=_open_temporary_folder()))
        known.chmod(0o711)
        (folder / "elsewhere").write_text(str(known))
    return known


def _open_temporary_folder() -> Path:
    """The system's temporary folder, or another where TMPDIR names one that only root can enter."""
    candidates = [Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")]  # noqa: S108 - mkdtemp makes a private one inside
    return next(path for path in candidates if all(step.stat().st_mode & 0o001 for step in [path, *path.parents]))


def main() -> int:
    """`make clean`: exit status 1 if a live run's files had to stay."""
    busy = clean(Path(sys.argv[1]))
    for folder in busy:
        print(f"not removed, in use by a live run or another account's: {folder}", file=sys.stderr)
    return 1 if busy else 0


if __name__ == "__main__":
    sys.exit(main())
