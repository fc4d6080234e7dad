"""What every command begins with: a console, and the database of the settings."""

import sys

from rich.console import Console

from neurocards import clock, db
from neurocards.config import DatabaseSettings, load_or_exit

# A table in a file or a pipe is not folded to a terminal's width.
console = Console(width=None if sys.stdout.isatty() else 160)


def connect() -> DatabaseSettings:
    """Points the process at DATABASE_URL; a missing variable is one line and status 2."""
    settings = load_or_exit(DatabaseSettings)
    clock.set_scale(settings.time_scale)
    db.connect(settings.database_url.get_secret_value(), settings.db_pool_size)
    return settings
