"""The database, deferred: imported everywhere, opened by the process that begins (`connect`).

`with db:` takes a pooled connection and a transaction and gives both back; nested, the outermost decides. Keep them short:
no transaction is open during a call to a vendor.
"""

import logging
import time
from collections.abc import Callable
from typing import Self, TypeVar
from urllib.parse import urlsplit

import stamina
from peewee import InterfaceError, OperationalError, PeeweeException
from playhouse.db_url import parse
from playhouse.pool import MaxConnectionsExceeded, PooledPostgresqlDatabase
from psycopg2 import errorcodes

log = logging.getLogger(__name__)

# A lost or refused connection; anything else is a fault of ours and must not be retried.
Unreachable = (OperationalError, InterfaceError)


class Pool(PooledPostgresqlDatabase):
    """The library's pool, but for two cases: a connection that dies just before BEGIN, and a pool that stays empty."""

    def connect(self, reuse_if_open: bool = False) -> bool:
        """Raises OperationalError, as for a database that is away, when no connection gets free in time."""
        try:
            return super().connect(reuse_if_open)
        except MaxConnectionsExceeded as error:
            raise OperationalError(str(error)) from None

    def __enter__(self) -> Self:
        """Opens a transaction; a thread whose BEGIN failed would otherwise keep its dead connection for ever."""
        try:
            return super().__enter__()
        except PeeweeException:
            if not self.in_transaction():
                self.close()
            raise


# Ten processes of dramatiq hold 10 x 7 connections, the bot 12: within PostgreSQL's usual 100 (`docs/why.md`).
db = Pool(None, stale_timeout=300, timeout=30, autoconnect=False)

Result = TypeVar("Result")

# A host that vanished without a word is noticed in about twenty seconds, on both sides: the server frees its locks, too.
_KEEPALIVE = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 20_000,
    "options": "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=2",
}


def connect(url: str, pool_size: int = 7) -> None:
    """Points the database at `url` without connecting. At most `pool_size` connections are open at once in this process."""
    arguments = parse(url, unquote_user=True, unquote_password=True)
    name = arguments.pop("database")
    db.init(
        name, max_connections=pool_size, connect_timeout=5, application_name="neurocards", **_KEEPALIVE, **arguments
    )


def insistently(write: Callable[[], Result]) -> Result:
    """Runs a guarded write again for up to a minute while the database is away.

    For writes that record what already happened outside (a task was made, a video was sent) and so must not be given up lightly.
    """
    for attempt in stamina.retry_context(on=Unreachable, attempts=None, timeout=60, wait_initial=0.2, wait_max=2):
        with attempt:
            return write()
    raise AssertionError("unreachable: the retry either returns or raises")


def wait_until_ready(ready: Callable[[], None], url: str, patience: Callable[[], bool] = lambda: True) -> None:
    """Blocks until `ready()` works, with a log line every few seconds; stops waiting when `patience()` is false."""
    address = urlsplit(url)
    while patience():
        try:
            ready()
            break
        except PeeweeException as error:
            log.warning("waiting for PostgreSQL at %s:%s: %s", address.hostname, address.port or 5432, in_a_line(error))
        time.sleep(1)


def sqlstate(error: PeeweeException) -> str | None:
    """PostgreSQL's own code of an error, such as `errorcodes.UNDEFINED_TABLE`; None when it isn't the server's."""
    return getattr(getattr(error, "orig", None), "pgcode", None)


def in_a_line(error: PeeweeException) -> str:
    """What an operator should know of a database error, and do about it when it is one that an operator can cause."""
    code = sqlstate(error)
    if code == errorcodes.UNDEFINED_TABLE:
        return "there are no tables yet: run python3 scripts/migrate_db.py"
    line = str(error).partition("\n")[0]
    if code == errorcodes.INSUFFICIENT_PRIVILEGE:
        role = db.connect_params.get("user", "this role")
        return f"{line}, as {role}: migrations are the owner's to run, with APP_ROLE for the role of bot and workers"
    return line
