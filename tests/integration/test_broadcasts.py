"""One text for everybody: once each, slowly, behind everything else, stopped at a word, and reported once."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from neurocards import broadcasts, clock, operators, orders, outbox
from neurocards.db import db
from neurocards.errors import DeedRefused
from neurocards.models import Broadcast, Outgoing, User

BOSS = 1


@pytest.fixture
def people(person) -> list[int]:
    """Five who can be told, one who blocked the bot, one who is kept out."""
    for user_id in range(11, 18):
        person(user_id)
    orders.set_reachable(16, False)
    operators.ban(BOSS, 17, "", ())
    return [11, 12, 13, 14, 15]


@pytest.fixture
def draft(people) -> int:
    return broadcasts.draft(BOSS, "<b>Новое</b>").id


def copies() -> list[Outgoing]:
    with db:
        return list(Outgoing.select().where(Outgoing.kind == "broadcast").order_by(Outgoing.id))


def woken(seconds: float = 1.0) -> list[int]:
    with db:
        return broadcasts.wake_due(seconds, 15.0)


def told(row_id: int) -> None:
    with db:
        outbox.sent(outbox.take(row_id))


def reports() -> list[dict]:
    with db:
        return [row.payload for row in Outgoing.select().where(Outgoing.kind == "alert")]


def refused(reason: str, deed, *arguments) -> None:
    with pytest.raises(DeedRefused) as error:
        deed(*arguments)
    assert error.value.reason == reason


def test_a_draft_is_sent_to_nobody(draft, people):
    now = broadcasts.progress(draft)
    assert (now.state, now.people, now.text) == ("draft", len(people), "<b>Новое</b>")
    assert copies() == [] == woken()


def test_it_starts_once_with_a_row_for_everybody_within_reach(draft, people):
    # When it is started by several presses at once
    def start(_: int) -> bool:
        try:
            broadcasts.start(BOSS, draft)
        except DeedRefused:
            return False
        return True

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(start, range(8))) == 1
    # Then each person within reach has one copy
    assert [(row.chat_id, row.key) for row in copies()] == [(user, f"broadcast:{draft}:{user}") for user in people]


def test_copies_are_woken_slowly_and_never_with_the_rest(draft, people, person):
    for user_id in range(100, 160):
        person(user_id)
    broadcasts.start(BOSS, draft)
    with db:
        # Given something else to tell
        outbox.notify_once("x", 11, "granted", credits=1)
        # When everything due is woken, Then no copy is among it
        assert len(outbox.wake_due(("notice",), 1000, 15.0)) == 1
    # And copies come ten a second, and no more than can be on their way
    assert [len(woken()) for _ in range(5)] == [10, 10, 10, 0, 0]
    for row in copies()[:10]:
        told(row.id)
    assert (len(woken(0.5)), len(woken(0.01))) == (5, 0)


def test_when_telegram_wants_to_be_left_alone_all_copies_wait(draft):
    broadcasts.start(BOSS, draft)
    with db:
        broadcasts.rest(60)
        broadcasts.rest(5)
    assert woken() == []
    with db:
        db.execute_sql("UPDATE pauses SET until = now() - interval '1 second'")
    assert len(woken()) == 5


def test_a_stop_ends_it_at_once(draft):
    broadcasts.start(BOSS, draft)
    first, second, third, *rest = woken()
    # Given one copy sent, one just being sent, one that Telegram put off, and others that wait
    told(first)
    with db:
        sending, put_off = outbox.take(second), outbox.take(third)
    # When it is stopped
    broadcasts.stop(BOSS, draft)
    with db:
        outbox.sent(sending)
        outbox.postpone(put_off, 0)
        # Then nothing can be taken any more, and what was being sent counts
        assert [outbox.take(row_id) for row_id in (third, *rest)] == [None, None, None]
    now = broadcasts.progress(draft)
    assert (now.state, now.people, now.sent, now.failed) == ("stopped", 5, 2, 0)
    assert woken() == []
    refused("cast_over", broadcasts.stop, BOSS, draft)
    assert [report["what"] for report in reports()] == ["broadcast_over"]


def test_its_end_is_reported_once_with_what_came_of_it(draft):
    broadcasts.start(BOSS, draft)
    broadcasts.finish()
    assert reports() == []
    blocked, failed, *others = woken()
    for row_id in others:
        told(row_id)
    with db:
        outbox.drop(outbox.take(blocked), f"{outbox.UNREACHABLE}bot was blocked by the user")
        outbox.drop(outbox.take(failed), "Bad Request: chat not found")
    # When everybody was told or can't be, and that is looked at by several at once
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: broadcasts.finish(), range(6)))
    # Then its operator hears of it once
    [report] = reports()
    known = {name: report[name] for name in ("state", "people", "sent", "blocked", "failed")}
    assert known == {"state": "done", "people": 5, "sent": 3, "blocked": 1, "failed": 1}
    refused("cast_over", broadcasts.stop, BOSS, draft)


def test_a_copy_that_kills_its_teller_again_and_again_does_not_hold_up_the_end(draft):
    broadcasts.start(BOSS, draft)
    with db:
        Outgoing.update(attempts=outbox.MAX_ATTEMPTS).execute()
    broadcasts.finish()
    assert broadcasts.progress(draft).state == "done"


def test_a_draft_can_be_dropped_and_then_not_started(draft):
    broadcasts.drop(BOSS, draft)
    refused("cast_started", broadcasts.start, BOSS, draft)
    refused("cast_started", broadcasts.drop, BOSS, draft)
    refused("no_cast", broadcasts.progress, draft + 1)
    assert copies() == [] == reports()
    # And it is not shown as one that ran
    assert broadcasts.progress(draft).state == "dropped"


def test_a_command_that_is_heard_twice_is_one_draft(draft):
    # When the same text comes again at once, Then it is the draft there is
    assert broadcasts.draft(BOSS, "<b>Новое</b>").id == draft
    # But another's, another text, the same a minute later, or one whose draft is gone is a new one
    others = {broadcasts.draft(BOSS + 1, "<b>Новое</b>").id, broadcasts.draft(BOSS, "Новое").id}
    with db:
        Broadcast.update(created_at=clock.in_real(-broadcasts.DRAFTED_ONCE - 1)).execute()
    later = broadcasts.draft(BOSS, "<b>Новое</b>").id
    broadcasts.drop(BOSS, later)
    assert len({draft, *others, later, broadcasts.draft(BOSS, "<b>Новое</b>").id}) == 5


def test_a_draft_of_yesterday_is_not_sent(draft):
    with db:
        Broadcast.update(created_at=clock.in_real(-broadcasts.DRAFT_HOLDS - 1)).execute()
    refused("stale", broadcasts.start, BOSS, draft)
    assert copies() == []
    # And one that runs is not stopped by its age
    fresh = broadcasts.draft(BOSS, "Ещё новее").id
    broadcasts.start(BOSS, fresh)
    with db:
        Broadcast.update(created_at=clock.in_real(-broadcasts.DRAFT_HOLDS - 1)).execute()
    refused("cast_started", broadcasts.start, BOSS, fresh)
    broadcasts.stop(BOSS, fresh)


def test_nobody_within_reach_is_the_end_at_once(draft):
    with db:
        User.update(reachable=False).execute()
    broadcasts.start(BOSS, draft)
    broadcasts.finish()
    assert broadcasts.progress(draft).state == "done"
    with db:
        took = Broadcast.get_by_id(draft)
    assert took.started_at <= took.ended_at
    assert clock.unscaled(1.0) == 1.0
