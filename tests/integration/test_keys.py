"""The key pool: the account's window, rest, quarantine and the one probe."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import psycopg2
import pytest

from neurocards import attempts, clock, jobs, key_health
from neurocards.db import db
from neurocards.errors import ProviderError
from neurocards.keys import (
    CREATES_A_WINDOW,
    POLLS_A_WINDOW,
    KeyPool,
    Lease,
    Wait,
    fingerprint,
    overview,
)
from neurocards.models import Account, ApiKey, Job
from tests.conftest import jobs_of

PAIRS = [("one", "key-a"), ("one", "key-b"), ("two", "key-c")]
A, B, C = (fingerprint(key) for _, key in PAIRS)


@pytest.fixture
def pool(clean_db):
    pool = KeyPool(PAIRS)
    pool.enrol()
    return pool


def acquire(pool: KeyPool) -> Lease | Wait:
    with db:
        return pool.acquire()


def test_the_limit_is_the_accounts_whatever_its_number_of_keys(pool):
    # When more leases are asked for than two accounts may make
    leases = [acquire(pool) for _ in range(2 * CREATES_A_WINDOW + 5)]
    # Then each account gave its twenty, and the rest is told to wait for the window
    given = [lease.fingerprint for lease in leases if isinstance(lease, Lease)]
    assert sum(print_ in (A, B) for print_ in given) == CREATES_A_WINDOW
    assert given.count(C) == CREATES_A_WINDOW
    assert {lease.reason for lease in leases if isinstance(lease, Wait)} == {"window full"}
    assert all(0 < lease.seconds <= 10.5 for lease in leases if isinstance(lease, Wait))
    with db:
        assert pool.room() == 0


def test_many_threads_never_take_more_than_the_window(pool):
    # Given eight threads that ask as fast as they can
    given: list[object] = []

    def ask() -> None:
        given.extend(acquire(pool) for _ in range(15))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Then together they got exactly what two accounts allow
    assert sum(isinstance(lease, Lease) for lease in given) == 2 * CREATES_A_WINDOW


def test_the_window_slides(pool):
    # Given a full window in a world a hundred times faster
    clock.set_scale(100)
    try:
        while isinstance(acquire(pool), Lease):
            pass
        # When the oldest creates are older than the window, Then there is room again
        with db:
            db.execute_sql(
                "UPDATE accounts SET creates = ARRAY(SELECT at - interval '1 second' FROM unnest(creates) AS at)"
            )
        assert isinstance(acquire(pool), Lease)
    finally:
        clock.set_scale(1)


def test_a_cooling_key_is_passed_over_and_its_rest_only_extended(pool):
    # Given a key that was told to slow down for a minute, and then again for a second
    with db:
        key_health.cool(A, 60)
        until = ApiKey.get_by_id(A).until
        key_health.cool(A, 1)
        # Then the rest is as long as before, and others are used meanwhile
        assert ApiKey.get_by_id(A).until == until
    assert A not in {acquire(pool).fingerprint for _ in range(20)}


def test_with_all_keys_cooling_one_waits(pool):
    with db:
        for print_ in (A, B, C):
            key_health.cool(print_, 30)
    waiting = acquire(pool)
    assert isinstance(waiting, Wait)
    assert 29 < waiting.seconds <= 30


def test_with_all_keys_quarantined_the_order_hears_it_at_once(pool):
    with db:
        assert [key_health.quarantine(print_, "no credit") for print_ in (A, B, C)] == [True, True, True]
        assert key_health.quarantine(A, "again") is False
        assert not pool.has_usable()
    with pytest.raises(ProviderError, match="no healthy api key"):
        acquire(pool)
    with pytest.raises(ProviderError):
        pool.any_usable()


def test_a_429_does_not_free_a_quarantined_key(pool):
    with db:
        key_health.quarantine(A, "bad key")
        key_health.cool(A, 5)
        assert ApiKey.get_by_id(A).state == "quarantined"


def test_one_probe_in_the_whole_fleet_and_the_next_one_later(pool):
    # Given a quarantined key whose time has come
    with db:
        key_health.quarantine(C, "no credit")
        ApiKey.update(until="2020-01-01T00:00:00Z").where(ApiKey.fingerprint == C).execute()
    # When many processes ask for a probe, Then one gets it
    probes = [pool.lease_probe() for _ in range(5)]
    assert [probe.fingerprint for probe in probes if probe] == [C]
    # And a good answer puts the key back to work
    with db:
        assert key_health.readmit(C, probes[0].until)
        key = ApiKey.get_by_id(C)
    assert (key.state, key.until) == ("healthy", None)


def test_state_survives_a_restart_and_keys_come_and_go(pool):
    # Given a quarantined key
    with db:
        key_health.quarantine(A, "no credit")
    # When the next start has it no more and another instead
    later = KeyPool([("one", "key-b"), ("three", "key-d")])
    later.enrol()
    # Then the rows know, and the pool uses only what it is given
    with db:
        rows = {row.fingerprint: (row.state, row.configured) for row in ApiKey.select()}
        assert Account.select().count() == 3
    assert rows[A] == ("quarantined", False)
    assert rows[B] == ("healthy", True)
    # (a task of the key that went is looked at with another of its account)
    assert later.seers(A) == ["key-b"]
    assert later.seers(B) == ["key-b"]
    assert {acquire(later).fingerprint for _ in range(10)} == {B, fingerprint("key-d")}
    with pytest.raises(ProviderError):
        later.seers("never seen")


def test_rows_hold_no_keys(pool):
    with db:
        stored = str(list(ApiKey.select().dicts())) + str(list(Account.select().dicts()))
    assert not any(key in stored for _, key in PAIRS)


# Queries, credit and the operator's hand ------------------------------------------------------------------------------


def polls(pool: KeyPool, print_: str, wanted: int) -> int:
    with db:
        return pool.admit_polls(print_, wanted)


def test_each_key_has_a_limit_of_queries_of_its_own(pool):
    # When two keys are to be asked more than they may in a second
    first, second, other = polls(pool, A, 6), polls(pool, A, 6), polls(pool, B, 20)
    # Then each gets its nine, whatever the other does
    assert (first, second, other) == (6, POLLS_A_WINDOW - 6, POLLS_A_WINDOW)
    # And when the second has passed, nine more
    with db:
        db.execute_sql("UPDATE api_keys SET polls = ARRAY(SELECT at - interval '1.2 seconds' FROM unnest(polls) AS at)")
    assert polls(pool, A, 20) == POLLS_A_WINDOW


def test_many_threads_never_ask_more_than_the_limit(pool):
    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(lambda _: polls(pool, A, 3), range(8))) == POLLS_A_WINDOW


def test_a_task_of_a_key_that_is_gone_is_still_looked_at(pool):
    assert polls(pool, "gone", 4) == 4


def test_each_key_in_use_is_asked_for_its_credit_now_and_then(pool):
    # Given one key in quarantine: that one has its probes
    with db:
        key_health.quarantine(A, "no credit")
    # When the leader looks again and again, and one of the others answers
    asked = [pool.lease_credit_look() for _ in range(6)]
    with db:
        key_health.note_credit(B, 100.0)
    # Then each key in use is asked once, answered or not, and only the answer is noted
    assert sorted(lease.fingerprint for lease in asked if lease) == sorted([B, C])
    assert (row_of(B).credit_at is None, row_of(C).credit_at is None) == (False, True)
    # And the next leader asks the one that did not answer
    another = KeyPool(PAIRS)
    assert [another.lease_credit_look() for _ in range(2)] == [Lease(C, "key-c"), None]
    # And ten minutes later both are asked again
    with db:
        ApiKey.update(credit_at=clock.in_real(-1)).where(ApiKey.fingerprint == B).execute()
    clock.set_scale(1e6)
    try:
        again = [pool.lease_credit_look() for _ in range(2)]
    finally:
        clock.set_scale(1)
    assert Lease(C, "key-c") in again


def test_an_operators_quarantine_is_ended_by_an_operator_alone(pool):
    # Given a key that an operator took out, and years of probes
    with db:
        assert key_health.lock_out(C, "being replaced")
        assert not key_health.lock_out("nobody", "x")
    assert pool.lease_probe() is None
    with db:
        row = next(row for row in overview() if row.fingerprint == C)
        assert (row.state, row.reason, row.locked) == ("quarantined", "being replaced", True)
        # When it is released
        assert key_health.release(C)
        assert not key_health.release("nobody")
        # Then it works again
        assert next(row for row in overview() if row.fingerprint == C).state == "healthy"
    assert C in {acquire(pool).fingerprint for _ in range(3)}


def test_the_overview_shows_window_flight_and_credit(pool):
    # Given three leases of account one, one of account two, and a known credit
    while sum(row.window for row in _rows()) < 3 * 2 + 1:
        acquire(pool)
    with db:
        key_health.note_credit(C, 41.5)
    # Then both keys of an account show its window, and the credit has its time
    rows = {row.fingerprint: row for row in _rows()}
    assert rows[A].window == rows[B].window
    assert rows[A].window + rows[C].window >= 4
    assert (rows[C].account, rows[C].credit, rows[C].in_flight) == ("two", 41.5, 0)
    assert rows[C].credit_at is not None
    assert rows[A].credit is None


def _rows():
    with db:
        return overview()


# What the rows say afterwards -----------------------------------------------------------------------------------------


def row_of(print_: str) -> ApiKey:
    with db:
        return ApiKey.get_by_id(print_)


def rest_of(print_: str) -> float:
    """Seconds until the key is looked at again."""
    return (row_of(print_).until - datetime.now(UTC)).total_seconds()


def age(print_: str, seconds: float) -> None:
    """Moves the end of a key's rest into the past."""
    with db:
        ApiKey.update(until=clock.in_real(-seconds)).where(ApiKey.fingerprint == print_).execute()


def in_flight(order, print_: str) -> None:
    """A request of the order's first job that has left with the key."""
    with db:
        job = jobs_of(order)[0]
        Job.update(status="processing", stage="submit", prompt="p").where(Job.id == job.id).execute()
        attempts.begin(jobs.claim(job.id, "submit", "w1"), print_, "model")


@pytest.mark.parametrize(
    ("seconds", "rest"), [(None, key_health.COOLDOWN), (0.0, key_health.COOLDOWN), (4, key_health.COOLDOWN), (25, 25)]
)
def test_a_rest_is_as_long_as_the_window_at_least(pool, seconds, rest):
    # When KIE says that it is asked too often, with or without a time
    with db:
        key_health.cool(A, seconds)
    # Then the key rests that long, and the row says why
    assert (row_of(A).state, row_of(A).reason) == ("cooling", "rate limit")
    assert rest - 2 < rest_of(A) <= rest


def test_a_rest_that_is_over_is_no_reason_for_a_shorter_one(pool):
    # Given a key that rested long ago
    with db:
        key_health.cool(A, 60)
    age(A, 3600)
    # When it is to rest again, Then it does
    with db:
        key_health.cool(A, 60)
    assert 55 < rest_of(A) <= 60


def test_a_lease_ends_the_rest_of_the_key_it_takes_and_of_no_other(pool):
    # Given keys that rested, one of them still at it, and one in quarantine whose probe is due
    with db:
        key_health.cool(A, 10)
        key_health.cool(B, 10)
        key_health.quarantine(C, "no credit")
    age(A, 1)
    age(C, 1)
    # When a task is made
    lease = acquire(pool)
    # Then the rested key has it and is well, and the others are as they were
    assert lease == Lease(A, "key-a")
    taken = row_of(A)
    assert (taken.state, taken.reason, taken.until) == ("healthy", "", None)
    assert abs((datetime.now(UTC) - taken.last_used_at).total_seconds()) < 5
    assert (row_of(B).state, row_of(B).last_used_at) == ("cooling", None)
    assert (row_of(C).state, row_of(C).reason, row_of(C).last_used_at) == ("quarantined", "no credit", None)


def test_keys_take_turns_and_the_least_busy_comes_first(pool, ordered):
    # Given a pool whose keys take turns
    turns = [acquire(pool).fingerprint for _ in range(3)]
    assert sorted(turns) == sorted([A, B, C])
    # When the emptier account's key and one of the fuller's have a task in flight
    in_flight(ordered(7), C)
    in_flight(ordered(8), A)
    # Then the third key goes on alone, however full its account
    assert {acquire(pool).fingerprint for _ in range(6)} == {B}


def test_of_keys_as_busy_the_one_that_was_idle_longest_comes_first(pool):
    # Given two keys of one account, and none other
    alone = KeyPool(PAIRS[:2])
    with db:
        for print_, ago in ((A, 10), (B, 20)):
            ApiKey.update(last_used_at=clock.in_real(-ago)).where(ApiKey.fingerprint == print_).execute()
    # Then they take turns, the longest idle first, and one that was never used before all
    assert [acquire(alone).fingerprint for _ in range(3)] == [B, A, B]
    with db:
        ApiKey.update(last_used_at=None).where(ApiKey.fingerprint == B).execute()
    assert acquire(alone).fingerprint == B


def test_the_emptier_account_comes_first(pool):
    # Given an account with a create in its window, whose keys were never used, and one with none
    with db:
        Account.update(creates=[datetime.now(UTC)]).where(Account.name == "one").execute()
        ApiKey.update(last_used_at=clock.in_real(0)).where(ApiKey.fingerprint == C).execute()
    assert acquire(pool).fingerprint == C


def test_an_ended_task_keeps_no_key_busy(pool, ordered):
    # Given a task of each state but the live ones, all of one key
    in_flight(ordered(), C)
    with db:
        attempts.end(jobs_of_first().id, "failed", "x")
    # Then that key is as free as any
    assert next(row for row in _rows() if row.fingerprint == C).in_flight == 0
    assert C in {acquire(pool).fingerprint for _ in range(3)}


def jobs_of_first() -> Job:
    return Job.select().order_by(Job.id).get()


def test_a_full_window_says_when_there_is_room_and_so_does_a_rest(pool):
    # Given accounts whose oldest creates were made seven and four seconds ago
    now = datetime.now(UTC)
    with db:
        for name, ago in (("one", 7), ("two", 4)):
            creates = [now - timedelta(seconds=ago)] + [now] * (CREATES_A_WINDOW - 1)
            Account.update(creates=creates).where(Account.name == name).execute()
    # Then the next is due when the first leaves the window
    waiting = acquire(pool)
    assert waiting.reason == "window full"
    assert 2.5 < waiting.seconds <= 3.25
    # And when no key may be asked at all, the rest decides
    with db:
        for print_, seconds in ((A, 50), (B, 20), (C, 30)):
            key_health.cool(print_, seconds)
    waiting = acquire(pool)
    assert waiting.reason == "keys are cooling down"
    assert 18 < waiting.seconds <= 20


def test_waits_are_in_the_products_time(pool):
    # Given a world ten times faster
    clock.set_scale(10)
    try:
        with db:
            for print_ in (A, B, C):
                key_health.cool(print_, 60)
        # Then a rest of a minute takes six seconds, and a wait is told as a minute
        assert 4 < rest_of(A) <= 6
        assert 40 < acquire(pool).seconds <= 60
    finally:
        clock.set_scale(1)


def test_room_is_that_of_the_accounts_whose_keys_may_be_asked(pool):
    # Given three creates of one account and the other account's key at rest
    now = datetime.now(UTC)
    with db:
        Account.update(creates=[now - timedelta(seconds=60), now, now, now]).where(Account.name == "one").execute()
        assert pool.room() == 2 * CREATES_A_WINDOW - 3
        key_health.cool(C, 60)
        # Then there is room for the rest of the first window
        assert pool.room() == CREATES_A_WINDOW - 3
    # (when its rest is over, there is room again)
    age(C, 1)
    with db:
        assert pool.room() == 2 * CREATES_A_WINDOW - 3
        key_health.cool(C, 60)
        # And with all at rest there is none
        key_health.cool(A, 60)
        key_health.cool(B, 60)
        assert pool.room() == 0


def test_a_process_enrols_its_keys_once_and_each_of_them(clean_db):
    # Given a process that enrolled its keys
    pool = KeyPool(PAIRS)
    pool.enrol()
    assert {(row.fingerprint, row.account, row.configured) for row in _rows()} == {
        (A, "one", True), (B, "one", True), (C, "two", True),
    }  # fmt: skip
    # When another, with other keys, comes after it and the first enrols again
    KeyPool([("three", "key-d")]).enrol()
    pool.enrol()
    # Then the later one's word stands
    assert [row.configured for row in _rows() if row.fingerprint == A] == [False]
    # And a key that comes back, to another account, is configured again
    KeyPool([("three", "key-a")]).enrol()
    assert [(row.account, row.configured) for row in _rows() if row.fingerprint == A] == [("three", True)]


def test_a_task_is_seen_by_the_keys_of_its_account_its_own_first(pool):
    assert (pool.seers(A), pool.seers(B), pool.seers(C)) == (["key-a", "key-b"], ["key-b", "key-a"], ["key-c"])


def test_what_is_configured_here_counts_before_what_a_row_says(pool):
    # Given a process whose settings have moved a key to another account, and no row that says so yet
    moved = KeyPool([("two", "key-a"), ("one", "key-b"), ("two", "key-c")])
    # Then its account's keys see its tasks
    assert moved.seers(A) == ["key-a", "key-c"]


def test_a_task_that_no_key_sees_is_the_failure_of_a_key(pool):
    # Given settings from which the whole account is gone
    with pytest.raises(ProviderError) as gone:
        KeyPool(PAIRS[:2]).seers(C)
    # Then the failure is one of billing, and names the fingerprint
    error = gone.value
    assert (error.provider, error.channel, error.http_status, error.key) == ("kie", "keys", 401, None)
    assert error.text == f"key {C} is no longer configured"


@pytest.mark.parametrize("ask", [acquire, KeyPool.any_usable])
def test_without_a_key_the_failure_is_one_of_billing(pool, ask):
    # Given keys that are all out
    with db:
        for print_ in (A, B, C):
            key_health.quarantine(print_, "no credit")
    # When one is asked for
    with pytest.raises(ProviderError) as none:
        ask(pool)
    # Then the failure is KIE's and that of a key
    error = none.value
    assert (error.provider, error.channel, error.text, error.http_status) == (
        "kie", "keys", "no healthy api key is left", 401,
    )  # fmt: skip


def test_an_upload_takes_the_key_that_was_idle_longest(pool):
    # Given keys of which one has never been used, and one rests
    with db:
        for print_, ago in ((A, 10), (B, 20)):
            ApiKey.update(last_used_at=clock.in_real(-ago)).where(ApiKey.fingerprint == print_).execute()
    assert pool.any_usable() == Lease(C, "key-c")
    with db:
        key_health.cool(C, 60)
    # Then rest counts first and use second
    assert pool.any_usable() == Lease(B, "key-b")


# Quarantine, release and probes ---------------------------------------------------------------------------------------

LONG = "x" * 300


def test_an_operators_hand_leaves_no_trace_of_earlier_strikes(pool):
    # Given keys of which two were probed in vain a few times
    with db:
        ApiKey.update(strikes=3).where(ApiKey.fingerprint != A).execute()
        # When they are released and locked, Then nothing is left of it
        key_health.quarantine(A, LONG)
        key_health.release(B)
        key_health.lock_out(C, LONG)
    assert [(row_of(print_).state, row_of(print_).strikes) for print_ in (A, B, C)] == [
        ("quarantined", 0), ("healthy", 0), ("quarantined", 0),
    ]  # fmt: skip
    # And a quarantine has its reason, as long as a list can show it, and its first probe in a minute
    assert (row_of(A).reason, row_of(C).reason, row_of(B).reason) == (LONG[:200], LONG[:200], "")
    assert 55 < rest_of(A) <= key_health.PROBE_EVERY
    with db:
        key_health.release(A)
    assert (row_of(A).state, row_of(A).reason, row_of(A).until) == ("healthy", "", None)


def test_a_key_that_fails_as_soon_as_it_is_back_waits_longer_each_time(pool):
    # Given a key that has credit and can't make a video, such as one with a limit of its own
    rests = []
    for _ in range(7):
        with db:
            key_health.quarantine(A, "key spending limit")
        rests.append(round(rest_of(A) / 60))
        age(A, 1)
        # When each probe finds it well
        with db:
            assert key_health.readmit(A, pool.lease_probe().until)
    # Then it is let in more and more seldom
    assert rests == [1, 2, 4, 8, 16, 30, 30]
    # And when the provider has taken a task, all that is forgotten
    with db:
        key_health.took_a_task(A)
        key_health.quarantine(A, "no credit")
    assert round(rest_of(A) / 60) == 1


def test_a_probe_does_not_undo_what_an_operator_did_meanwhile(pool):
    # Given a probe that is on its way
    with db:
        key_health.quarantine(A, "no credit")
    age(A, 1)
    probe = pool.lease_probe()
    # When an operator locks the key out, Then a good answer changes nothing
    with db:
        key_health.lock_out(A, "being replaced")
        assert not key_health.readmit(A, probe.until)
    assert (row_of(A).state, row_of(A).reason) == ("quarantined", "being replaced")
    # Nor when it was released and has failed again
    with db:
        key_health.release(A)
        assert not key_health.readmit(A, probe.until)
        key_health.quarantine(A, "bad key")
        assert not key_health.readmit(A, probe.until)


@pytest.mark.parametrize(
    ("strikes", "minutes"), [(0, 2), (1, 4), (2, 8), (3, 16), (4, 30), (9, 30), (10, 30), (32767, 30)]
)
def test_probes_grow_rarer_up_to_half_an_hour(pool, strikes, minutes):
    # Given a key that failed some probes
    with db:
        key_health.quarantine(A, "no credit")
        ApiKey.update(strikes=strikes).where(ApiKey.fingerprint == A).execute()
    age(A, 1)
    # When it is leased for another, Then the next is twice as far, and counted
    probe = pool.lease_probe()
    assert (probe.fingerprint, probe.key, probe.until) == (A, "key-a", row_of(A).until)
    assert 60 * minutes - 5 < rest_of(A) <= 60 * minutes
    assert row_of(A).strikes == min(strikes + 1, key_health.MOST_STRIKES)


def test_probes_are_in_the_products_time(pool):
    with db:
        key_health.quarantine(A, "no credit")
    age(A, 1)
    clock.set_scale(10)
    try:
        assert pool.lease_probe()
    finally:
        clock.set_scale(1)
    assert 10 < rest_of(A) <= 12


def test_a_probe_is_of_one_key_of_ours_that_is_due(pool):
    # Given two keys whose probes are due, one whose is not, and one of another process
    KeyPool([("three", "key-d")]).enrol()
    with db:
        for print_ in (A, B, C, fingerprint("key-d")):
            key_health.quarantine(print_, "no credit")
    for print_ in (A, B, fingerprint("key-d")):
        age(print_, 1)
    # When probes are leased, Then there is one at a time, and none of the others
    first = pool.lease_probe()
    assert sum(rest_of(print_) > 100 for print_ in (A, B)) == 1
    assert {first.fingerprint, pool.lease_probe().fingerprint} == {A, B}
    assert pool.lease_probe() is None


@contextmanager
def meanwhile(url: str, statement: str, *values: object) -> Iterator[psycopg2.extensions.connection]:
    """Somebody else's transaction that has written and not yet ended."""
    connection = psycopg2.connect(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement, values)
        yield connection
    finally:
        connection.close()


def until_somebody_waits(url: str) -> None:
    """Returns when a session of this database waits for a lock."""
    connection = psycopg2.connect(url)
    connection.autocommit = True
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    try:
        with connection.cursor() as cursor:
            deadline = time.monotonic() + 10
            while time.monotonic() < deadline:
                cursor.execute(waiting)
                if cursor.fetchone()[0]:
                    return
    finally:
        connection.close()
    raise AssertionError("nobody waits")


def test_a_probe_passes_over_a_key_that_somebody_is_busy_with(pool, clean_db):
    # Given two keys due, one of them in another transaction's hands
    with db:
        key_health.quarantine(A, "no credit")
        key_health.quarantine(B, "no credit")
    age(A, 2)
    age(B, 1)
    with meanwhile(clean_db, "UPDATE api_keys SET strikes = 0 WHERE fingerprint = %s", A), db:
        db.execute_sql("SET LOCAL lock_timeout = '5s'")
        # Then nobody waits for that one
        assert pool.lease_probe().fingerprint == B
        assert pool.lease_probe() is None


def test_a_key_that_fails_between_look_and_lease_stays_out(pool, clean_db):
    # Given a pool of one key, just now being quarantined by somebody else
    alone = KeyPool([("one", "key-a")])
    quarantined = "UPDATE api_keys SET state = 'quarantined', reason = 'bad key', until = now() WHERE fingerprint = %s"
    with meanwhile(clean_db, quarantined, A) as other, ThreadPoolExecutor(1) as thread:
        # When it is leased at that moment
        lease = thread.submit(acquire, alone)
        until_somebody_waits(clean_db)
        other.commit()
        # Then there is no lease, and the quarantine stands
        assert lease.result(timeout=10) == Wait(1.0, "the key has just failed")
    assert (row_of(A).state, row_of(A).reason) == ("quarantined", "bad key")
    with db:
        assert Account.get_by_id("one").creates == []


# The operator's view --------------------------------------------------------------------------------------------------


def test_the_credit_of_the_key_asked_longest_ago_is_asked_first(pool):
    # Given keys of which one was never asked, and two long ago
    with db:
        for print_, ago in ((A, 2000), (B, 1000)):
            ApiKey.update(credit_at=clock.in_real(-ago)).where(ApiKey.fingerprint == print_).execute()
    assert [pool.lease_credit_look().fingerprint for _ in range(3)] == [C, A, B]
    assert pool.lease_credit_look() is None


def test_the_overview_lists_every_key_with_all_that_is_known(pool, ordered):
    # Given a key with a task in flight, one that is locked, one that is gone, and one that rests
    KeyPool([("a former one", "key-z")]).enrol()
    with db:
        ApiKey.update(configured=ApiKey.fingerprint != fingerprint("key-z")).execute()
        key_health.lock_out(B, "being replaced")
        key_health.cool(C, 40)
        creates = [datetime.now(UTC) - timedelta(seconds=ago) for ago in (30, 0)]
        Account.update(creates=creates).where(Account.name == "one").execute()
    in_flight(ordered(), A)
    # Then the configured ones come first, by account and fingerprint
    rows = _rows()
    expected = [*sorted([A, B]), C, fingerprint("key-z")]
    assert [row.fingerprint for row in rows] == expected
    # And each says how it fares
    known = {row.fingerprint: row for row in rows}
    assert [(known[p].in_flight, known[p].window, known[p].locked, known[p].configured) for p in (A, B, C)] == [
        (1, 1, False, True), (0, 1, True, True), (0, 0, False, True),
    ]  # fmt: skip
    assert (known[fingerprint("key-z")].configured, known[fingerprint("key-z")].account) == (False, "a former one")
    assert known[A].until is None
    assert 35 < (known[C].until - datetime.now(UTC)).total_seconds() <= 40


def test_a_quarantine_that_probes_may_end_is_not_locked(pool):
    with db:
        key_health.quarantine(A, "no credit")
    assert not next(row for row in _rows() if row.fingerprint == A).locked
