"""A person's budget: spent by what they ask for, told once, and of no concern to anybody else."""

import itertools
import threading
import time

import pytest

from neurocards import clock, flood
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
        (lambda: update("callback_query", data="v1:file:1"), flood.LAUNCH),
        (lambda: update("callback_query", data="v1:replace:1"), flood.PICTURE),
        (lambda: update("callback_query", data="v1:video:1"), flood.PICTURE),
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


def test_what_can_t_be_told_does_not_use_up_the_one_time():
    # Given somebody whose budget is spent
    guard = Flood()
    answered(guard, (update(text="x") for _ in range(flood.BUDGET)))
    # When they edit old messages and write in a group, Then neither is told
    assert guard.judge(update("edited_message", text="x")) is Verdict.IGNORE
    guard.judge(in_group())
    # And the button they press then is
    assert guard.judge(update("callback_query", data="v1:new")) is Verdict.SAY_SO


def test_word_of_a_block_is_never_missed():
    guard = Flood()
    answered(guard, (update(text="x") for _ in range(1000)))
    verdicts = {guard.judge(update("my_chat_member", new_chat_member={"status": "kicked"})) for _ in range(100)}
    assert verdicts == {Verdict.ANSWER}


def test_a_group_has_a_budget_of_its_own():
    # Given a group where so much is said that the bot hears no more of it
    guard = Flood()
    assert answered(guard, (in_group(user=number) for number in range(1, 1000))) == flood.BUDGET
    assert {guard.judge(in_group()) for _ in range(10)} == {Verdict.IGNORE}
    # Then whoever spoke there is heard as before in private
    assert guard.judge(update(user=1, text="x")) is Verdict.ANSWER
    assert answered(guard, (update(user=2, text="x") for _ in range(100))) == flood.BUDGET


def in_group(user: int = 7) -> dict:
    return update(user=user, text="/start", chat={"id": -100, "type": "supergroup"})


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


def test_albums_are_no_way_past_the_budget():
    # Given somebody whose budget is spent
    guard = Flood()
    answered(guard, (update(text="x") for _ in range(flood.BUDGET)))
    # When they send one album after another, Then no part of any is answered
    parts = [update(photo=[{}], media_group_id=str(album)) for album in range(5) for _ in range(10)]
    assert answered(guard, parts) == 0
    assert Verdict.ANSWER not in {
        guard.judge(part) for part in [update(photo=[{}], media_group_id="0") for _ in range(3)]
    }


def test_an_album_of_whatever_kind_counts_once():
    guard = Flood()
    assert answered(guard, (update(video={}, media_group_id="a") for _ in range(1000))) == 1000


def test_what_is_over_leaves_nothing_in_memory():
    # Given a guard of short windows that has judged many people, and many albums of one of them
    clock.set_scale(flood.WINDOW)
    try:
        guard = Flood()
        for number in range(300):
            guard.judge(update(photo=[{}], media_group_id=str(number)))
        for person in range(5000):
            guard.judge(update(user=person, text="x"))
        # When their time is over and people go on writing, Then the old ones are forgotten
        deadline = time.monotonic() + 20
        while kept(guard) > 100:
            guard.judge(update(text="x"))
            assert time.monotonic() < deadline, f"{kept(guard)} names are still kept"
            threading.Event().wait(0.05)
    finally:
        clock.set_scale(1)


def kept(guard: Flood) -> int:
    """Names that are counted under, whatever for."""
    storage = guard._limiter.storage
    return sum(map(len, (storage.storage, storage.expirations, storage.locks, storage.events)))
