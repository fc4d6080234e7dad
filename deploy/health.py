"""Whether the bot or the worker of this container is well: `python deploy/health.py bot|worker`, status 0 or 1 and a line that says why.

Asked a few times a minute in every container, so it starts fast: it imports none of the product and reads two variables itself.
"""

import os
import platform
import sys
import urllib.request
from contextlib import closing

# Below the five seconds that the probes allow.
PATIENCE = 3
# Worker processes beat every five seconds.
SILENT_AFTER = 20

BEATS = """
    SELECT count(*) FROM processes
    WHERE starts_with(id, %s) AND beat_at > now() - make_interval(secs => %s)"""


def bot() -> str | None:
    """What is wrong with the bot's HTTP server, None when it answers."""
    port = os.environ.get("PORT") or "10000"
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=PATIENCE):
            return None
    except OSError as error:
        return f"/healthz on port {port}: {error}"


def worker() -> str | None:
    """What is wrong with this host's worker, None when it beats in PostgreSQL.

    None as well while PostgreSQL is away: that is not the worker's fault, and restarting all of them would not help.
    """
    import psycopg2  # noqa: PLC0415  the bot's probe does without

    address = os.environ.get("DATABASE_URL", "")
    try:
        with closing(psycopg2.connect(address, connect_timeout=PATIENCE)) as connection, connection.cursor() as cursor:
            cursor.execute(BEATS, (f"{platform.node()}:", SILENT_AFTER))
            found = cursor.fetchone()
    except psycopg2.Error:
        return None
    return None if found and found[0] else f"no worker of {platform.node()} has beaten for {SILENT_AFTER} s"


def main() -> None:
    """Ends with status 1 and the reason when something is wrong."""
    probes = {"bot": bot, "worker": worker}
    if len(sys.argv) != 2 or sys.argv[1] not in probes:
        sys.exit("usage: health.py bot|worker")
    sys.exit(probes[sys.argv[1]]())


if __name__ == "__main__":
    main()
