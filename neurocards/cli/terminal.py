"""What every command begins with: a console, and the database of the settings."""

from rich.console import Console

from neurocards import clock, db
from neurocards.config import DatabaseSettings, load_or_exit

console = Console()


def connect() -> None:
    """Points the process at DATABASE_URL; a missing variable is one line and status 2."""
    settings = load_or_exit(DatabaseSettings)
    clock.set_scale(settings.time_scale)
    db.connect(settings.database_url.get_secret_value(), settings.db_pool_size)
