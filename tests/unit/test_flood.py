"""A person's budget: spent by what they ask for, told once, and of no concern to anybody else."""

import itertools

import pytest

from neurocards import flood
from neurocards.flood import Flood, Verdict

_ids = itertools.count(1)


def update(kind: str = "message", user: int = 7, **content: object) -> dict:
    return {"update_id": next(_ids), kind: {"from": {"id": user}, **content}}


def answered(guard: Flood, updates) -> int:
    """How many in a row are answered."""
    return sum(1 for _ in itertools.takewhile(lambda one: guard.judge(one) is Verdict.ANSWER, updates))


@pytest.mark.parametrize(
    ("make", "cost"),
    [
        (lambda: update(text="hello"), flood.TAP),
        (lambda: update("callback_query", data="v1:go:1:photo"), flood.TAP),
        (lambda: update("callback_query", data="rubbish"), flood.TAP),
        (lambda: update("callback_query", data="v1:run:1:2"), flood.LAUNCH),
        (lambda: update(photo=[{"file_id": "x"}]), flood.PICTURE),
        (lambda: update(document={"file_id": "x"}), flood.PICTURE),
    ],
)
def test_what_is_asked_for_has_its_price(make, cost):
    # Given somebody who does one thing without end
    guard = Flood()
    # Then as much of it is answered as the budget pays for
    assert answered(guard, (make() for _ in range(flood.BUDGET + 1))) == flood.BUDGET // cost


def test_an_album_is_one_picture():
    # Given an album of ten and the rest of the budget
    guard = Flood()
    album = [update(photo=[{}], media_group_id="a") for _ in range(10)]
    # Then it costs as one picture does, and another album as another
    assert answered(guard, album) == 10
    guard.judge(update(photo=[{}], media_group_id="b"))
    assert answered(guard, (update(text="x") for _ in range(100))) == flood.BUDGET - 2 * flood.PICTURE


def test_too_much_is_told_once_and_then_not_answered():
    guard = Flood()
    answered(guard, (update(text="x") for _ in range(flood.BUDGET)))
    verdicts = [guard.judge(update(text="x")) for _ in range(50)]
    assert verdicts == [Verdict.SAY_SO] + [Verdict.IGNORE] * 49


def test_one_persons_flood_is_nobody_elses():
    guard = Flood()
    answered(guard, (update(text="x") for _ in range(1000)))
    assert guard.judge(update(user=8, text="x")) is Verdict.ANSWER


def test_an_update_that_is_tried_again_costs_nothing():
    # Given an update that Telegram's trouble makes the bot try again and again
    guard, same = Flood(), update(text="x")
    for _ in range(100):
        assert guard.judge(same) is Verdict.ANSWER
    # Then the rest of the budget is whole
    assert answered(guard, (update(text="x") for _ in range(100))) == flood.BUDGET - 1


@pytest.mark.parametrize(
    "odd", [{"update_id": 1}, {"update_id": 2, "message": None}, {"update_id": 3, "message": {"from": 5}}, {}]
)
def test_whoever_has_no_id_is_let_through(odd):
    guard = Flood()
    assert [guard.judge(odd) for _ in range(100)] == [Verdict.ANSWER] * 100
