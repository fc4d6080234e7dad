"""What watches over the actors, in the order Dramatiq runs the `before` hooks; the `after` hooks run in reverse.

Dramatiq logs and swallows what a hook raises, so nothing that must happen hangs on one alone: if a hook dies, the job's claim is
still there and the sweep takes it back.
"""

from dramatiq import Middleware
from dramatiq.middleware import TimeLimit

from middleware.backoff import Backoff
from middleware.classification import Classification
from middleware.drain import Drain
from middleware.key_rotation import KeyRotation
from middleware.lifecycle import Lifecycle
from middleware.log_context import LogContext
from neurocards.app import App


def stack(app: App) -> list[Middleware]:
    """A failure is classified first, then the key pool hears of it, then the outcome is written."""
    return [
        LogContext(),
        Lifecycle(app),
        Drain(),
        Backoff(app),
        KeyRotation(app),
        Classification(app),
        # Last, so that its clock is stopped first: the hooks above may wait for the database.
        TimeLimit(time_limit=300_000),
    ]
