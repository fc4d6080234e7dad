"""Creates or upgrades a database: a fresh one from `schema.sql`, an older one by the numbered migrations.

Running it again changes nothing, and two at once take turns. A new migration changes `schema.sql` in the same commit; a test compares
a fresh database with an upgraded one.
"""

from contextlib import closing
from pathlib import Path

from playhouse.migrations import Runner

from neurocards import privileges
from neurocards.db import db
from neurocards.leadership import MIGRATION

SCHEMA = Path(__file__).parent.parent / "schema.sql"
MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(app_role: str | None = None) -> list[str]:
    """Brings the database up to date in one transaction and returns the names of the migrations applied; empty: it was.

    `app_role` is then granted what bot and workers need, and nothing else. Raises ConfigurationMistake when that can't be.
    """
    with db:
        with closing(db.execute_sql("SELECT pg_advisory_xact_lock(%s)", (MIGRATION,))):
            pass
        applied = _brought_up()
        if app_role:
            privileges.grant(app_role)
        return applied


def _brought_up() -> list[str]:
    runner = Runner(db, str(MIGRATIONS))
    if runner.History.table_exists() or db.table_exists("jobs"):
        return runner.up()
    db.execute_sql(SCHEMA.read_text(encoding="utf-8").replace("%", "%%"))
    return runner.fake()
