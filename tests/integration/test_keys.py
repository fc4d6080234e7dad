"""The key pool: the account's window, rest, quarantine and the one probe."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from neurocards import clock, key_health
from neurocards.db import db
from neurocards.errors import ProviderError
from neurocards.keys import (
    CREATES_A_WINDOW,
    CREDIT_EVERY,
    POLLS_A_WINDOW,
    KeyPool,
    Lease,
    Wait,
    fingerprint,
    overview,
)
from neurocards.models import Account, ApiKey

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
        key_health.note_credit(C, 12.5)
        key_health.release(C)
        key = ApiKey.get_by_id(C)
    assert (key.state, key.until, float(key.credit)) == ("healthy", None, 12.5)


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


def test_each_key_in_use_is_asked_for_its_credit_now_and_then_and_by_one_process(pool):
    # Given one key in quarantine: that one has its probes
    with db:
        key_health.quarantine(A, "no credit")
    # When many processes look
    asked = [pool.lease_credit_look() for _ in range(6)]
    # Then each key in use is asked once
    assert sorted(lease.fingerprint for lease in asked if lease) == sorted([B, C])
    # And again after ten minutes
    with db:
        ApiKey.update(credit_at=clock.after(-CREDIT_EVERY - 1)).where(ApiKey.fingerprint == B).execute()
    assert pool.lease_credit_look() == Lease(B, "key-b")


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
