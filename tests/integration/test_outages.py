"""A provider that is down: one job asks now and then, retries have a budget, and whoever waits loses nothing."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from neurocards import attempts, clock, jobs, outages, overview, pipeline, settlement
from neurocards.db import db
from neurocards.errors import Failure
from neurocards.models import Job, JobEvent, Order, Outgoing, Pause, ProviderAttempt
from tests.conftest import jobs_of

MAINTENANCE = Failure("TEMPORARY", "maintenance", "maintenance", "kie", "being maintained")
BUSY = Failure("TEMPORARY", "a rule", "provider", "kie", "busy")
ADMINS = (77,)


def submitting(job: Job, process: str = "w1") -> Job:
    """The job, taken up for its submit."""
    with db:
        Job.update(status="processing", stage="submit", prompt="p", due_at=clock.after(0)).where(
            Job.id == job.id
        ).execute()
        return jobs.claim(job.id, "submit", process)


def wait_of(job: Job) -> float | None:
    """How many seconds the job has to wait for KIE; None: it may ask."""
    with db:
        wait = outages.wait(job, "kie")
    return None if wait is None else wait.seconds


def pause_ended(ago: float = 1.0) -> None:
    with db:
        Pause.update(until=clock.in_real(-ago)).execute()


def history(states: list[str], n: int, minutes_ago: float = 1.0) -> None:
    """Attempts of other jobs, each the `n`th of its job."""
    with db:
        order = Order.select().order_by(Order.id).get()
        for state in states:
            number = Job.select().where(Job.order == order).count() + 1
            job = Job.create(order=order, user=order.user_id, number=number, deadline_at=clock.after(3600))
            ended = {"finished_at": clock.after(0)} if state == "failed" else {}
            task = {"task_id": f"task-{job.id}"} if state == "running" else {}
            began = clock.after(-60 * minutes_ago)
            row = {"job": job, "n": n, "nonce": str(job.id), "key": "k", "model": "m", "state": state}
            ProviderAttempt.create(started_at=began, **row, **ended, **task)


def test_nobody_knows_of_an_outage_that_nobody_has_asked_about_for_a_while(clean_db):
    # Given an outage whose last waiting order was refunded
    with db:
        outages.pause("kie", "maintenance")
    pause_ended(1)
    with db:
        assert outages.down() == ["kie"]
    # When nobody has tried since
    pause_ended(outages.PAUSE + 1)
    # Then operators are not told that it goes on
    with db:
        assert outages.down() == []


# The pause ------------------------------------------------------------------------------------------------------------


def test_maintenance_pauses_the_provider_for_others_and_not_for_long(ordered, worker):
    # Given three jobs, the first of which KIE answers with its maintenance
    first, second, _ = jobs_of(ordered(count=3))
    claim = submitting(first)
    with db:
        attempts.begin(claim, "k", "m")
    settlement.settle(worker(), claim, MAINTENANCE)
    # Then the second has to wait, no longer than the first one's own retry
    assert wait_of(submitting(second)) == outages.PAUSE
    with db:
        assert (Job.get_by_id(first.id).due_at - Pause.get().until).total_seconds() >= 0
        assert outages.down() == ["kie"]
    # And to somebody else's maintenance it is nothing
    with db:
        assert outages.wait(second, "another provider") is None


def test_after_a_pause_one_asks_and_the_others_wait_for_its_answer(ordered):
    # Given a pause that has ended, and eight jobs that would all like to know
    with db:
        outages.pause("kie", "maintenance")
    pause_ended()
    eight = [submitting(jobs_of(ordered(user_id=user))[0]) for user in range(1, 9)]
    # When they look at the same time
    with ThreadPoolExecutor(8) as threads:
        waits = list(threads.map(wait_of, eight))
    # Then exactly one may ask
    assert sorted(waits, key=str) == [outages.PAUSE] * 7 + [None]


def test_an_accepted_task_ends_the_pause_and_wakes_whoever_waits(ordered):
    # Given a job that is held back by a pause
    job = submitting(jobs_of(ordered())[0])
    with db:
        outages.pause("kie", "maintenance")
        outages.hold(job, outages.wait(job, "kie"), ADMINS)
        assert (Job.get_by_id(job.id).due_at - datetime.now(UTC)).total_seconds() > 20
    # When KIE takes somebody's task
    with db:
        outages.over("kie")
    # Then the job is due, and asks
    with db:
        taken = jobs.claim(job.id, "submit", "w2")
        assert taken is not None
        assert outages.wait(taken, "kie") is None
        # and nothing shows it as waiting once it moves on
        jobs.forward(taken, "render", "task accepted")
        assert Job.get_by_id(job.id).held_at is None


# The budget -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("failed_retries", "creates", "allowed"),
    [(4, 0, True), (5, 0, False), (5, 19, False), (5, 20, False), (5, 21, True), (20, 80, False), (19, 81, True)],
)
def test_failed_retries_are_a_fifth_of_all_creates_at_most_and_five_are_always_free(
    ordered, failed_retries, creates, allowed
):
    # Given what happened in the last ten minutes
    ordered()
    history(["failed"] * failed_retries, n=2)
    history(["running"] * creates, n=1)
    # Then there is room for one more retry, or not
    with db:
        assert outages.may_retry() is allowed


def test_retries_that_were_taken_are_free_and_old_ones_forgotten(ordered):
    # Given five retries each that KIE took, that failed long ago, and that failed now
    ordered()
    history(["running"] * 5, n=2)
    history(["failed"] * 5, n=2, minutes_ago=11)
    with db:
        assert outages.may_retry()
    history(["failed", "failed", "submitting", "ambiguous", "failed"], n=3)
    # Then only those of now count, the unanswered ones too
    with db:
        assert not outages.may_retry()


def test_without_budget_a_retry_waits_and_a_first_attempt_does_not(ordered):
    # Given a spent budget
    order = ordered(count=3)
    history(["failed"] * 5, n=2)
    fresh, tried = (submitting(job) for job in jobs_of(order)[:2])
    tried.render_attempts = 1
    # Then the order that never asked may, the one that did waits
    assert wait_of(fresh) is None
    assert wait_of(tried) == outages.LOOK_AGAIN


# Waiting --------------------------------------------------------------------------------------------------------------


def test_who_waits_keeps_attempts_and_is_told_once(ordered, worker):
    # Given an order of three videos while KIE is down
    order = ordered(count=3)
    with db:
        outages.pause("kie", "being maintained")
    # When each of them is to be submitted, again and again
    for _ in range(3):
        for job in jobs_of(order):
            pipeline.submit(worker(), submitting(job))
    # Then no attempt is used and nothing failed
    rows = jobs_of(order)
    assert {(job.status, job.stage, job.render_attempts, job.claim_token) for job in rows} == {
        ("processing", "submit", 0, None)
    }
    assert all(job.held_at is not None for job in rows)
    with db:
        assert ProviderAttempt.select().count() == 0
        assert not JobEvent.select().where(JobEvent.to_status == "failed").exists()
        # And the customer has one notice, the operator one alert
        told = [(row.kind, row.payload["what"]) for row in Outgoing.select().where(Outgoing.kind != "card")]
    assert sorted(told) == [("alert", "provider_down"), ("notice", "held")]


def test_a_retry_that_fails_again_is_counted_and_no_longer_held(ordered, worker):
    # Given a job that was held and then asked, and was refused
    claim = submitting(jobs_of(ordered())[0])
    with db:
        outages.pause("kie", "x")
        outages.hold(claim, outages.wait(claim, "kie"), ADMINS)
    pause_ended()
    claim = submitting(claim)
    with db:
        assert outages.wait(claim, "kie") is None
        attempts.begin(claim, "k", "m")
    settlement.settle(worker(), claim, BUSY)
    # Then it is an ordinary retry
    with db:
        job = Job.get_by_id(claim.id)
    assert (job.held_at, job.render_attempts, job.stage) == (None, 1, "submit")


def test_with_the_budget_spent_somebody_still_finds_out_that_a_pause_is_over(ordered):
    # Given a pause that has ended, and no budget left
    tried = submitting(jobs_of(ordered())[0])
    tried.render_attempts = 1
    history(["failed"] * 5, n=2)
    with db:
        outages.pause("kie", "maintenance")
    pause_ended()
    # Then a retry may ask: two requests a minute multiply nothing
    assert wait_of(tried) is None


# What others keep -----------------------------------------------------------------------------------------------------


def test_a_pause_that_ends_wakes_only_those_who_wait_for_it(ordered):
    # Given a job that is held, one that was held and is being worked on, and one that waits for a retry of its own
    held, busy, other = (submitting(job) for job in jobs_of(ordered(count=3)))
    with db:
        outages.pause("kie", "maintenance")
        outages.pause("another provider", "maintenance")
        outages.hold(held, outages.wait(held, "kie"), ADMINS)
        Job.update(held_at=clock.after(0)).where(Job.id == busy.id).execute()
        jobs.again(other, "submit", "a retry", 60)
        before = {row.id: row.due_at for row in Job.select()}
        # When the provider takes a task
        outages.over("kie")
        after = {row.id: row.due_at for row in Job.select()}
        # Then the held one is due at once, and the others when they were
        assert after[held.id] < before[held.id]
        assert (after[busy.id], after[other.id]) == (before[busy.id], before[other.id])
        # And another provider's pause goes on
        assert [row.provider for row in Pause.select()] == ["another provider"]


def test_without_a_pause_an_accepted_task_wakes_nobody(ordered):
    # Given a job that is held for want of budget
    held = submitting(jobs_of(ordered())[0])
    with db:
        outages.hold(held, outages.Wait(30, "the retry budget is spent"), ADMINS)
        before = Job.get_by_id(held.id).due_at
        outages.over("kie")
        assert Job.get_by_id(held.id).due_at == before


def test_a_later_pause_takes_the_place_of_the_earlier(clean_db):
    # Given a pause that is over
    with db:
        outages.pause("kie", "maintenance")
    pause_ended()
    # When the provider is down again, with a long story
    with db:
        outages.pause("kie", "y" * 300)
        # Then there is one pause, as long as the first was, and with as much of the story as a list can show
        pause = Pause.get()
    assert pause.reason == "y" * 200
    assert outages.PAUSE - 5 < (pause.until - datetime.now(UTC)).total_seconds() <= outages.PAUSE


def test_who_has_to_wait_is_told_why(ordered):
    # Given a provider that is down
    job = submitting(jobs_of(ordered())[0])
    with db:
        outages.pause("kie", "maintenance")
        assert outages.wait(job, "kie").reason == "kie is down: maintenance"
        Pause.delete().execute()
    # And then a spent budget
    history(["failed"] * 5, n=2)
    job.render_attempts = 1
    with db:
        assert outages.wait(job, "kie").reason == "kie fails too many, the retry budget is spent"


def test_first_attempts_that_failed_spend_nothing(ordered):
    # Given many orders whose first attempt failed, and four failed retries
    ordered()
    history(["failed"] * 6, n=1)
    history(["failed"] * 4, n=2)
    with db:
        assert outages.may_retry()


def test_the_notice_names_its_job_and_the_wait_its_beginning(ordered):
    # Given a job that has to wait, twice
    job = submitting(jobs_of(ordered())[0])
    wait = outages.Wait(outages.PAUSE, "kie is down: maintenance")
    with db:
        Outgoing.delete().execute()
        outages.pause("kie", "maintenance")
        outages.hold(job, wait, ADMINS)
        began = Job.get_by_id(job.id).held_at
    with db:
        outages.hold(submitting(job), wait, ADMINS)
        # Then the wait began when it began
        assert Job.get_by_id(job.id).held_at == began
        # And the customer's notice is of this order and job, the operators' alert has the reason, and the card is due
        told = {row.kind: (row.key, row.chat_id, row.payload) for row in Outgoing.select()}
    assert told["notice"] == (f"notice:order:{job.order_id}:held", 7, {"what": "held", "job": job.id})
    assert told["card"][2] == {"order": job.order_id}
    assert told["alert"][1:] == (77, {"what": "provider_down", "text": "kie is down: maintenance"})
    assert told["alert"][0].startswith("alert:provider_down:kie:")


def test_retries_that_are_held_back_are_no_outage(ordered):
    # Given jobs that have to wait because too many retries failed, while KIE is up
    first, second, _ = jobs_of(ordered(count=3))
    history(["failed"] * 5, n=2)
    for job in map(submitting, (first, second)):
        job.render_attempts = 1
        with db:
            outages.hold(job, outages.wait(job, "kie"), ADMINS)
    # Then operators hear of that and not of an outage, and the figures show who waits
    with db:
        told = [row.payload["what"] for row in Outgoing.select().where(Outgoing.kind == "alert")]
    assert told == ["retries_held"]
    now = overview.overview(None)
    assert (now.held, now.paused) == (2, [])


def test_a_job_that_waits_again_asks_for_no_second_card(ordered):
    # Given a job that was held before, and whose customer has been told
    job = submitting(jobs_of(ordered())[0])
    with db:
        outages.hold(job, outages.Wait(30, "x"), ADMINS)
        Outgoing.delete().execute()
    # When it has to wait again
    with db:
        outages.hold(submitting(job), outages.Wait(30, "x"), ADMINS)
        assert Outgoing.select().count() == 0
