"""Tells people what happened."""

import dramatiq

from actors import app
from neurocards import courier, dispatch


@dramatiq.actor(queue_name=dispatch.QUEUE)
def tell(outgoing_id: int) -> None:
    """Sends one row of the outbox."""
    courier.tell(app, outgoing_id)
