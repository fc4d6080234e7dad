"""Second after a failure: how did the key fare? The next attempt then finds another."""

from typing import Any

from dramatiq import Broker, MessageProxy, Middleware

from middleware.classification import failed_jobs
from neurocards.app import App
from neurocards.db import db
from neurocards.errors import JobFailed
from neurocards.policies import policy_for
from neurocards.reactions import report_key


class KeyRotation(Middleware):
    """Does to the key that was used what the category's policy names."""

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
        reaction = policy_for(failed.failure.category).key
        if reaction:
            with db:
                report_key(self._app, reaction, key, failed.failure)
