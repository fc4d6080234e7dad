"""The guarded, fenced moves of a job."""

import threading

import pytest

from neurocards import jobs
from neurocards.db import db
from neurocards.errors import LostClaim
from neurocards.models import Job, JobEvent
from tests.conftest import jobs_of


def claim(job: Job, stage: str = "script", process: str = "w1") -> Job | None:
    with db:
        return jobs.claim(job.id, stage, process)


def test_a_claim_takes_the_job_up_counts_the_script_attempt_and_says_who(ordered):
    # Given a queued job
    job = jobs_of(ordered())[0]
    # When it is claimed
    taken = claim(job)
    # Then it is processing, fenced and counted, with its event
    assert (taken.status, taken.stage, taken.claimed_by, taken.script_attempts) == ("processing", "script", "w1", 1)
    with db:
        event = JobEvent.select().order_by(JobEvent.id.desc()).get()
    assert (event.from_status, event.to_stage, event.actor) == ("queued", "script", "w1")


def test_a_message_that_comes_twice_claims_once(ordered):
    # Given a queued job and many workers with the same message
    job = jobs_of(ordered())[0]
    barrier, won = threading.Barrier(12), []

    def work(number: int) -> None:
        barrier.wait()
        won.append(claim(job, process=f"w{number}"))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Then one has it
    assert len([taken for taken in won if taken]) == 1


def test_a_job_is_claimed_only_for_its_stage_and_when_due(ordered):
    job = jobs_of(ordered())[0]
    assert claim(job, "submit") is None
    taken = claim(job)
    with db:
        jobs.again(taken, "script", "later", 60)
    assert claim(job) is None


def test_a_worker_presumed_dead_cannot_move_a_reclaimed_job(ordered):
    # Given a job that was taken from one worker and given to another
    job = jobs_of(ordered())[0]
    old = claim(job)
    with db:
        jobs.reclaim(old, "script", "its worker died")
    new = claim(job, process="w2")
    # When the first one wakes up and writes, Then every write is refused
    for write in (
        lambda: jobs.forward(old, "submit", "late", prompt="p", prompt_source="gpt"),
        lambda: jobs.again(old, "script", "late", 0),
        lambda: jobs.fail(old, "late", "TEMPORARY"),
        lambda: jobs.look_again(old, 5),
    ):
        with pytest.raises(LostClaim), db:
            write()
    # And the second goes on
    with db:
        jobs.forward(new, "submit", "script written", prompt="p", prompt_source="gpt")
    assert jobs_of_id(job.id).stage == "submit"


def jobs_of_id(job_id: int) -> Job:
    with db:
        return Job.get_by_id(job_id)


def test_a_move_that_loses_leaves_no_event(ordered):
    job = claim(jobs_of(ordered())[0])
    with db:
        jobs.forward(job, "submit", "won", prompt="p", prompt_source="gpt")
    with pytest.raises(LostClaim), db:
        jobs.forward(job, "submit", "lost", prompt="p", prompt_source="gpt")
    with db:
        assert [event.reason for event in JobEvent.select().order_by(JobEvent.id)] == ["ordered", "taken up", "won"]


def test_due_jobs_are_woken_once_while_their_message_is_on_the_way(ordered):
    # Given a queued job whose message was lost
    job = jobs_of(ordered())[0]
    with db:
        Job.update(woken_at=None).execute()
        # Then the sweep wakes it, and not again at once
        assert jobs.wake_due("script", 10, lease=15) == [job.id]
        assert jobs.wake_due("script", 10, lease=15) == []
        # And again when that message must have been lost too
        assert jobs.wake_due("script", 10, lease=-1) == [job.id]


def test_a_claimed_job_is_not_woken(ordered):
    claim(jobs_of(ordered())[0])
    with db:
        assert jobs.wake_due("script", 10, lease=-1) == []


def test_a_step_forward_forgets_earlier_crashes(ordered):
    job = claim(jobs_of(ordered())[0])
    with db:
        jobs.reclaim(job, "script", "its worker died")
    again = claim(job)
    assert again.reclaims == 1
    with db:
        jobs.forward(again, "submit", "written", prompt="p", prompt_source="gpt")
    assert jobs_of_id(job.id).reclaims == 0
