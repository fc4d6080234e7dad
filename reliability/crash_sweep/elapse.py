"""Time that passes without being waited for: everything that is dated moves into the past together."""

from contextlib import closing
from functools import cache

from neurocards.db import db

# The ledger's rows can't be changed, and nothing is due by their time.
_DATED = """SELECT table_name, column_name, data_type = 'ARRAY' FROM information_schema.columns
    WHERE table_schema = 'public' AND udt_name IN ('timestamptz', '_timestamptz') AND table_name <> 'ledger_entries'
    ORDER BY table_name, column_name"""
_NEXT = """SELECT extract(epoch FROM min(due) - now()) FROM (
    SELECT due_at AS due FROM jobs WHERE status IN ('queued', 'processing') AND claim_token IS NULL AND due_at > now()
    UNION ALL SELECT due_at FROM outbox WHERE sent_at IS NULL AND error IS NULL AND due_at > now()
    UNION ALL SELECT taken_until FROM outbox WHERE sent_at IS NULL AND error IS NULL AND taken_until > now()) AS later"""
# Longer than a dead process is waited for and a lost message; shorter than an order's deadline by far (seconds).
LEAST, MOST = 16.0, 700.0


def let_pass(seconds: float) -> None:
    """The database is `seconds` older than it was."""
    with db, closing(db.execute_sql(_updates().replace("?", f"interval '{seconds} seconds'"))):
        pass


def until_next() -> float:
    """Seconds until something is due that is not, at least those after which silence is death."""
    with db, closing(db.execute_sql(_NEXT)) as cursor:
        (seconds,) = cursor.fetchone()
    return min(MOST, max(LEAST, float(seconds or 0.0) + 0.1))


@cache
def _updates() -> str:
    """All of it in one message to the server."""
    with db, closing(db.execute_sql(_DATED)) as cursor:
        rows = cursor.fetchall()
    changes: dict[str, list[str]] = {}
    for table, column, many in rows:
        earlier = f"ARRAY(SELECT at - ? FROM unnest({column}) AS at)" if many else f"{column} - ?"  # noqa: S608  our own columns
        changes.setdefault(table, []).append(f"{column} = {earlier}")
    return "; ".join(f"UPDATE {table} SET {', '.join(columns)}" for table, columns in changes.items())  # noqa: S608
