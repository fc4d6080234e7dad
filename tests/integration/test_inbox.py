"""From Telegram to the handlers: stored before it is acknowledged, in order for each person, lost never."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from peewee import OperationalError

from neurocards import inbox, metrics
from neurocards.db import db
from neurocards.errors import ProviderError
from neurocards.intake import MOST_IN_HAND, Poller, Receiver
from neurocards.lanes import MOST_OF_ONE, THREADS, TRIES, Lanes
from neurocards.models import InboxUpdate

FLOOD = ProviderError("telegram", "sendMessage", "Too Many Requests: retry after 1", http_status=429, retry_after=0.01)
LONG_FLOOD = replace(FLOOD, retry_after=3600.0)
CONFLICT = ProviderError(
    "telegram",
    "getUpdates",
    "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
    http_status=409,
)
BLOCKED = ProviderError("telegram", "sendMessage", "Forbidden: bot was blocked by the user", http_status=403)

Update = dict[str, Any]


def update(number: int, person: int = 7, text: str = "привет") -> Update:
    chat = {"id": person, "type": "private", "first_name": "Анна"}
    sender = {"id": person, "is_bot": False, "first_name": "Анна"}
    return {"update_id": number, "message": {"message_id": 1, "date": 1, "chat": chat, "from": sender, "text": text}}


def open_updates() -> list[int]:
    return [row.update_id for row in inbox.unhandled()]


# The table ------------------------------------------------------------------------------------------------------------


def test_an_update_that_comes_again_is_not_new(clean_db):
    # Given updates that Telegram delivers once more, with a new one among them
    assert [row.update_id for row in inbox.store([update(2), update(1)])] == [1, 2]
    # Then only the new one is handed out
    assert [row.update_id for row in inbox.store([update(1), update(2), update(3)])] == [3]
    assert inbox.store([]) == []
    assert open_updates() == [1, 2, 3]


@pytest.mark.parametrize(
    "odd",
    [
        {"update_id": 1, "message": {"from": {"id": 7}, "text": "NUL \x00, half a pair \ud83d, <b>&"}},
        {"update_id": 1, "message": {"from": {"id": 2**80}}},
        {"update_id": 1, "message": {"from": None}},
        {"update_id": 1, "message": "nonsense"},
        {"update_id": 1, "something_new": {}},
    ],
)
def test_whatever_an_update_holds_it_is_kept_as_it_came(clean_db, odd):
    # When something strange arrives together with an ordinary update
    rows = inbox.store([odd, update(2)])
    # Then both are kept, each in some lane
    assert len(rows) == 2
    assert rows[0].lane in (0, 7)


def test_what_was_handled_or_set_aside_is_not_open_any_more(clean_db):
    inbox.store([update(1), update(2), update(3)])
    inbox.handled(1)
    inbox.set_aside(2, "could not be read")
    assert open_updates() == [3]
    with db:
        assert InboxUpdate.get_by_id(2).error == "could not be read"


def test_what_was_refused_says_nothing_of_how_fast_the_bot_answers(clean_db):
    # Given what was counted before
    before = counted("answered"), counted("refused"), metrics.REGISTRY.get_sample_value(ANSWERS)
    # When one update is answered, and another is somebody's who asks for too much
    inbox.store([update(1), update(2)])
    inbox.handled(1)
    inbox.handled(2, "refused")
    # Then each counts as what it was, and the time of the first only
    after = counted("answered"), counted("refused"), metrics.REGISTRY.get_sample_value(ANSWERS)
    assert [now - then for now, then in zip(after, before, strict=True)] == [1, 1, 1]


ANSWERS = "neurocards_bot_answer_seconds_count"


def counted(outcome: str) -> float:
    return metrics.REGISTRY.get_sample_value("neurocards_updates_total", {"outcome": outcome}) or 0


def test_how_often_an_update_was_begun_is_counted_until_it_is_handled(clean_db):
    # Given an update that two bots begin with, the second of them once more after a try that ended
    inbox.store([update(1)])
    assert (inbox.taken_up(1), inbox.taken_up(1)) == (1, 2)
    inbox.let_go([1])
    assert inbox.taken_up(1) == 2
    # When one of them has handled it
    inbox.handled(1)
    # Then nobody takes it up any more
    assert inbox.taken_up(1) is None


# Lanes ----------------------------------------------------------------------------------------------------------------


class Desk:
    """Handles updates as told: `troubles` are raised for an update, one after another, before it goes well."""

    def __init__(self, expected: int = 0) -> None:
        self.handled: dict[int, list[int]] = defaultdict(list)
        self.sorry: list[int] = []
        self.troubles: dict[int, list[Exception]] = {}
        self.calls = 0
        self._left = expected
        self.done = threading.Event()

    def handle(self, update: Update) -> str:
        self.calls += 1
        number = update["update_id"]
        if self.troubles.get(number):
            raise self.troubles[number].pop(0)
        self.handled[update["message"]["from"]["id"]].append(number)
        self._one_less()
        return "answered"

    def apologise(self, update: Update, _reason: str) -> None:
        self.sorry.append(update["update_id"])
        self._one_less()

    def _one_less(self) -> None:
        self._left -= 1
        if self._left <= 0:
            self.done.set()


Open = Callable[..., tuple[Desk, Lanes]]


@pytest.fixture
def open_lanes(clean_db) -> Iterator[Open]:
    """A factory of a desk that expects so many updates, and lanes that lead to it."""
    opened: list[Lanes] = []

    def make(expected: int = 0, **options: Any) -> tuple[Desk, Lanes]:
        desk = Desk(expected)
        opened.append(Lanes(options.get("handle", desk.handle), desk.apologise))
        return desk, opened[-1]

    yield make
    for lanes in opened:
        lanes.stop(5)


def put(lanes: Lanes, *updates: Update) -> None:
    lanes.put(inbox.store(updates))


def test_everyones_updates_are_handled_in_their_order(open_lanes):
    # Given five people who write all at once
    desk, lanes = open_lanes(200)
    updates = [update(number, person=number % 5) for number in range(200)]
    # When all of it arrives in two batches
    put(lanes, *updates[:100])
    put(lanes, *updates[100:])
    assert desk.done.wait(20)
    # Then each was heard in order, and nothing is open
    assert all(numbers == sorted(numbers) for numbers in desk.handled.values())
    lanes.stop(5)
    assert open_updates() == []


def test_what_another_bot_has_handled_meanwhile_is_not_handled_again(open_lanes):
    # Given three updates, of which another bot handles the first before this one does, and the second before it can try again
    desk = Desk(1)

    def handle(update: Update) -> str:
        if update["update_id"] == 2:
            inbox.handled(2)
            raise OperationalError("server closed the connection")
        return desk.handle(update)

    rows = inbox.store([update(1), update(2), update(3)])
    inbox.handled(1)
    # When this bot comes to them
    _, lanes = open_lanes(handle=handle)
    lanes.put(rows)
    # Then it handles the third only
    assert desk.done.wait(20)
    assert desk.handled == {7: [3]}


def test_an_update_no_handler_could_rely_on_is_set_aside_at_once(open_lanes):
    # Given an update with a number for a text, and a sound one after it
    desk, lanes = open_lanes(2)
    broken = update(1, text=12)  # type: ignore[arg-type]
    # When both arrive
    put(lanes, broken, update(2))
    assert desk.done.wait(20)
    # Then no handler saw the first, and its reason doesn't quote it
    assert (desk.calls, desk.sorry, desk.handled) == (1, [1], {7: [2]})
    lanes.stop(5)
    with db:
        assert InboxUpdate.get_by_id(1).error == "unreadable: message.text: Input should be a valid string"


def test_one_persons_slow_answer_holds_up_nobody_else(open_lanes):
    # Given somebody whose update takes as long as it takes for somebody else to be answered
    answered = threading.Event()
    desk = Desk(1)

    def handle(update: Update) -> str:
        if update["message"]["from"]["id"] == 1:
            assert answered.wait(10)
        else:
            answered.set()
        return desk.handle(update)

    _, lanes = open_lanes(handle=handle)
    put(lanes, update(1, person=1), update(2, person=1), update(3, person=2))
    assert answered.wait(10)


def test_an_update_waits_for_the_database_as_long_as_it_takes(open_lanes):
    # Given a handler that finds the database away many times more than it would forgive a bug
    desk, lanes = open_lanes(2)
    desk.troubles[1] = [OperationalError("connection refused")] * (TRIES + 2)
    put(lanes, update(1), update(2))
    # Then the update is handled in the end, before the next one of the same person
    assert desk.done.wait(20)
    assert desk.handled[7] == [1, 2]
    assert desk.sorry == []
    # And was counted as begun once: the next start must not take it for what ended the bot
    with db:
        assert InboxUpdate.get_by_id(1).attempts == 1


def test_a_bug_in_one_answer_costs_neither_the_update_nor_the_lane(open_lanes):
    # Given an update that no try gets handled
    desk, lanes = open_lanes(2)
    desk.troubles[1] = [ValueError("a bug")] * TRIES
    put(lanes, update(1), update(2))
    assert desk.done.wait(20)
    # Then it is set aside with the reason, its sender is told, and the next one is answered
    assert (desk.sorry, desk.handled[7]) == ([1], [2])
    with db:
        assert InboxUpdate.get_by_id(1).error == "ValueError: a bug"


def test_telegrams_limit_is_waited_for_and_a_block_is_not(open_lanes):
    # Given an answer that Telegram asks to send later, and one to somebody who blocked the bot
    desk, lanes = open_lanes(2)
    desk.troubles = {1: [FLOOD, FLOOD], 2: [BLOCKED]}
    put(lanes, update(1, person=1), update(2, person=2))
    assert desk.done.wait(20)
    assert (desk.handled[1], desk.handled[2]) == ([1], [])
    lanes.stop(5)
    assert open_updates() == []


def test_people_whom_telegram_makes_wait_keep_nobody_else_waiting(open_lanes):
    # Given more people than threads, whose answers Telegram wants an hour later, and who go on writing
    waiting, heard = range(1, THREADS + 3), threading.Semaphore(0)
    desk = Desk()
    desk.troubles = {person: [LONG_FLOOD] * 2 for person in waiting}

    def handle(one: Update) -> str:
        heard.release()
        return desk.handle(one)

    _, lanes = open_lanes(handle=handle)
    put(lanes, *(update(person, person=person) for person in waiting))
    put(lanes, *(update(100 + person, person=person) for person in waiting))
    # When somebody else writes
    put(lanes, update(1000, person=99))
    # Then all are heard
    assert all(heard.acquire(timeout=20) for _ in (*waiting, 99))
    lanes.stop(5)
    # And nobody is tried again before the hour is over, nor does anybody's next pass their first
    assert (desk.handled, desk.calls) == ({99: [1000]}, len(waiting) + 1)
    # And of each only one is kept in hand, until more than that is
    lanes.make_room()
    assert (lanes.in_hand(), lanes.full()) == (set(waiting), set(waiting))


def test_a_stop_is_no_crash(open_lanes):
    # Given an update that waits for Telegram, and one that takes longer than a stop does
    entered, release = threading.Event(), threading.Event()

    def handle(one: Update) -> str:
        if one["update_id"] == 1:
            raise LONG_FLOOD
        entered.set()
        assert release.wait(20)
        return "answered"

    _, lanes = open_lanes(handle=handle)
    put(lanes, update(1, person=1))
    put(lanes, update(2, person=2))
    assert entered.wait(10)
    # When the bot stops in order
    lanes.stop(0.1)
    lanes.let_go()
    # Then neither counts as what ended it
    assert [row.attempts for row in inbox.unhandled()] == [0, 0]
    release.set()


def test_what_ended_the_bot_too_often_is_set_aside(open_lanes):
    # Given an update at which five bots have ended
    inbox.store([update(1)])
    for _ in range(TRIES):
        inbox.taken_up(1)
    # When the next one takes it up
    desk, lanes = open_lanes(1)
    lanes.put(inbox.unhandled())
    # Then it leaves it alone
    assert desk.done.wait(10)
    assert (desk.calls, desk.sorry) == (0, [1])


def test_what_was_not_handled_when_the_bot_stops_is_there_at_the_next_start(open_lanes):
    # Given an update that can't be handled now, and others behind it
    desk, lanes = open_lanes()
    desk.troubles[1] = [OperationalError("away")] * 1000
    put(lanes, *(update(number) for number in range(1, 6)))
    # When the bot stops
    lanes.stop(5)
    # Then all of them are still open
    assert open_updates() == [1, 2, 3, 4, 5]


# Polling --------------------------------------------------------------------------------------------------------------


class Telegram:
    """Hands out batches, one a call, and notes what was acknowledged. An exception in place of a batch is raised."""

    def __init__(self, *batches: list[Update] | Exception) -> None:
        self._batches = list(batches)
        self.offsets: list[int] = []
        self.quiet = threading.Event()

    def fetch(self, offset: int, _timeout: int) -> list[Update]:
        self.offsets.append(offset)
        if not self._batches:
            self.quiet.set()
            threading.Event().wait(0.05)  # what a long poll does when nothing happens
            return []
        batch = self._batches.pop(0)
        if isinstance(batch, Exception):
            raise batch
        return batch


def polled(telegram: Telegram, lanes: Lanes, may_poll: Callable[[], bool] = lambda: True) -> None:
    """Polls until Telegram has nothing more."""
    poller = Poller(telegram.fetch, lanes, may_poll)
    poller.conflict_pause = 0.01
    thread = threading.Thread(target=poller.run)
    thread.start()
    quiet = telegram.quiet.wait(20)
    poller.stop()
    thread.join(10)
    assert quiet


def test_an_update_is_acknowledged_by_asking_for_the_next_one(open_lanes):
    # Given two batches, the second numbered lower: Telegram starts anew after a quiet week
    desk, lanes = open_lanes(3)
    telegram = Telegram([update(900), update(901)], [update(5)])
    polled(telegram, lanes)
    # Then each batch was acknowledged by its own last number
    assert telegram.offsets[:3] == [0, 902, 6]
    assert desk.done.wait(10)
    assert desk.handled[7] == [900, 901, 5]


@pytest.mark.parametrize(
    "trouble",
    [
        ProviderError("telegram", "getUpdates", "no answer: timed out", retry_after=0.01),
        ProviderError("telegram", "getUpdates", "Conflict: terminated by other getUpdates", http_status=409),
        KeyError("result"),
    ],
    ids=["timeout", "conflict", "nonsense"],
)
def test_no_trouble_with_telegram_makes_the_bot_deaf(open_lanes, trouble):
    desk, lanes = open_lanes(2)
    telegram = Telegram([update(1)], trouble, [update(2)])
    polled(telegram, lanes)
    # Then what had been fetched stays acknowledged, and the next batch is heard
    assert telegram.offsets[:3] == [0, 2, 2]
    assert desk.done.wait(10)
    assert desk.handled[7] == [1, 2]


def test_whoever_sends_a_thousand_messages_keeps_nobody_else_waiting(open_lanes):
    # Given somebody who has sent more than a bot takes in hand, and whose first can't be answered yet
    release = threading.Event()
    desk = Desk(1)
    flooder = Desk(2 * MOST_OF_ONE)

    def handle(one: Update) -> str:
        if one["message"]["from"]["id"] == 8:
            return desk.handle(one)
        assert release.wait(30)
        return flooder.handle(one)

    _, lanes = open_lanes(handle=handle)
    inbox.store([update(number) for number in range(1, MOST_IN_HAND + 2)])
    poller = Poller(Telegram([update(5000, person=8)]).fetch, lanes, lambda: True)
    thread = threading.Thread(target=poller.run)
    thread.start()
    # When somebody else writes, Then they are answered
    assert desk.done.wait(20)
    # And when it goes on, all of the first one's is handled in its order, as far as we look
    release.set()
    assert flooder.done.wait(30)
    poller.stop()
    thread.join(10)
    numbers = flooder.handled[7]
    assert numbers == list(range(1, len(numbers) + 1))


class Fight:
    """Another program polls with our token: every call is a conflict. What else goes on is noted."""

    def __init__(self) -> None:
        self.fetches = 0
        self.alerts = 0
        self.told = threading.Event()

    def fetch(self, _offset: int, _timeout: int) -> list[Update]:
        self.fetches += 1
        raise CONFLICT

    def alert(self) -> None:
        self.alerts += 1
        inbox.store([update(1)])
        self.told.set()


def test_another_program_with_our_token_is_told_of_and_not_fought(open_lanes, caplog):
    # Given another program that polls with the same token
    desk, lanes = open_lanes(1)
    fight = Fight()
    poller = Poller(fight.fetch, lanes, lambda: True, conflict=fight.alert)
    thread = threading.Thread(target=poller.run)
    thread.start()
    # When it takes the updates away, Then operators are told, and what is stored meanwhile is handled
    assert desk.done.wait(20)
    poller.stop()
    thread.join(10)
    # And Telegram is left alone for a while
    assert (fight.fetches, fight.alerts) == (1, 1)
    assert "another program polls with this BOT_TOKEN" in caplog.text


def test_another_bot_of_ours_is_no_stranger(open_lanes):
    # Given a poll that ends because the lock, and with it the polling, is another process's now
    _, lanes = open_lanes()
    fight, standing_by = Fight(), threading.Event()

    def may_poll() -> bool:
        if fight.fetches:
            standing_by.set()
        return not fight.fetches

    poller = Poller(fight.fetch, lanes, may_poll, conflict=fight.alert)
    thread = threading.Thread(target=poller.run)
    thread.start()
    assert standing_by.wait(20)
    poller.stop()
    thread.join(10)
    # Then nobody is told
    assert fight.alerts == 0


def test_an_earlier_bots_updates_come_first_and_nothing_twice(open_lanes):
    # Given updates that a killed bot left unhandled
    inbox.store([update(1), update(2)])
    desk, lanes = open_lanes(3)
    # When the next bot starts, and Telegram repeats what was never acknowledged
    polled(Telegram([update(1), update(2), update(3)]), lanes)
    assert desk.done.wait(10)
    lanes.stop(5)
    assert desk.handled[7] == [1, 2, 3]
    assert desk.calls == 3


def test_a_batch_that_was_stored_without_our_hearing_of_it_is_not_lost(open_lanes):
    # Given a database that commits a batch and dies before it can say so
    desk, lanes = open_lanes(2)

    def stored_and_lost(_offset: int) -> list[Update]:
        inbox.store([update(1), update(2)])
        raise OperationalError("server closed the connection unexpectedly")

    telegram = Telegram([update(1), update(2)])
    fetch, first = telegram.fetch, [True]

    def fetch_once_lost(offset: int, timeout: int) -> list[Update]:
        return stored_and_lost(offset) if first and first.pop() else fetch(offset, timeout)

    telegram.fetch = fetch_once_lost
    polled(telegram, lanes)
    # Then the batch is handled all the same, once
    assert desk.done.wait(10)
    lanes.stop(5)
    assert (desk.handled[7], desk.calls) == ([1, 2], 2)


def test_a_bot_whose_turn_it_is_not_leaves_telegram_alone(open_lanes, caplog):
    # Given a process that another one keeps from polling, until that one ends and leaves an update behind
    desk, lanes = open_lanes(1)
    turns = [False, False, True]
    telegram = Telegram()

    def may_poll() -> bool:
        mine = turns.pop(0) if len(turns) > 1 else turns[0]
        if not mine:
            assert telegram.offsets == []
            inbox.store([update(1)])
        return mine

    polled(telegram, lanes, may_poll)
    # Then it polls when it may, and takes that update up
    assert desk.done.wait(10)
    assert desk.handled[7] == [1]
    # And says once that it stands by
    assert caplog.text.count("stands by") == 1


def test_what_another_process_stores_while_we_poll_is_taken_up(open_lanes):
    # Given a webhook's process that stores an update when the poller has long begun
    desk, lanes = open_lanes(1)
    telegram = Telegram()
    fetch, late = telegram.fetch, [update(1)]

    def fetch_while_others_store(offset: int, timeout: int) -> list[Update]:
        if len(telegram.offsets) > 2 and late:
            inbox.store([late.pop()])
        return fetch(offset, timeout)

    telegram.fetch = fetch_while_others_store
    poller = Poller(telegram.fetch, lanes, lambda: True)
    thread = threading.Thread(target=poller.run)
    thread.start()
    # Then it is handled without a restart
    assert desk.done.wait(10)
    poller.stop()
    thread.join(10)


@pytest.mark.parametrize("refused_from", [1, 2])
def test_updates_don_t_stand_still_because_telegram_refuses_to_hear_the_address(open_lanes, refused_from):
    # Given a webhook that was registered, or never was, and may not be registered now
    desk, lanes = open_lanes(1)
    news, tries = threading.Event(), []

    def register() -> None:
        tries.append(1)
        if len(tries) == refused_from:
            inbox.store([update(1)])
        if len(tries) >= refused_from:
            raise ProviderError("telegram", "setWebhook", "bad webhook: failed to resolve host", http_status=400)

    receiver = Receiver(news, lanes, lambda: True, register)
    receiver.register_every = 0.0
    thread = threading.Thread(target=receiver.run)
    thread.start()
    # Then what has come is handled all the same
    assert desk.done.wait(10)
    receiver.stop()
    thread.join(10)


def test_telegram_is_told_again_where_updates_go_when_it_wants_to_hear_it(open_lanes):
    # Given a Telegram that wants to hear the address a moment later
    _, lanes = open_lanes()
    times, told = [], threading.Event()

    def register() -> None:
        times.append(time.monotonic())
        if len(times) == 1:
            raise ProviderError("telegram", "setWebhook", "Too Many Requests", http_status=429, retry_after=0.3)
        told.set()

    receiver = Receiver(threading.Event(), lanes, lambda: True, register)
    thread = threading.Thread(target=receiver.run)
    thread.start()
    assert told.wait(10)
    receiver.stop()
    thread.join(10)
    # Then it is not told sooner
    assert times[1] - times[0] >= 0.3


def test_who_loses_the_lock_forgets_those_nobody_has_begun_with(open_lanes):
    # Given more people than threads, so that some are not begun with
    release, all_busy = threading.Event(), threading.Barrier(THREADS + 1)

    def handle(_update: Update) -> str:
        all_busy.wait(10)
        assert release.wait(10)
        return "answered"

    _, lanes = open_lanes(handle=handle)
    put(lanes, *(update(number, person=number) for number in range(THREADS + 2)))
    all_busy.wait(10)
    # When it is another's turn
    lanes.drop_waiting()
    # Then only what is being handled is still in hand, and the rest is the other's
    assert lanes.in_hand() == set(range(THREADS))
    release.set()
    lanes.stop(5)
    assert open_updates() == [THREADS, THREADS + 1]


def test_who_has_lost_the_lock_leaves_what_waits_to_the_other(open_lanes):
    # Given a process at one of a person's updates, with two more behind it
    release, entered = threading.Event(), threading.Event()
    handled: list[int] = []

    def handle(update: Update) -> str:
        entered.set()
        assert release.wait(10)
        handled.append(update["update_id"])
        return "answered"

    _, lanes = open_lanes(handle=handle)
    put(lanes, update(1), update(2), update(3))
    assert entered.wait(10)
    # When it is another's turn
    lanes.drop_waiting()
    release.set()
    lanes.stop(5)
    # Then it ends what it has begun, and no more
    assert (handled, lanes.in_hand()) == ([1], set())
    assert open_updates() == [2, 3]


def test_taking_up_the_backlog_again_repeats_nothing_that_is_in_hand(open_lanes):
    # Given an update that is being handled while the poller loses its turn and gets it back
    release, entered, last = threading.Event(), threading.Event(), threading.Event()
    handled: list[int] = []

    def handle(update: Update) -> str:
        entered.set()
        assert release.wait(10)
        handled.append(update["update_id"])
        if update["update_id"] == 2:
            last.set()
        return "answered"

    _, lanes = open_lanes(handle=handle)
    put(lanes, update(1))
    assert entered.wait(10)
    polled(Telegram(), lanes)
    # When it is done, and one more has come in behind it
    put(lanes, update(2))
    release.set()
    assert last.wait(10)
    # Then each was handled once
    assert handled == [1, 2]
