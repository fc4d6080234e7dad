"""How long things take, from our own recent jobs. Figures are in seconds of the product's time; all within the caller's transaction."""

from collections.abc import Sequence
from datetime import UTC, datetime

from peewee import SQL, ModelSelect

from neurocards import clock
from neurocards.models import Job, ProviderAttempt

RECENT = 50
# What the product promises before there is anything to measure: about five minutes, of which four are the render.
FIRST_ORDER = 300.0
FIRST_RENDER = 240.0


def order_time() -> float:
    """Median time from confirm to delivery of the last delivered jobs."""
    took = (Job.finished_at - Job.created_at).alias("took")
    return _median(Job.select(took).where(Job.status == "done").order_by(Job.finished_at.desc()), FIRST_ORDER)


def render_time(model: str) -> float:
    """Median time from request to finished video of the model's last tasks."""
    took = (ProviderAttempt.finished_at - ProviderAttempt.started_at).alias("took")
    succeeded = (ProviderAttempt.model == model) & (ProviderAttempt.state == "succeeded")
    return _median(
        ProviderAttempt.select(took).where(succeeded).order_by(ProviderAttempt.finished_at.desc()), FIRST_RENDER
    )


def remaining(jobs: Sequence[Job]) -> float | None:
    """Seconds until the last of the jobs is delivered by the median; negative when it takes longer than most, None when all have ended."""
    youngest = max((job.created_at for job in jobs if job.finished_at is None), default=None)
    if youngest is None:
        return None
    return order_time() - clock.unscaled((datetime.now(UTC) - youngest).total_seconds())


def _median(recent: ModelSelect, otherwise: float) -> float:
    rows = recent.limit(RECENT).alias("recent")
    middle = SQL("extract(epoch FROM percentile_cont(0.5) WITHIN GROUP (ORDER BY took))")
    seconds = Job.select(middle).from_(rows).scalar()
    return otherwise if seconds is None else clock.unscaled(float(seconds))
