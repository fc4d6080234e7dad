"""Tells people what happened."""

from actors import app
from neurocards import courier, dispatch


@dispatch.actor
def tell(outgoing_id: int) -> None:
    """Sends one row of the outbox."""
    courier.tell(app, outgoing_id)
