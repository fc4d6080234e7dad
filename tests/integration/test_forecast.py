"""Forecasts come from our own recent jobs."""

from datetime import timedelta

import pytest

from neurocards import forecast
from neurocards.db import db
from neurocards.models import ProviderAttempt
from tests.conftest import jobs_of


@pytest.mark.parametrize("took", [[60], [60, 100, 4000], [10] * 30 + [90] * 40])
def test_the_median_of_the_last_jobs_is_the_forecast(ordered, took):
    # Given delivered jobs that took so many seconds, the later ones first to count
    job = jobs_of(ordered())[0]
    with db:
        for n, seconds in enumerate(took, start=1):
            ProviderAttempt.insert(
                job=job.id, n=n, nonce=str(n), key="k", model="m", state="failed", finished_at="now"
            ).execute()
            db.execute_sql(
                "UPDATE provider_attempts SET state = 'succeeded', task_id = n, finished_at = now() + n * interval '1 s', "
                "started_at = now() + n * interval '1 s' - %s * interval '1 s' WHERE n = %s",
                (seconds, n),
            )
        # Then the middle one of the last fifty is the forecast
        recent = sorted(took[-forecast.RECENT :])
        assert forecast.render_time("m") == pytest.approx(
            (recent[(len(recent) - 1) // 2] + recent[len(recent) // 2]) / 2
        )


def test_before_anything_is_known_the_promise_is_the_forecast(ordered):
    job = jobs_of(ordered())[0]
    with db:
        assert forecast.order_time() == forecast.FIRST_ORDER
        assert forecast.render_time("never used") == forecast.FIRST_RENDER
        assert forecast.remaining([job]) == pytest.approx(forecast.FIRST_ORDER, abs=5)


def test_an_order_is_ready_when_its_youngest_open_video_is(ordered):
    # Given three videos, of which the youngest has ended, and one is ten minutes old
    old, young, ended = jobs_of(ordered(count=3))
    old.created_at -= timedelta(minutes=10)
    young.created_at -= timedelta(minutes=1)
    ended.finished_at = ended.created_at
    with db:
        # Then the other one decides, and when the old one is all there is, it is overdue
        assert forecast.remaining([old, young, ended]) == pytest.approx(forecast.FIRST_ORDER - 60, abs=5)
        assert forecast.remaining([old, ended]) == pytest.approx(forecast.FIRST_ORDER - 600, abs=5)
        assert forecast.remaining([ended]) is None
