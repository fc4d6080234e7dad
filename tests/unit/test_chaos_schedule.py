"""The faults of a soak: the same for the same seed, all kinds in each round, ours and the vendors' by turns."""

from itertools import islice

import pytest

from reliability.chaos.faults import LASTS, OURS, VENDORS, schedule

ROUND = sum(OURS.values()) + len(VENDORS)


def test_a_seed_always_brings_the_same_faults():
    # Given a seed
    seed = 7
    # When its faults are drawn twice
    once, again = (list(islice(schedule(seed), 3 * ROUND)) for _ in range(2))
    # Then they are the same, to the moment
    assert once == again


def test_another_seed_brings_other_faults():
    # Given two seeds, when their faults are drawn
    one, other = ([fault.kind for fault in islice(schedule(seed), ROUND)] for seed in (1, 2))
    # Then they come in another order
    assert one != other


@pytest.mark.parametrize("number", range(3))
def test_every_kind_occurs_in_every_round(number):
    # Given a schedule, when one of its rounds is drawn
    kinds = [fault.kind for fault in islice(schedule(1), number * ROUND, (number + 1) * ROUND)]
    # Then each kind is there as often as is said
    assert {kind: kinds.count(kind) for kind in kinds} == {**OURS, **dict.fromkeys(VENDORS, 1)}


def test_ours_and_the_vendors_faults_alternate():
    # Given a round, when a third of it is drawn: what a short run sees
    kinds = [fault.kind for fault in islice(schedule(3), ROUND // 3)]
    # Then every other one is a vendor's
    assert all((kind in VENDORS) == bool(place % 2) for place, kind in enumerate(kinds))


def test_faults_come_as_often_and_last_as_long_as_is_said():
    # Given a schedule, when a few rounds are drawn
    faults = list(islice(schedule(5), 5 * ROUND))
    # Then the pauses between faults, and what lasts, stay within their bounds
    assert all(0.5 <= fault.after <= 3 for fault in faults)
    assert all(LASTS[0] <= fault.lasts <= LASTS[1] for fault in faults)
