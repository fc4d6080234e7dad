"""The key pool: the account's window, rest, quarantine and the one probe."""

import threading

import pytest

from neurocards import clock, key_health
from neurocards.db import db
from neurocards.errors import ProviderError
from neurocards.keys import CREATES_A_WINDOW, KeyPool, Lease, Wait, fingerprint
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
    assert {acquire(later).fingerprint for _ in range(10)} == {B, fingerprint("key-d")}
    with pytest.raises(ProviderError):
        later.secret(A)


def test_rows_hold_no_keys(pool):
    with db:
        stored = str(list(ApiKey.select().dicts())) + str(list(Account.select().dicts()))
    assert not any(key in stored for _, key in PAIRS)
