"""Tells one person what everybody is told."""

from actors import app
from neurocards import courier, dispatch


@dispatch.actor
def announce(outgoing_id: int) -> None:
    """Sends one copy of a broadcast: as `tell`, but behind everything else."""
    courier.tell(app, outgoing_id)
