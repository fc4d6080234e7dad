"""The key is asked too much."""

from neurocards import key_health
from neurocards.app import App
from neurocards.errors import Failure
from neurocards.reactions import key_reaction


@key_reaction("cool")
def cool(app: App, fingerprint: str, failure: Failure) -> None:
    """Rests it, as long as the provider said or the pool knows."""
    key_health.cool(fingerprint, failure.retry_after)
