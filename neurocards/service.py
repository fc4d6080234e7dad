"""Whether the service takes orders. Operators close it while they work on it; what was ordered before is made all the same."""

from neurocards.models import Pause

_ORDERS = "orders"


def close(reason: str) -> None:
    """Takes no more orders until `reopen`. Inside the caller's transaction."""
    row = {"provider": _ORDERS, "reason": reason[:200], "until": "infinity"}
    Pause.insert(row).on_conflict(conflict_target=[Pause.provider], preserve=[Pause.reason]).execute()


def reopen() -> bool:
    """Takes orders again; whether it did not before. Inside the caller's transaction."""
    return bool(Pause.delete().where(Pause.provider == _ORDERS).execute())


def closed() -> bool:
    """Whether orders are refused now. Inside the caller's transaction."""
    return bool(Pause.select().where(Pause.provider == _ORDERS).exists())
