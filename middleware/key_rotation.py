"""Second after a failure: how did the key fare? The next attempt then finds another."""

from typing import Any

from dramatiq import Broker, MessageProxy, Middleware

from middleware.classification import failed_jobs
from neurocards import outbox
from neurocards.app import App
from neurocards.db import db
from neurocards.errors import JobFailed
from neurocards.policies import policy_for


class KeyRotation(Middleware):
    """Rests or quarantines the key that was used, as the category's policy says."""

    def __init__(self, app: App) -> None:
        self._app = app

    def after_process_message(
        self, broker: Broker, message: MessageProxy, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        """Tells the pool about each key that a failure names."""
        for failed in failed_jobs(exception):
            key = getattr(failed.__cause__, "key", None)
            if key:
                self._report(key, failed)

    def _report(self, key: str, failed: JobFailed) -> None:
        failure = failed.failure
        action = policy_for(failure.category).key
        with db:
            if action == "cool":
                self._app.keys.cool(key, failure.retry_after)
            elif action == "quarantine" and self._app.keys.quarantine(key, failure.text):
                about = f"key_quarantined:{key}"
                outbox.alert(self._app.settings.admins, about, key=key, text=failure.text[:300])
