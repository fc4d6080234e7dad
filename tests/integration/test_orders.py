"""What a person asks for: one transaction, once, and only with the credits for it."""

import threading

import pytest

from neurocards import drafts, jobs, ledger, orders, outbox, service
from neurocards.db import db
from neurocards.errors import AlreadyOrdered, NotEnoughCredits, OrdersClosed, StaleButton, TooManyOpen
from neurocards.models import Draft, Job, JobEvent, LedgerEntry, Order, Outgoing
from tests.conftest import jobs_of, ready_draft


def count(model) -> int:
    with db:
        return model.select().count()


def test_a_new_person_gets_the_welcome_credit_once(clean_db):
    # Given someone who says /start twice
    first, second = orders.meet(7, "Анна", "ru"), orders.meet(7, "Анна Петровна", "en")
    # Then the credit came once, the name is the new one, and the language stays as it was chosen
    assert (first.new, second.new) == (True, False)
    assert (second.user.credits, second.user.first_name, second.user.language) == (1, "Анна Петровна", "ru")


def test_an_order_is_paid_for_and_queued_in_one_go(ordered):
    # When three videos are ordered with five credits
    order = ordered(count=3)
    # Then there are three queued jobs, three debits, an event each, one card, and no draft any more
    assert [(job.number, job.status) for job in jobs_of(order)] == [(1, "queued"), (2, "queued"), (3, "queued")]
    assert orders.balance(7) == 2
    with db:
        assert LedgerEntry.select().where(LedgerEntry.kind == "debit").count() == 3
        assert ledger.unexplained() == []
        assert Outgoing.get().key == f"card:{order.id}"
    assert (count(JobEvent), count(Draft)) == (3, 0)


def test_without_the_credits_nothing_happens_and_the_draft_is_kept(person):
    # Given one credit and a draft of three videos
    person(credits=1)
    draft = ready_draft(count=3)
    # When it is confirmed
    with pytest.raises(NotEnoughCredits) as refused:
        orders.place(7, 7, draft.id, draft.version, 100)
    # Then the error has both figures, nothing was written, and after a top-up the same button works
    assert (refused.value.balance, refused.value.price) == (1, 3)
    assert (count(Order), count(Job), orders.balance(7)) == (0, 0, 1)
    with db:
        ledger.grant(7, 2, "top-up", "operator")
    assert orders.place(7, 7, draft.id, draft.version, 100).count == 3


def test_nobody_has_more_than_twenty_videos_in_the_works(person):
    # Given somebody rich with eighteen open videos
    person(credits=100)
    for _ in range(6):
        draft = ready_draft(count=3)
        orders.place(7, 7, draft.id, draft.version, 100)
    # When three more are confirmed
    draft = ready_draft(count=3)
    with pytest.raises(TooManyOpen) as refused:
        orders.place(7, 7, draft.id, draft.version, 100)
    # Then nothing is written or charged, and the same button works when one has ended
    assert (refused.value.count, refused.value.most, orders.balance(7)) == (18, 20, 82)
    orders.cancel(7, 1)
    assert orders.place(7, 7, draft.id, draft.version, 100).count == 3


def test_while_operators_work_no_order_is_taken_and_the_draft_is_kept(person):
    # Given a service that is closed, and a draft
    person()
    draft = ready_draft()
    with db:
        service.close("a new server")
        service.close("still the new server")
    # When it is confirmed
    with pytest.raises(OrdersClosed):
        orders.place(7, 7, draft.id, draft.version, 100)
    # Then nothing was charged, and the same button works after reopening
    assert orders.balance(7) == 5
    with db:
        assert (service.reopen(), service.reopen()) == (True, False)
    assert orders.place(7, 7, draft.id, draft.version, 100).count == 1


def test_who_has_ordered_before_the_close_is_told_of_the_order(person):
    # Given an order, and a service that is closed since
    person()
    draft = ready_draft()
    order = orders.place(7, 7, draft.id, draft.version, 100)
    with db:
        service.close("a new server")
    # When the same button is pressed again, Then it is not said that no order is taken
    with pytest.raises(AlreadyOrdered) as again:
        orders.place(7, 7, draft.id, draft.version, 100)
    assert again.value.order_id == order.id


def test_a_confirm_pressed_twice_is_one_order(person):
    person()
    draft = ready_draft()
    order = orders.place(7, 7, draft.id, draft.version, 100)
    with pytest.raises(AlreadyOrdered) as again:
        orders.place(7, 7, draft.id, draft.version, 100)
    assert again.value.order_id == order.id
    assert orders.balance(7) == 4


def test_a_card_that_was_lost_comes_after_the_second_confirm(ordered):
    # Given an order whose card was asked for, and a message that was lost on its way to the workers
    order = ordered()
    with db:
        woken = outbox.wake_due(("card",), 10, lease=15)
        assert (len(woken), outbox.wake_due(("card",), 10, lease=15)) == (1, [])
    # When the customer, who still sees the summary, confirms again
    orders.show_again(order.id)
    # Then the card is asked for at once, and not after the lease
    with db:
        assert outbox.wake_due(("card",), 10, lease=15) == woken


@pytest.mark.parametrize("confirms", [16])
def test_simultaneous_confirms_of_one_draft_are_one_order(person, confirms):
    # Given a draft and many threads that press at the same moment
    person()
    draft = ready_draft(count=3)
    barrier, outcomes = threading.Barrier(confirms), []

    def press() -> None:
        barrier.wait()
        try:
            outcomes.append(orders.place(7, 7, draft.id, draft.version, 100).id)
        except AlreadyOrdered as already:
            outcomes.append(-already.order_id)

    threads = [threading.Thread(target=press) for _ in range(confirms)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Then exactly one made the order and all others were told its number
    made = [outcome for outcome in outcomes if outcome > 0]
    assert len(made) == 1
    assert sorted(outcomes) == [-made[0]] * (confirms - 1) + made
    assert orders.balance(7) == 2


def test_a_changed_draft_makes_its_old_confirm_stale(person):
    person()
    draft = ready_draft()
    drafts.save(7, 7, wishes="другое")
    with pytest.raises(StaleButton):
        orders.place(7, 7, draft.id, draft.version, 100)


def test_nobody_confirms_someone_elses_draft_or_photo(person):
    # Given two people and the first one's draft
    person(7)
    draft = ready_draft(7)
    person(8)
    # Then the second can't confirm it
    with pytest.raises(StaleButton):
        orders.place(8, 8, draft.id, draft.version, 100)
    # And a draft that names a stranger's photo is no order
    forged = drafts.save(
        8, 8, state="confirm", photo_id=draft.data["photo_id"], description="x", template="ad", count=1
    )
    with pytest.raises(StaleButton):
        orders.place(8, 8, forged.id, forged.version, 100)
    assert count(Order) == 0


def test_cancel_refunds_what_is_still_queued_and_nothing_else(ordered):
    # Given three jobs, one of which a worker has taken up
    order = ordered(count=3)
    taken = jobs_of(order)[0]
    with db:
        jobs.claim(taken.id, "script", "worker")
    # When the order is cancelled
    assert orders.cancel(7, order.id) == 2
    # Then two are cancelled and refunded, the third goes on
    assert [job.status for job in jobs_of(order)] == ["processing", "cancelled", "cancelled"]
    assert orders.balance(7) == 4
    with db:
        assert ledger.unexplained() == []
    # And a second press is refused
    with pytest.raises(StaleButton):
        orders.cancel(7, order.id)
    assert orders.balance(7) == 4


def test_nobody_cancels_repeats_or_sees_someone_elses(ordered, person):
    order = ordered()
    person(8)
    for forbidden in (
        lambda: orders.cancel(8, order.id),
        lambda: orders.repeat(8, 8, order.id),
        lambda: orders.find(8, order.id),
    ):
        with pytest.raises(StaleButton):
            forbidden()
    with pytest.raises(StaleButton):
        orders.video(8, jobs_of(order)[0].id)


def test_one_more_of_the_same_is_a_draft_ready_to_confirm(ordered):
    # Given an order
    order = ordered(template="ad")
    # When one more is asked for
    draft = orders.repeat(7, 7, order.id)
    # Then confirming it makes an order of the same product
    again = orders.place(7, 7, draft.id, draft.version, 101)
    same = ("photo_id", "description", "template", "wishes")
    assert [getattr(again, name) for name in same] == [getattr(order, name) for name in same]
    assert again.count == 1


def test_history_shows_only_what_was_delivered_newest_first(ordered):
    # Given two delivered jobs and one that is still queued
    order = ordered(count=3)
    with db:
        Job.update(status="done", finished_at="now", file_id="f").where(Job.number < 3).execute()
    # Then the history has the two, in pages
    done = [job.id for job in jobs_of(order)][:2]
    assert [job.id for job in orders.history(7)] == done[::-1]
    assert [job.id for job in orders.history(7, before=done[1], limit=1)] == [done[0]]
    assert orders.history(7)[0].order.description == "Кружка"
    assert [found.id for found in orders.active_orders(7)] == [order.id]
