"""The state of the books in one statement: what the model is compared with, and the ids that break an invariant.

Asked after every step, so it is a function inside the database, whose plan is kept by the connection.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from uuid import UUID

from neurocards.audit import INVARIANTS
from neurocards.db import db

# Those that hold between any two steps; I7 and I10 say that things go on, and are asked for at the end.
ALWAYS = ("I1", "I2", "I3", "I4", "I5", "I6", "I8", "I9")

_FUNCTION = """
CREATE FUNCTION books() RETURNS TABLE (what text, id text, a text, b text, n bigint, crashes int, due float8, late float8)
LANGUAGE plpgsql STABLE AS $$ #variable_conflict use_column
BEGIN RETURN QUERY
    SELECT 'video', j.id::text, coalesce(j.stage, j.status), j.claim_token::text, j.order_id, j.reclaims::int,
           extract(epoch FROM j.due_at - clock_timestamp())::float8, extract(epoch FROM now() - j.deadline_at)::float8 FROM jobs j
    UNION ALL SELECT 'person', u.id::text, '', '', u.credits::bigint, 0, 0.0::float8, 0.0::float8 FROM users u
    {invariants}; END $$"""
_BROKEN = (
    "UNION ALL SELECT '{name}', q.id::text, '', '', 0::bigint, 0, 0.0::float8, 0.0::float8 FROM ({query}) AS q (id)"
)


@dataclass
class Row:
    """A job as it stands: its state, its fence, crashes since its last step, in how many seconds it is due, and for how many it has
    been past its deadline."""

    id: int
    state: str
    token: UUID | None
    order: int
    crashes: int
    due_in: float
    late_by: float


@dataclass(frozen=True)
class Books:
    """What one snapshot showed."""

    videos: dict[int, Row]
    balances: dict[int, int]
    broken: list[str]


def make_function() -> None:
    """Puts the statement into the database."""
    checks = [invariant for invariant in INVARIANTS if invariant.name in ALWAYS]
    parts = " ".join(_BROKEN.format(name=check.name, query=check.query) for check in checks)
    with db:
        db.execute_sql(_FUNCTION.format(invariants=parts).replace("%", "%%"))


def read() -> Books:
    """One snapshot."""
    videos, balances, broken = dict[int, Row](), dict[int, int](), list[str]()
    for what, name, state, token, number, crashes, due_in, late_by in _rows():
        if what == "video":
            videos[int(name)] = Row(int(name), state, UUID(token) if token else None, number, crashes, due_in, late_by)
        elif what == "person":
            balances[int(name)] = number
        else:
            broken.append(f"{what} is broken by {name}")
    return Books(videos, balances, broken)


def _rows() -> Iterator[tuple[str, str, str, str | None, int, int, float, float]]:
    # One statement is one snapshot: a transaction around it would only cost two more round trips.
    with db.connection_context(), closing(db.execute_sql("SELECT * FROM books()")) as cursor:
        yield from cursor.fetchall()
