"""SQL is never put together with values: the linter's exceptions are few and known, and what is typed reaches rows as it was typed."""

import ast
import re
from pathlib import Path

import pytest

from neurocards import drafts, orders
from neurocards.db import db
from neurocards.models import TABLES, Draft, User

ROOT = Path(__file__).parents[2]
PRODUCT = [path for name in ("neurocards", "actors", "handlers", "middleware") for path in (ROOT / name).rglob("*.py")]
# Whoever runs raw SQL is known here; everything else goes through Peewee's expressions.
RAW = {
    "audit.py",
    "db.py",
    "exposition.py",
    "gauges.py",
    "keys.py",
    "leadership.py",
    "migrate.py",
    "overview.py",
    "privileges.py",
    "reconciliation.py",
    "samples.py",
    *(path.name for path in (ROOT / "neurocards" / "migrations").glob("0*.py")),
}
INJECTIONS = (
    "'; DROP TABLE users; --", "' OR '1'='1", '" OR ""="', "\\'; DELETE FROM jobs; --", "1); UPDATE users SET credits = 9; --", "%s %(x)s",
    "$1 $$ $a$", "{0} {x!r}", "\\x27\\x3b", "ʼ; DROP TABLE users; --", "/**/UNION/**/SELECT/**/1", "E'\\047'", ":name", "?", "`id`", "\\",
)  # fmt: skip


def test_raw_sql_is_where_it_is_known_to_be():
    # Given every call that takes SQL as text
    calls = {}
    for path in PRODUCT:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("execute_sql", "raw", "execute"):
                calls.setdefault(path.name, []).extend(node.args[:1])
    raw = {name: [argument for argument in found if argument is not None] for name, found in calls.items() if found}
    # Then it is in these modules
    assert set(raw) <= RAW
    # And none of it is put together on the spot
    put_together = [
        (name, ast.unparse(argument))
        for name, found in raw.items()
        for argument in found
        if isinstance(argument, ast.JoinedStr | ast.BinOp)
    ]
    assert put_together == []


def test_the_linter_is_told_to_look_away_nowhere_in_the_product():
    found = [
        (path.name, line)
        for path in PRODUCT
        for line in path.read_text().splitlines()
        if re.search(r"noqa.*S(608|3\d\d|60\d)\b", line)
    ]
    # `random` is for jitter; nothing is guessed from it
    assert {re.search(r"S\d+", line)[0] for _, line in found} <= {"S311"}


@pytest.mark.parametrize("text", INJECTIONS)
def test_what_is_typed_is_kept_as_it_was_typed(clean_db, text):
    # When such words come as a name and as an answer
    orders.meet(7, text, text, 1)
    drafts.save(7, 7, state="confirm", description=text, wishes=text)
    # Then they are in the rows, and nothing else happened
    with db:
        assert User.get_by_id(7).first_name == text[:64]
        assert Draft.get().data["description"] == text
        assert {model._meta.table_name for model in TABLES} <= set(db.get_tables())
        assert User.get_by_id(7).credits == 1
