"""Whether the bot or the worker of this container is well: `python deploy/health.py bot` or `worker [--strict]`.

Status 0, or 1 and a line that says why. Strictly, a worker is ill as well while it can't be told whether it is well; for who restarts
what is ill that would be wrong: a PostgreSQL that is away is not the worker's fault, and restarting all of them would not help.

Asked a few times a minute in every container, so it starts fast: it imports none of the product and reads two variables itself.
"""

import os
import platform
import sys
import urllib.request
from contextlib import closing
from functools import partial

# Below the five seconds that the probes allow.
PATIENCE = 3
# Worker processes beat every five seconds.
SILENT_AFTER = 20

BEATS = """
    SELECT count(*) FROM processes
    WHERE starts_with(id, %s) AND beat_at > now() - make_interval(secs => %s)"""


def bot() -> str | None:
    """What is wrong with the bot, None when it answers and has a database it can work with."""
    port = os.environ.get("PORT") or "10000"
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=PATIENCE):
            return None
    except OSError as error:
        return f"/readyz on port {port}: {error}"


def worker(strict: bool = False) -> str | None:
    """What is wrong with this host's worker, None when it beats in PostgreSQL, and unless `strict` when that can't be asked."""
    import psycopg2  # noqa: PLC0415  the bot's probe does without

    address = os.environ.get("DATABASE_URL", "")
    try:
        with closing(psycopg2.connect(address, connect_timeout=PATIENCE)) as connection, connection.cursor() as cursor:
            cursor.execute(BEATS, (f"{platform.node()}:", SILENT_AFTER))
            found = cursor.fetchone()
    except psycopg2.Error as error:
        # Its words may quote the address; the worker's log has them.
        return f"PostgreSQL can't be asked: {type(error).__name__}" if strict else None
    return None if found and found[0] else f"no worker of {platform.node()} has beaten for {SILENT_AFTER} s"


def main() -> None:
    """Ends with status 1 and the reason when something is wrong."""
    probes = {("bot",): bot, ("worker",): worker, ("worker", "--strict"): partial(worker, strict=True)}
    probe = probes.get(tuple(sys.argv[1:]))
    if probe is None:
        sys.exit("usage: health.py bot | health.py worker [--strict]")
    sys.exit(probe())


if __name__ == "__main__":
    main()
