"""Last after a failure: what follows? The category's policy decides, one call writes it under the job's claim."""

import logging
from typing import Any

from dramatiq import Broker, MessageProxy, Middleware

from middleware.classification import failed_jobs
from neurocards import settlement
from neurocards.app import App
from neurocards.db import insistently
from neurocards.errors import JobFailed, LostClaim

log = logging.getLogger(__name__)


class Backoff(Middleware):
    """Retries at a later `due_at`, or fails and refunds."""

    def __init__(self, app: App) -> None:
        self._app = app

    def after_process_message(
        self, broker: Broker, message: MessageProxy, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        """Settles each failed job. When that can't be written either, the claim is let out of hand and the sweep takes it back."""
        for failed in failed_jobs(exception):
            try:
                self._settle(failed)
            finally:
                self._app.in_hand.discard(failed.claim.claim_token)

    def _settle(self, failed: JobFailed) -> None:
        try:
            insistently(lambda: settlement.settle(self._app, failed.claim, failed.failure))
        except LostClaim as lost:
            log.info("%s", lost)
