"""What keeps the promise when messages are lost and processes die: reclaiming, giving back, expiring, waking."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

import dramatiq
import pytest
from peewee import PeeweeException, fn

from neurocards import (
    attempts,
    clock,
    dispatch,
    endings,
    jobs,
    key_health,
    ledger,
    liveness,
    maintenance,
    operators,
    orders,
    outbox,
    pipeline,
    settlement,
    web,
)
from neurocards.app import App
from neurocards.db import Unreachable, db
from neurocards.errors import Failure, JobFailed, LostClaim, ProviderError
from neurocards.keys import KeyPool, fingerprint
from neurocards.leadership import LEADER, Lock
from neurocards.models import (
    NOW,
    Account,
    ApiKey,
    InboxUpdate,
    Job,
    JobEvent,
    Order,
    Outgoing,
    Process,
    ProviderAttempt,
)
from neurocards.schedule import OF_THE_LEADER, Scheduler
from sandbox.databases import outside_transaction
from tests.conftest import jobs_of
from tests.integration.conftest import OPERATOR

REFUSED = Failure("TEMPORARY", "a rule", "provider", "kie", "busy")
LOST = Failure("TEMPORARY", "no clear answer", "ambiguous_submit", "kie", "no answer: timed out")
FACES = Failure("USER_ERROR", "a rule", "person", "kie", "faces")
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)

FACTS = {
    "submit": {"prompt": "p"},
    "render": {"prompt": "p"},
    "deliver": {"prompt": "p", "result_url": "http://x/y.mp4"},
}


def claimed(order: Order, stage: str = "script", process: str = "w1", ago: float = 20.0) -> Job:
    """The order's first job, taken up for `stage` `ago` seconds ago."""
    mine = Job.id == jobs_of(order)[0].id
    with db:
        if stage != "script":
            Job.update(status="processing", stage=stage, **FACTS[stage]).where(mine).execute()
        taken = jobs.claim(jobs_of(order)[0].id, stage, process)
        Job.update(claimed_at=clock.in_real(-ago)).where(mine).execute()
    return taken


def beaten(process: str, ago: float = 0.0) -> None:
    with db:
        liveness.beat(process, "host:1")
        Process.update(beat_at=clock.in_real(-ago)).where(Process.id == process).execute()


def now(job: Job) -> Job:
    with db:
        return Job.get_by_id(job.id)


def last_reason(job: Job) -> str:
    with db:
        return JobEvent.select().where(JobEvent.job == job.id).order_by(JobEvent.id.desc()).get().reason


def due_in(job: Job) -> float:
    """Seconds until the job is looked at."""
    return (now(job).due_at - datetime.now(UTC)).total_seconds()


def together(*acts: Callable[[], object]) -> None:
    """Runs all at the same moment. One may find that another was faster; nothing else may happen to them."""
    barrier, futures = threading.Barrier(len(acts)), []

    def run(act: Callable[[], object]) -> None:
        barrier.wait()
        with suppress(LostClaim):
            act()

    with ThreadPoolExecutor(len(acts)) as threads:
        futures = [threads.submit(run, act) for act in acts]
    for future in futures:
        future.result()


# Reclaiming -----------------------------------------------------------------------------------------------------------


def test_the_work_of_a_silent_process_is_taken_back_and_that_of_a_living_one_is_not(ordered, worker):
    # Given a process that beats and one that has been silent for 20 s
    dead, alive = claimed(ordered(7), process="dead"), claimed(ordered(8), process="alive")
    beaten("dead", ago=20)
    beaten("alive")
    # When the leader sweeps
    maintenance.reclaim(worker())
    # Then the dead one's job is free and due, with the reason and the crash counted
    assert (now(dead).claim_token, now(dead).reclaims, last_reason(dead)) == (None, 1, "its worker died")
    assert due_in(dead) <= 0
    # And the living one's is untouched
    assert now(alive).claim_token == alive.claim_token


def test_a_process_that_works_before_its_first_beat_is_not_dead(ordered, worker):
    # Given a claim made a moment ago by a process that nobody has heard of yet
    job = claimed(ordered(), process="newborn", ago=1)
    maintenance.reclaim(worker())
    assert now(job).claim_token == job.claim_token


def test_a_claim_that_outlasts_every_time_limit_is_taken_from_a_living_process(ordered, worker):
    job = claimed(ordered(), process="alive", ago=901)
    beaten("alive")
    maintenance.reclaim(worker())
    assert (now(job).claim_token, last_reason(job)) == (None, "its worker hung")


@pytest.mark.parametrize(("base_url", "wait"), [("https://bot.example", 600), (None, 60)])
def test_a_crash_while_asking_kie_is_an_answer_to_be_waited_for(ordered, worker, base_url, wait):
    # Given a process that died after committing that it would ask
    job = claimed(ordered(), "submit")
    with db:
        attempts.begin(job, "key", "model")
    # When its job is taken back
    maintenance.reclaim(worker("w2", public_base_url=base_url))
    # Then it waits in render for a callback, and KIE is not asked again meanwhile
    assert (now(job).stage, now(job).render_attempts) == ("render", 1)
    assert wait - 5 < due_in(job) <= wait
    with db:
        assert attempts.live(job.id).state == "ambiguous"


def test_a_crash_after_the_task_was_noted_goes_on_with_that_task(ordered, worker):
    job = claimed(ordered(), "submit")
    with db:
        attempt = attempts.begin(job, "key", "model")
        attempts.accepted(attempt.id, "task-1")
    maintenance.reclaim(worker("w2"))
    assert (now(job).stage, due_in(job) <= 0) == ("render", True)
    with db:
        assert (attempts.live(job.id).state, attempts.live(job.id).task_id) == ("running", "task-1")


def test_a_job_that_keeps_crashing_its_worker_is_given_up_and_refunded(ordered, worker):
    # Given a job that has crashed five times without a step forward
    job = claimed(ordered(), "deliver")
    with db:
        Job.update(reclaims=jobs.MAX_RECLAIMS).execute()
    # When it crashes once more
    maintenance.reclaim(worker("w2"))
    # Then it is failed and refunded, its customer is told, and so is the operator
    assert (now(job).status, orders.balance(7)) == ("failed", 5)
    with db:
        assert {(row.kind, row.chat_id) for row in Outgoing.select().where(Outgoing.kind != "card")} == {
            ("notice", 7), ("alert", OPERATOR),
        }  # fmt: skip
        assert ledger.unexplained() == []


def test_a_process_gives_back_what_none_of_its_threads_holds(ordered, worker):
    # Given two claims of a process, one of which a thread works on
    w1 = worker("w1")
    held, dropped = claimed(ordered(7)), claimed(ordered(8))
    w1.in_hand.add(held.claim_token)
    # When it beats
    maintenance.beat(w1)
    # Then it is alive, and only the dropped one is free
    assert (now(held).claim_token, now(dropped).claim_token) == (held.claim_token, None)
    with db:
        assert Process.get().id == "w1"


def test_a_process_told_to_stop_gives_everything_back_and_has_not_crashed(ordered, worker):
    job, other = claimed(ordered(7)), claimed(ordered(8), process="w2")
    beaten("w1")
    maintenance.leave(worker("w1"))
    assert (now(job).claim_token, now(job).reclaims, last_reason(job)) == (None, 0, "its worker was told to stop")
    assert now(other).claim_token == other.claim_token
    with db:
        assert Process.select().count() == 0


def test_after_an_outage_nobody_is_taken_for_dead_before_all_could_beat(ordered, worker):
    # Given a worker in the midst of its work, silent only because the database was away
    job = claimed(ordered(), "deliver", process="alive")
    beaten("alive", ago=20)
    # When a leader begins (as each does after an outage) and sweeps
    scheduler = Scheduler(worker("leader"))
    scheduler.tick()
    scheduler.tick()
    # Then the work is left alone: sending a video twice is what an early reclaim would do
    assert now(job).claim_token == job.claim_token
    scheduler._lock.release()


def test_a_leader_that_hangs_loses_the_lead_to_another(clean_db):
    # Given a leader, and a follower whose turn it is not
    leader, follower = Lock(99, silence=0.3), Lock(99)
    assert (leader.held(), leader.held(), follower.held()) == (True, True, False)
    # When the leader hangs, Then the follower leads before long
    deadline = time.monotonic() + 10
    while not follower.held():
        assert time.monotonic() < deadline
    # And the leader finds out when it wakes up
    with pytest.raises(PeeweeException):
        leader.held()
    assert leader.held() is False
    follower.release()


def looks_for_room(scheduler: Scheduler) -> bool:
    return scheduler._jobs.get_job(OF_THE_LEADER).next_run_time is not None


def until_it_leads(scheduler: Scheduler) -> None:
    deadline = time.monotonic() + 10
    while not looks_for_room(scheduler):
        assert time.monotonic() < deadline
        scheduler.tick()


def test_only_the_leader_looks_for_room_ten_times_a_second(worker):
    # Given two processes, one of which leads
    leader, follower = Scheduler(worker("w1")), Scheduler(worker("w2"))
    assert (looks_for_room(leader), looks_for_room(follower)) == (False, False)
    for scheduler in (leader, follower):
        scheduler.tick()
    assert (looks_for_room(leader), looks_for_room(follower)) == (True, False)
    # When its connection dies, Then it stops and the other begins
    with db:
        db.execute_sql(
            "SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN pg_stat_activity USING (pid) "
            "WHERE locktype = 'advisory' AND objid = %s AND datname = current_database()",
            (LEADER,),
        )
    with pytest.raises(PeeweeException):
        leader.tick()
    assert not looks_for_room(leader)
    until_it_leads(follower)
    follower._lock.release()


# Fences ---------------------------------------------------------------------------------------------------------------


def test_a_worker_presumed_dead_asks_kie_for_nothing_and_sends_nothing(ordered, worker):
    # Given a worker whose job was given to another while it was frozen
    old = claimed(ordered(), "submit")
    maintenance.reclaim(worker("w2"))
    with db:
        new = jobs.claim(old.id, "submit", "w2")
    # When it wakes up before it has asked KIE, Then it may not
    with pytest.raises(LostClaim), db:
        attempts.begin(old, "key", "model")
    # And the same before it sends a video
    with pytest.raises(LostClaim), db:
        jobs.confirm(old)
    with db:
        jobs.confirm(new)
        assert ProviderAttempt.select().count() == 0
    assert now(new).render_attempts == 0


def test_reclaiming_and_settling_at_the_same_moment_is_one_of_the_two(ordered, worker):
    # Given a failure that is settled while the leader takes its worker for dead, again and again
    leader = worker("leader")
    for number in range(15):
        job = claimed(ordered(user_id=100 + number), "deliver")
        together(lambda job=job: settlement.settle(leader, job, FACES), lambda: maintenance.reclaim(leader))
        # Then the job was either refunded once or is free again, and the books agree
        ended = now(job)
        assert (ended.status, ended.claim_token) in (("failed", None), ("processing", None))
        with db:
            assert ledger.unexplained() == []


# Lost answers ---------------------------------------------------------------------------------------------------------


def test_a_callback_that_is_faster_than_the_lost_answer_is_not_forgotten(ordered, worker):
    # Given a task whose callback came while its own request still hung
    job = claimed(ordered(), "submit")
    with db:
        attempt = attempts.begin(job, "key", "model")
    web.take_callback(attempt.nonce, {"data": {"taskId": "task-1"}}, (OPERATOR,))
    # When the request ends without an answer
    settlement.settle(worker(), job, LOST)
    # Then the task is known, and looked at now and not in ten minutes
    assert (now(job).stage, due_in(job) <= 0) == ("render", True)
    with db:
        assert (attempts.live(job.id).state, attempts.live(job.id).task_id) == ("running", "task-1")


def test_a_callback_that_is_faster_than_the_answer_has_its_task_looked_at_now(ordered, worker):
    # Given a task that ended, and was announced, before the answer to its own request was written down
    job = claimed(ordered(), "submit")
    with db:
        attempt = attempts.begin(job, "key", "model")
    web.take_callback(attempt.nonce, {"data": {"taskId": "task-1"}}, (OPERATOR,))
    # When it is
    called_back = pipeline._accepted(worker(), job, attempt, "task-1", 144.0)
    # Then nobody waits for the first look of an ordinary render
    assert (called_back, now(job).stage, due_in(job) <= 0) == (True, "render", True)


def test_a_task_that_kie_took_ends_the_strikes_of_its_key(ordered, worker):
    # Given a key that was in quarantine until a moment ago
    app, print_ = worker(), fingerprint("key-a")
    job = claimed(ordered(), "submit")
    with db:
        ApiKey.update(strikes=3).execute()
        attempt = attempts.begin(job, print_, "model")
    # When KIE makes a task with it, Then its next failure is its first, and other keys are as they were
    pipeline._accepted(app, job, attempt, "task-1", 144.0)
    with db:
        assert {row.fingerprint: row.strikes for row in ApiKey.select()} == {print_: 0, fingerprint("key-b"): 3}


def test_a_callback_that_comes_during_a_look_is_followed_by_another_look(ordered, worker):
    # Given a task that KIE was just asked about, and had not ended
    job = claimed(ordered(), "submit")
    with db:
        attempt = attempts.begin(job, "key", "model")
        attempts.accepted(attempt.id, "task-1")
        jobs.forward(job, "render", "task accepted", due_in=0.0)
        [looking] = jobs.claim_renders([job.id], "w:1:aaaa")
    # When it ends, and says so, before that answer is written down
    web.take_callback(attempt.nonce, {"data": {"taskId": "task-1"}}, (OPERATOR,))
    assert now(job).claim_token == looking.claim_token
    with db:
        jobs.look_again(looking, 30.0)
    # Then the job is due, and not in half a minute
    assert (now(job).stage, now(job).claim_token, due_in(job) <= 0) == ("render", None, True)


def test_a_task_whose_worker_lost_its_claim_is_known_all_the_same(ordered, worker):
    # Given a worker that was taken for dead while it asked KIE
    job = claimed(ordered(), "submit")
    with db:
        attempt = attempts.begin(job, "key", "model")
        Job.update(claim_token=fn.gen_random_uuid()).where(Job.id == job.id).execute()
    # When KIE's answer comes, Then the job is not its to move, and the task is noted
    with pytest.raises(LostClaim):
        pipeline._accepted(worker(), job, attempt, "task-1", 144.0)
    with db:
        assert attempts.live(job.id).task_id == "task-1"


def test_a_callback_and_a_lost_answer_at_the_same_moment_end_in_a_running_task(ordered, worker):
    w1 = worker()
    for number in range(15):
        job = claimed(ordered(user_id=100 + number), "submit")
        with db:
            attempt = attempts.begin(job, "key", "model")
        body = {"data": {"taskId": f"task-{number}"}}
        together(
            lambda job=job: settlement.settle(w1, job, LOST),
            lambda attempt=attempt, body=body: web.take_callback(attempt.nonce, body, ()),
        )
        with db:
            assert (attempts.live(job.id).state, attempts.live(job.id).task_id) == ("running", f"task-{number}")
        assert due_in(job) <= 0


def asked_for(order: Order) -> tuple[Job, ProviderAttempt]:
    """The order's job, whose task renders, and the attempt."""
    job = claimed(order, "submit")
    with db:
        attempt = attempts.begin(job, "key", "model")
        attempts.accepted(attempt.id, "task-1")
        jobs.forward(job, "render", "task accepted", due_in=60)
    return job, attempt


def expired(order: Order, app: App) -> ProviderAttempt:
    """As `asked_for`, and then its time was over."""
    _, attempt = asked_for(order)
    with db:
        Job.update(deadline_at=LONG_AGO).execute()
    maintenance.expire(app)
    return attempt


@pytest.mark.parametrize(
    ("url", "shown"),
    [("https://cdn.example/x.mp4", "https://cdn.example/x.mp4"), ("javascript:alert(1)", None), (["x"], None)],
)
def test_a_task_that_ends_after_the_deadline_is_the_operators_to_hand_over(ordered, worker, url, shown):
    # Given a job that was refunded when its time was over, while KIE went on
    order = ordered()
    attempt = expired(order, worker())
    job = jobs_of(order)[0]
    # When the callback comes after all
    found = {"taskId": "task-1", "state": "success", "resultJson": json.dumps({"resultUrls": [url]})}
    web.take_callback(attempt.nonce, {"data": found}, (OPERATOR,))
    # Then nothing changes for the customer, and the operator learns where the video is
    assert (now(job).status, orders.balance(7)) == ("failed", 5)
    with db:
        alert = Outgoing.get(Outgoing.payload["what"] == "late_result")
    assert (alert.chat_id, alert.payload["task"], alert.payload.get("url")) == (OPERATOR, "task-1", shown)


@pytest.mark.parametrize("state", ["fail", "waiting", None])
def test_a_task_that_failed_after_the_deadline_is_nobodys_to_hand_over(ordered, worker, state):
    attempt = expired(ordered(), worker())
    web.take_callback(attempt.nonce, {"data": {"taskId": "task-1", "state": state}}, (OPERATOR,))
    with db:
        assert not Outgoing.select().where(Outgoing.payload["what"] == "late_result").exists()


def test_a_video_that_an_operator_did_without_is_no_news(ordered):
    # Given a job that was stopped by an operator while KIE went on
    job, attempt = asked_for(ordered())
    operators.agree(OPERATOR, operators.ask_refund(OPERATOR, job.id))
    web.take_callback(attempt.nonce, {"data": {"taskId": "task-1", "state": "success"}}, (OPERATOR,))
    with db:
        assert not Outgoing.select().where(Outgoing.kind == "alert").exists()


# Attempts -------------------------------------------------------------------------------------------------------------


def test_a_video_that_telegram_refuses_counts_like_any_bad_result(ordered, worker):
    # Given a third video that Telegram finds too large
    job = claimed(ordered(), "deliver")
    with db:
        Job.update(render_attempts=3).execute()
    settlement.settle(worker(), job, Failure("TEMPORARY", "file", "bad_result", "telegram", "entity too large"))
    # Then no fourth is made
    assert (now(job).status, orders.balance(7)) == ("failed", 5)


def test_a_finished_video_is_offered_to_a_stumbling_telegram_without_end(ordered, worker):
    job = claimed(ordered(), "deliver")
    with db:
        Job.update(deliver_attempts=50).execute()
    settlement.settle(worker(), job, Failure("TEMPORARY", "HTTP 502", "provider", "telegram", "bad gateway"))
    assert (now(job).stage, 25 < due_in(job) <= 60) == ("deliver", True)


@pytest.mark.parametrize(("used", "status"), [(1, "processing"), (2, "processing"), (3, "failed")])
def test_the_third_attempt_is_the_last(ordered, worker, used, status):
    job = claimed(ordered(), "submit")
    with db:
        attempts.begin(job, "key", "model")
        Job.update(render_attempts=used).execute()
    settlement.settle(worker(), job, REFUSED)
    assert now(job).status == status


# Deadlines ------------------------------------------------------------------------------------------------------------


def test_past_its_deadline_a_free_job_is_refunded_and_a_claimed_one_first_finishes_its_step(ordered, worker):
    # Given an overdue job in the queue and an overdue one that is being worked on
    queued, taken = jobs_of(ordered(7))[0], claimed(ordered(8), "deliver")
    with db:
        Job.update(deadline_at=LONG_AGO).execute()
    # When the leader looks
    maintenance.expire(worker())
    # Then the first is refunded, and the second is not taken out of its worker's hands
    assert (now(queued).status, now(queued).failure_subtype, orders.balance(7)) == ("failed", "deadline", 5)
    assert now(taken).claim_token == taken.claim_token
    # And that one is delivered if it can be
    endings.delivered(taken, "file")
    maintenance.expire(worker())
    assert (now(taken).status, orders.balance(8)) == ("done", 4)


def test_an_expired_job_is_refunded_once_however_often_one_looks(ordered, worker):
    ordered()
    with db:
        Job.update(deadline_at=LONG_AGO).execute()
    w1 = worker()
    together(*[lambda: maintenance.expire(w1) for _ in range(4)])
    maintenance.expire(w1)
    assert orders.balance(7) == 5
    with db:
        assert ledger.unexplained() == []


# Waking ---------------------------------------------------------------------------------------------------------------


def woken(job: Job) -> bool:
    return now(job).woken_at is not None


def waiting_to_submit(order: Order) -> list[Job]:
    with db:
        Job.update(status="processing", stage="submit", prompt="p", woken_at=None).execute()
    return jobs_of(order)


def test_no_more_jobs_are_woken_for_kie_than_its_window_has_room_for(ordered, worker):
    # Given five jobs that wait to be submitted, and accounts with room for two more creates
    waiting = waiting_to_submit(ordered(count=5))
    w1 = worker()
    with db:
        Account.update(creates=[datetime.now(UTC)] * 19).execute()
    # When the leader sweeps, Then two are woken
    maintenance.wake(w1, 1.0)
    assert sum(woken(job) for job in waiting) == 2


def test_cards_wait_for_each_other_and_notices_for_no_card(ordered, worker):
    # Given more cards to be drawn than fit into a second, and a notice
    for number in range(outbox.CARDS_A_SECOND + 5):
        ordered(user_id=100 + number)
    with db:
        outbox.notify_once("x", 7, "granted", credits=1)
    # When the leader sweeps, Then the notice and a second's worth of cards are called up
    maintenance.wake(worker(), 1.0)
    with db:
        woken = [row.kind for row in Outgoing.select().where(Outgoing.woken_at.is_null(False))]
    assert Counter(woken) == {"card": outbox.CARDS_A_SECOND, "notice": 1}


def test_a_window_with_room_is_filled_before_the_next_sweep_and_not_twice(ordered, worker):
    # Given five jobs that wait to be submitted, and accounts with room for two more creates
    waiting = waiting_to_submit(ordered(count=5))
    w1 = worker()
    with db:
        Account.update(creates=[datetime.now(UTC)] * 19).execute()
    # When the leader looks again and again before the two have asked KIE, Then no third is called up
    for _ in range(3):
        maintenance.admit(w1)
    assert [woken(job) for job in waiting] == [True, True, False, False, False]


def test_whoever_comes_straight_from_the_script_does_not_jump_the_queue(ordered, worker):
    # Given a job that waits to be submitted, and a later one whose script has just been written
    waits = waiting_to_submit(ordered(user_id=7))[0]
    late = claimed(ordered(user_id=8))
    with db:
        jobs.forward(late, "submit", "prompt: gpt", prompt="p", prompt_source="gpt")
        Job.update(woken_at=Job.due_at).where(Job.id == late.id).execute()
        straight = jobs.claim(late.id, "submit", "w1")
        # Then it gives way, and no longer when nobody waits
        assert jobs.jumps_the_queue(straight)
        jobs.claim(waits.id, "submit", "w1")
        assert not jobs.jumps_the_queue(straight)
    # And whoever was called up by the sweep is not asked
    with db:
        Job.update(claim_token=None, claimed_by=None, claimed_at=None).where(Job.id == waits.id).execute()
        jobs.look_again(straight, 0.0)
        Job.update(woken_at=clock.in_real(1)).where(Job.id == late.id).execute()
        assert not jobs.jumps_the_queue(jobs.claim(late.id, "submit", "w1"))


def test_with_no_key_left_every_waiting_job_is_woken_to_hear_of_it(ordered, worker):
    # Given jobs that wait for another try, and keys that have all gone bad since
    waiting = waiting_to_submit(ordered(count=5))
    w1 = worker()
    with db:
        for _, key in w1.settings.kie_keys:
            key_health.quarantine(fingerprint(key), "no credit")
    maintenance.wake(w1, 1.0)
    assert all(woken(job) for job in waiting)


def test_one_persons_fifth_video_does_not_go_before_anothers_first(ordered, worker):
    # Given five videos of one person, and then one of another's, for which messages were sent long ago
    many, one = jobs_of(ordered(user_id=7, count=5)), jobs_of(ordered(user_id=8))
    with db:
        Job.update(woken_at=None).execute()
        # Then those that wait have their turns one after another, the other person's right after the first of the many
        turns = [jobs.wake_due("script", 1, 15)[0] for _ in range(6)]
    assert turns == [many[0].id, one[0].id, *(job.id for job in many[1:])]


def test_who_comes_later_does_not_pass_those_that_wait(ordered, worker):
    # Given somebody's further videos, whose turns are half a minute later each
    first, second, third = jobs_of(ordered(user_id=7, count=3))
    assert [woken(job) for job in (first, second, third)] == [True, False, False]
    # When another person orders, Then no message of theirs is sent past them
    later = jobs_of(ordered(user_id=8))[0]
    assert not woken(later)
    with db:
        Job.update(turn_at=clock.in_real(-60)).where(Job.id == second.id).execute()
        # And they are called up in their turns
        assert [jobs.wake_due("script", 1, 15) for _ in range(4)] == [[second.id], [later.id], [third.id], []]
    # And while nobody waits, an order starts at once
    assert woken(jobs_of(ordered(user_id=9))[0])


def test_scripts_wait_in_the_database_and_not_in_redis(ordered, worker):
    # Given more orders than a worker process has threads for, and nobody who works them off
    waiting = [jobs_of(ordered(user_id=user))[0] for user in range(100, 100 + 2 * maintenance.SCRIPTS_AHEAD)]
    w1 = worker()
    maintenance.beat(w1)
    with db:
        Job.update(woken_at=None).execute()
    dramatiq.get_broker().flush_all()
    # When the leader sweeps again and again
    for _ in range(3):
        maintenance.wake(w1, 1.0)
    # Then as many messages are on the way as keep one process busy
    assert sum(woken(job) for job in waiting) == maintenance.SCRIPTS_AHEAD


@pytest.fixture
def no_redis(idle_broker: dramatiq.Broker) -> Iterator[None]:
    """Messages go to an address where nobody is."""
    dramatiq.set_broker(dispatch.make_broker("redis://127.0.0.1:9/0", []))
    yield
    dramatiq.get_broker().close()
    dramatiq.set_broker(idle_broker)


def test_without_redis_nothing_breaks_and_nothing_counts_as_woken(ordered, worker, no_redis):
    # Given a job whose message could not be sent
    job = jobs_of(ordered())[0]
    with db:
        Job.update(woken_at=None).execute()
    # When the leader sweeps, Then it is woken as soon as there is a Redis again
    maintenance.wake(worker(), 1.0)
    assert not woken(job)


# Keys, and old rows ---------------------------------------------------------------------------------------------------


def test_a_key_that_cannot_be_asked_about_stays_out(worker):
    # Given a quarantined key whose time for a look has come, and a KIE that doesn't answer
    w1 = worker()
    print_ = fingerprint("key-a")
    with db:
        key_health.quarantine(print_, "no credit")
        ApiKey.update(until=NOW).where(ApiKey.state == "quarantined").execute()
    maintenance.probe(w1)
    with db:
        key = ApiKey.get_by_id(print_)
    assert (key.state, key.strikes) == ("quarantined", 1)


def test_a_key_that_does_not_say_its_credit_is_not_taken_for_one_that_did(worker):
    # Given a KIE that doesn't answer, and a figure of yesterday
    w1 = worker()
    with db:
        ApiKey.update(credit=5000, credit_at=LONG_AGO).execute()
    for _ in w1.settings.kie_keys:
        maintenance.look_at_credit(w1)
    # Then the figure is still of yesterday
    with db:
        assert {(float(row.credit), row.credit_at) for row in ApiKey.select()} == {(5000.0, LONG_AGO)}


def test_a_worker_that_meets_an_order_before_its_first_beat_knows_its_keys(ordered, worker):
    # Given a process that has just started, with keys that no row speaks of yet
    job = waiting_to_submit(ordered())[0]
    pairs = (("new", "key-x"),)
    newborn = replace(worker(), keys=KeyPool(pairs))
    # When it submits, Then it asks KIE (who is nowhere here) and doesn't find itself without a key
    with pytest.raises(JobFailed) as failed:
        pipeline.run(newborn, "submit", job.id)
    assert "no connection" in str(failed.value.__cause__)
    with db:
        assert ApiKey.get_by_id(fingerprint("key-x")).state == "healthy"


def test_an_upload_does_not_mind_that_every_key_rests(worker):
    # Given keys that all rest after a 429
    w1 = worker()
    with db:
        key_health.cool(fingerprint("key-a"), 59)
        key_health.cool(fingerprint("key-b"), 60)
    # Then a picture may go up with one, the first to be well again, and with none only when all are quarantined
    assert w1.keys.any_usable().fingerprint == fingerprint("key-a")
    with db:
        key_health.quarantine(fingerprint("key-a"), "no credit")
    assert w1.keys.any_usable().fingerprint == fingerprint("key-b")
    with db:
        key_health.quarantine(fingerprint("key-b"), "no credit")
    with pytest.raises(ProviderError):
        w1.keys.any_usable()


def test_a_thread_outlives_the_connection_it_was_given(clean_db):
    # Given a connection that dies after it was taken from the pool and before its transaction begins
    db.connect()
    outside_transaction(
        clean_db,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    with pytest.raises(Unreachable), db:
        pass
    # Then the thread's next transaction has another one
    with db:
        assert Job.select().count() == 0


def test_old_rows_are_forgotten_and_open_ones_never(ordered):
    # Given updates and told things of every age
    ordered()
    with db:
        for number, (handled, days) in enumerate([(True, 4), (True, 2), (False, 400)]):
            at = clock.in_real(-days * 86_400)
            handled_at = at if handled else None
            InboxUpdate.insert(update_id=number, lane=7, body="{}", received_at=at, handled_at=handled_at).execute()
        Outgoing.insert(key="old", kind="alert", chat_id=1, sent_at=clock.in_real(-8 * 86_400)).execute()
    # When the leader prunes
    maintenance.prune()
    # Then what was handled days ago is gone, and what is still open stays however old it is
    with db:
        assert [row.update_id for row in InboxUpdate.select().order_by(InboxUpdate.update_id)] == [1, 2]
        assert [row.kind for row in Outgoing.select()] == ["card"]
