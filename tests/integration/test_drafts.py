"""A draft is written by whoever still has it: two bot processes may be at the same update for a moment."""

import pytest

from neurocards import drafts, orders
from neurocards.errors import StaleButton
from tests.conftest import ready_draft


def test_an_answer_of_a_draft_that_was_ordered_meanwhile_makes_no_new_draft(person):
    person()
    # Given a draft that one bot process has read, and that another turned into an order
    read = ready_draft()
    orders.place(7, 7, read.id, read.version, None)
    # When the first writes the answer it has at hand
    with pytest.raises(StaleButton):
        drafts.save(7, 7, of=read.id, state="confirm", count=3)
    # Then there is no draft: a new one would have this answer and no others
    assert drafts.find(7, 7) is None


def test_an_answer_of_an_earlier_draft_leaves_the_new_one_as_it_is(person):
    person()
    # Given a draft that one bot process has read, and that another replaced by a new one
    read = ready_draft()
    drafts.clear(7, 7)
    new = drafts.save(7, 7, state="photo")
    # When the first writes its answer
    with pytest.raises(StaleButton):
        drafts.save(7, 7, of=read.id, state="confirm", count=3)
    # Then the new draft has not changed
    assert (drafts.find(7, 7).version, drafts.find(7, 7).data) == (new.version, {})


def test_an_answer_of_the_open_draft_is_written(person):
    person()
    # Given a draft that was read
    read = ready_draft()
    # When its next answer is written
    after = drafts.save(7, 7, of=read.id, state="count", wishes="ярко")
    # Then it is the same draft, a version on
    assert (after.id, after.version, after.data["wishes"]) == (read.id, read.version + 1, "ярко")
