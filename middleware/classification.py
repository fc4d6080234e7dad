"""First after a failure: what does it mean?"""

import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from dramatiq import Broker, MessageProxy, Middleware

from neurocards import metrics
from neurocards.app import App
from neurocards.classifiers import classify
from neurocards.errors import Failure, JobFailed
from neurocards.logs import Redactor

log = logging.getLogger(__name__)


def failed_jobs(exception: BaseException | None) -> Iterator[JobFailed]:
    """The job failures in what an actor raised: one, or those of a batch."""
    if isinstance(exception, JobFailed):
        yield exception
    elif isinstance(exception, ExceptionGroup):
        for part in exception.exceptions:
            yield from failed_jobs(part)


class Classification(Middleware):
    """Puts a `Failure` on each JobFailed, found by the plugins of `neurocards.classifiers`. Its text goes into rows: redacted."""

    def __init__(self, app: App) -> None:
        self._redacted = Redactor(app.settings.secrets())

    @property
    def actor_options(self) -> set[str]:
        """`throws`: the failures this stack settles; Dramatiq then logs them without a traceback."""
        return {"throws"}

    def after_process_message(
        self, broker: Broker, message: MessageProxy, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        """Classifies; a bug of ours keeps its traceback in the log."""
        for failed in failed_jobs(exception):
            cause = failed.__cause__ if isinstance(failed.__cause__, Exception) else failed
            failure = classify(cause)
            failed.failure = replace(failure, text=self._redacted(failure.text))
            metrics.ATTEMPTS.labels(failure.provider or "ours", failure.category).inc()
            log.warning(
                "job %s failed in %s: %s",
                failed.claim.id,
                failed.claim.stage,
                failed.failure,
                exc_info=_if_ours(failed.failure, cause),
                extra={"job_id": failed.claim.id, "order_id": failed.claim.order_id, "stage": failed.claim.stage},
            )


def _if_ours(failure: Failure, cause: Exception) -> Exception | None:
    return cause if failure.category == "UNKNOWN" and not failure.provider else None
