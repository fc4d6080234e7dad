"""The key can't pay or isn't let in."""

from neurocards import key_health, outbox
from neurocards.app import App
from neurocards.errors import Failure
from neurocards.reactions import key_reaction


@key_reaction("quarantine")
def quarantine(app: App, fingerprint: str, failure: Failure) -> None:
    """Takes it out of use until a probe finds it well. The operators hear of it from whoever was first."""
    if key_health.quarantine(fingerprint, failure.text):
        outbox.alert(app.settings.admins, f"key_quarantined:{fingerprint}", key=fingerprint, text=failure.text[:300])
        if not app.keys.has_usable():
            outbox.alert(app.settings.admins, "no_key_left")
