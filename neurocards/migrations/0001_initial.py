"""The first schema, frozen as it was."""

from pathlib import Path


def up(migrator, db):
    """Makes every table of the first version."""
    db.execute_sql(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8").replace("%", "%%"))
