"""What people must be told: committed with its cause, told at least once, by one teller at a time, and never for ever."""

from datetime import UTC, datetime

import pytest

from neurocards import clock, outbox
from neurocards.db import db
from neurocards.models import Order, Outgoing
from tests.conftest import jobs_of


@pytest.fixture
def order(ordered) -> Order:
    """An order, whose card is asked for with it."""
    return ordered()


def the_card() -> Outgoing:
    with db:
        return Outgoing.get(Outgoing.kind == "card")


def take(row: Outgoing) -> Outgoing | None:
    with db:
        return outbox.take(row.id)


def told(row: Outgoing) -> None:
    with db:
        outbox.sent(row)


def redrawn(order: Order) -> None:
    with db:
        outbox.redraw_card(order)


def later(**changes: object) -> None:
    """Time goes by: whatever changes with it."""
    with db:
        Outgoing.update(**changes).execute()


def test_a_card_asked_for_many_times_is_drawn_once(order):
    # Given a card that is asked for again and again before anybody draws it
    for _ in range(5):
        redrawn(order)
    # Then there is one row, and when it is told nothing is left to do
    row = take(the_card())
    told(row)
    with db:
        assert outbox.wake_due(("card",), 10, lease=-1) == []


def test_a_card_asked_for_while_it_is_being_drawn_is_drawn_again_after_a_pause(order):
    # Given a card in the hands of a worker, who has read the order already
    row = take(the_card())
    # When the order changes
    redrawn(order)
    told(row)
    # Then the card is drawn once more, but not at once
    assert the_card().sent_at is None
    assert take(the_card()) is None
    later(due_at=clock.in_real(0))
    assert take(the_card()).version == row.version + 1


def test_one_card_is_edited_once_in_three_seconds(order):
    # Given a card just drawn
    told(take(the_card()))
    # When it is asked for
    redrawn(order)
    # Then it waits for its pause
    left = (the_card().due_at - datetime.now(UTC)).total_seconds()
    assert outbox.CARD_PAUSE - 1 < left <= outbox.CARD_PAUSE


def test_one_teller_at_a_time_and_another_when_the_first_has_died(order):
    # Given a row that somebody is telling
    row = the_card()
    assert take(row) is not None
    # Then nobody else may, until that lease is over
    assert take(row) is None
    later(taken_until=clock.in_real(-1))
    assert take(row).attempts == 2


def test_a_notice_is_one_however_often_its_cause_is_repeated(order):
    job = jobs_of(order)[0]
    for _ in range(3):
        with db:
            outbox.notify(job.id, 7, "failed")
    with db:
        assert Outgoing.select().where(Outgoing.kind == "notice").count() == 1


def test_a_notice_is_told_only_if_its_cause_was_committed(order):
    # Given a transaction that fails after the notice was written
    def fail() -> None:
        with db:
            outbox.notify(jobs_of(order)[0].id, 7, "failed")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with db:
        assert Outgoing.select().where(Outgoing.kind == "notice").count() == 0


def test_an_alert_is_one_a_day_for_each_matter_and_operator(order):
    # Given an outage that fails a thousand orders of two kinds, and two operators
    for number in range(10):
        with db:
            outbox.alert((1, 2), "key_quarantined:ab12", key="ab12", job=number)
            outbox.alert((1, 2), "key_quarantined:cd34", key="cd34", job=number)
    # Then each operator hears of each key once
    with db:
        rows = list(Outgoing.select().where(Outgoing.kind == "alert"))
        assert sorted((row.chat_id, row.payload["key"]) for row in rows) == [
            (1, "ab12"), (1, "cd34"), (2, "ab12"), (2, "cd34"),
        ]  # fmt: skip
        # And again tomorrow
        Outgoing.update(key=Outgoing.key.concat(":yesterday")).execute()
        outbox.alert((1,), "key_quarantined:ab12", key="ab12")
        assert Outgoing.select().where(Outgoing.kind == "alert").count() == 5


def alerted(about: str, *admins: int) -> int:
    """Has operators told; how many rows there are then."""
    with db:
        outbox.alert(admins or (1,), about)
        return Outgoing.select().where(Outgoing.kind == "alert").count()


def rearmed(*abouts: str) -> bool:
    with db:
        return outbox.rearm(*abouts)


def test_what_has_ended_and_comes_again_is_told_again(clean_db):
    # Given an outage that two operators heard of, and another matter
    assert alerted("down:kie", 1, 2) == 2
    assert alerted("down:kie:more") == 3
    # When it ends, Then it is known whether anybody had heard of it, once
    assert (rearmed("down:kie", "unheard"), rearmed("down:kie", "unheard")) == (True, False)
    # And its return is news to both, once
    assert [alerted("down:kie", 1, 2) for _ in range(3)] == [5, 5, 5]


def test_one_matter_does_not_end_another_whose_name_begins_so(clean_db):
    alerted("low_credit:main")
    alerted("low_credit:mainz")
    assert rearmed("low_credit:main")
    assert [alerted("low_credit:mainz"), alerted("low_credit:main")] == [2, 3]


def test_what_comes_and_goes_is_told_a_few_times_an_hour(clean_db):
    # Given something that begins and ends again and again
    counts = []
    for _ in range(20):
        counts.append(alerted("down:kie", 1, 2))
        rearmed("down:kie")
    # Then each operator hears of it so often and no more
    assert counts[-1] == 2 * outbox.MOST_AN_HOUR
    # Until an hour has gone by
    later(created_at=clock.in_real(-3601))
    assert alerted("down:kie", 1, 2) == counts[-1] + 2


def test_what_could_not_be_told_is_told_later_and_given_up_in_the_end(order):
    # Given a row that can't be told
    for attempt in range(1, outbox.MAX_ATTEMPTS + 1):
        row = take(the_card())
        assert row.attempts == attempt
        with db:
            outbox.postpone(row, 60)
        # Then it is not due before its time
        assert take(row) is None
        later(due_at=clock.in_real(0))
    # And in the end it is left alone, with the reason
    assert take(the_card()) is None
    assert the_card().error == "gave up"
    # But a card that is asked for anew gets another chance
    redrawn(order)
    assert take(the_card()).attempts == 1


def test_a_row_that_kills_whoever_tells_it_is_not_taken_for_ever(order):
    # Given tellers who die, one after another
    deaths = 0
    while take(the_card()) and deaths < 2 * outbox.MAX_ATTEMPTS:
        deaths += 1
        later(taken_until=clock.in_real(-1))
    assert deaths == outbox.MAX_ATTEMPTS
    with db:
        assert outbox.wake_due(("card",), 10, lease=-1) == []


def test_what_cannot_be_told_at_all_is_dropped_with_the_reason(order):
    row = take(the_card())
    with db:
        outbox.drop(row, "bot was blocked by the user")
    assert take(row) is None
    assert "blocked" in the_card().error


def test_a_due_row_is_woken_once_while_its_message_is_on_the_way(order):
    with db:
        assert outbox.wake_due(("card",), 10, lease=15) == [the_card().id]
        assert outbox.wake_due(("card",), 10, lease=15) == []
        assert outbox.wake_due(("card",), 10, lease=-1) == [the_card().id]
