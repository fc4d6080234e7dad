"""What operators do: once, with a row that says who did it, and never against the books."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from neurocards import (
    attempts,
    audit,
    clock,
    inbox,
    jobs,
    key_health,
    lookup,
    operators,
    orders,
    outages,
    overview,
    service,
)
from neurocards.db import db
from neurocards.errors import DeedRefused, OrdersClosed
from neurocards.keys import KeyPool, Wait, fingerprint
from neurocards.models import Job, JobEvent, LedgerEntry, OperatorAction, Outgoing, User
from tests.conftest import jobs_of, ready_draft
from tests.security.test_buttons import delivered

BOSS, OTHER = 1, 2


@pytest.fixture(autouse=True)
def sound(clean_db):
    """After each test the books balance and every promise holds."""
    yield
    assert audit.audit() == []


def deeds() -> list[tuple[int, str, str]]:
    """What was done, without the questions and answers before it."""
    with db:
        talk = OperatorAction.action.startswith("ask") | OperatorAction.action.in_(("yes", "no"))
        rows = OperatorAction.select().where(~talk).order_by(OperatorAction.id)
        return [(row.operator, row.action, row.subject) for row in rows]


def notices() -> list[str]:
    with db:
        return [row.payload["what"] for row in Outgoing.select().where(Outgoing.kind == "notice")]


def refused(reason: str, deed, *arguments, **more) -> None:
    with pytest.raises(DeedRefused) as error:
        deed(*arguments, **more)
    assert error.value.reason == reason


# Credits ----------------------------------------------------------------------------------------------------------------


def test_a_grant_is_asked_agreed_to_and_told_once(person):
    person(7, credits=5)
    # Given a grant that was asked for
    asked = operators.ask_grant(BOSS, 7, 3, "оплата картой")
    assert orders.balance(7) == 5
    # When it is agreed to again and again, by several presses at once
    with ThreadPoolExecutor(4) as threads:
        done = list(threads.map(lambda _: operators.agree(BOSS, asked), range(8)))
    # Then it has happened once, with its reason, its deed, and a word to the person
    assert {moved.balance for moved in done} == {8}
    assert next((entry.amount, entry.reason) for entry in orders.entries(7)) == (3, "оплата картой")
    assert deeds() == [(BOSS, "grant", "7 +3 оплата картой")]
    assert notices() == ["granted"]


def test_taking_back_twice_takes_once_though_nothing_is_left(person):
    person(7, credits=5)
    # Given that all is asked back
    asked = operators.ask_grant(BOSS, 7, -5)
    # When that is agreed to twice
    operators.agree(BOSS, asked)
    moved = operators.agree(BOSS, asked)
    # Then the second says the same as the first, and nobody is told
    assert (moved.amount, moved.balance) == (-5, 0)
    assert notices() == []


@pytest.mark.parametrize(
    ("user", "amount", "reason"),
    [(7, 0, "no_amount"), (7, -6, "too_little"), (7, 1001, "too_much"), (7, -1001, "too_much"), (8, 1, "no_user")],
)
def test_what_can_not_be_granted_is_not_even_asked(person, user, amount, reason):
    person(7, credits=5)
    refused(reason, operators.ask_grant, BOSS, user, amount)
    with db:
        assert not OperatorAction.select().exists()


def test_nobody_agrees_to_what_another_asked_nor_to_what_is_old_or_no_question(person):
    person(7, credits=5)
    asked = operators.ask_grant(BOSS, 7, 3)
    # When another operator agrees, or to a number that is no question
    refused("stale", operators.agree, OTHER, asked)
    refused("stale", operators.agree, BOSS, asked + 1)
    operators.ban(BOSS, 7, "", ())
    refused("stale", operators.agree, BOSS, asked + 1)
    # Or after an hour, Then nothing moves
    with db:
        OperatorAction.update(at=clock.in_real(-operators.ASKED_HOLDS - 1)).execute()
    refused("stale", operators.agree, BOSS, asked)
    assert orders.balance(7) == 5


def test_what_was_possible_when_asked_may_be_so_no_more(person):
    person(7, credits=5)
    first, second = operators.ask_grant(BOSS, 7, -5), operators.ask_grant(BOSS, 7, -1)
    operators.agree(BOSS, first)
    refused("too_little", operators.agree, BOSS, second)
    assert orders.balance(7) == 0


def test_a_no_ends_the_question_and_after_a_yes_comes_too_late(person):
    person(7, credits=5)
    first, second = operators.ask_grant(BOSS, 7, 3), operators.ask_grant(BOSS, 7, 1)
    # When one question is declined and the other agreed to
    operators.decline(BOSS, first)
    operators.agree(BOSS, second)
    # Then neither can be turned into its opposite
    refused("stale", operators.agree, BOSS, first)
    refused("agreed", operators.decline, BOSS, second)
    assert orders.balance(7) == 6


def test_what_is_asked_again_at_once_is_the_same_question(ordered):
    job = jobs_of(ordered())[0]
    # When a request is heard twice
    asked = operators.ask_grant(BOSS, 7, 3)
    assert operators.ask_grant(BOSS, 7, 3) == asked
    assert operators.ask_refund(BOSS, job.id) == operators.ask_refund(BOSS, job.id)
    # Then another amount, person who asks, or reason is another question
    others = [operators.ask_grant(BOSS, 7, 2), operators.ask_grant(OTHER, 7, 3), operators.ask_grant(BOSS, 7, 3, "x")]
    assert len({asked, *others}) == 4
    # And so is the same one after its answer, and after a minute
    operators.agree(BOSS, asked)
    again = operators.ask_grant(BOSS, 7, 3)
    operators.decline(BOSS, again)
    third = operators.ask_grant(BOSS, 7, 3)
    with db:
        OperatorAction.update(at=clock.in_real(-operators.ASKED_ONCE - 1)).execute()
    assert len({asked, again, third, operators.ask_grant(BOSS, 7, 3)}) == 4


# Refunds ----------------------------------------------------------------------------------------------------------------


def test_an_open_job_is_stopped_and_refunded_once(ordered):
    order = ordered(count=3)
    first, second, _ = jobs_of(order)
    asked = operators.ask_refund(BOSS, first.id)
    # When that is agreed to twice
    moved = operators.agree(BOSS, asked)
    refused("refunded", operators.agree, BOSS, asked)
    # Then the job has failed by the operator's hand, its credit is back, and its customer is told; the others go on
    assert (moved.amount, orders.balance(7)) == (1, 3)
    job = jobs_of(order)[0]
    assert (job.status, job.failure_category, job.failure_subtype) == ("failed", "OPERATOR", "operator")
    with db:
        assert JobEvent.select().where(JobEvent.job == job.id).order_by(-JobEvent.id).get().actor == f"operator:{BOSS}"
        assert LedgerEntry.get(LedgerEntry.kind == "refund").actor == f"operator:{BOSS}"
    assert notices() == ["failed"]
    assert deeds() == [(BOSS, "refund", f"{job.id} +1")]
    assert jobs_of(order)[1].status == second.status == "queued"


def test_a_job_at_which_a_worker_is_right_now_is_not_taken_from_it(ordered):
    job = jobs_of(ordered())[0]
    asked = operators.ask_refund(BOSS, job.id)
    with db:
        jobs.claim(job.id, "script", "w1")
    refused("claimed", operators.agree, BOSS, asked)
    refused("claimed", operators.hurry, BOSS, job.id)
    assert deeds() == []


def test_a_refund_and_a_worker_at_once_leave_one_of_them_the_job(ordered):
    # Given many jobs that are refunded just as they are taken up
    chosen = [job for _ in range(4) for job in jobs_of(ordered(count=3, credits=20))]
    questions = [operators.ask_refund(BOSS, job.id) for job in chosen]

    def taken(job: Job) -> bool:
        with db:
            return jobs.claim(job.id, "script", "w1") is not None

    def stopped(asked: int) -> bool:
        try:
            operators.agree(BOSS, asked)
        except DeedRefused:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        claims, refunds = list(threads.map(taken, chosen)), list(threads.map(stopped, questions))
    # Then each has gone one way
    assert all(claimed != refunded for claimed, refunded in zip(claims, refunds, strict=True))


def test_a_delivered_video_is_given_back_as_a_present_once_and_stays(ordered):
    job = delivered(jobs_of(ordered())[0])
    # Given two questions about the same job, from two operators
    mine, theirs = operators.ask_refund(BOSS, job.id), operators.ask_refund(OTHER, job.id)
    operators.agree(BOSS, mine)
    # When both are agreed to, Then the credit comes once
    refused("repaid", operators.agree, OTHER, theirs)
    refused("repaid", operators.ask_refund, BOSS, job.id)
    assert orders.balance(7) == 5
    assert lookup.story(job.id).job.status == "done"
    assert notices() == ["goodwill"]


def test_a_refund_that_was_asked_before_the_delivery_is_asked_anew(ordered):
    # Given an operator who is asked whether to stop a job
    job = jobs_of(ordered())[0]
    asked = operators.ask_refund(BOSS, job.id)
    # When its video arrives before the yes
    delivered(job)
    # Then the customer is not given the credit as well: a present is another question
    refused("stale", operators.agree, BOSS, asked)
    assert orders.balance(7) == 4
    assert operators.agree(BOSS, operators.ask_refund(BOSS, job.id)).balance == 5


def test_the_render_of_a_stopped_job_is_given_up(ordered):
    job = rendering(ordered())
    operators.agree(BOSS, operators.ask_refund(BOSS, job.id))
    assert [attempt.state for attempt in lookup.story(job.id).attempts] == ["abandoned"]


# Hurry ------------------------------------------------------------------------------------------------------------------


def rendering(order, task: str | None = "task-1") -> Job:
    """The order's first job, with an attempt that KIE has taken, or has not answered."""
    job = jobs_of(order)[0]
    with db:
        jobs.forward(jobs.claim(job.id, "script", "w"), "submit", "x", due_in=0.0, prompt="p", prompt_source="gpt")
        taken = jobs.claim(job.id, "submit", "w")
        attempt = attempts.begin(taken, "key", "model")
        if task:
            attempts.accepted(attempt.id, task)
        else:
            attempts.doubtful(job.id, "timeout")
        jobs.forward(taken, "render", "x", due_in=600.0)
    return job


def test_a_waiting_job_is_due_now(ordered):
    job = rendering(ordered())
    with db:
        assert jobs.wake_due("render", 10, 15.0) == []
    operators.hurry(BOSS, job.id)
    with db:
        assert jobs.wake_due("render", 10, 15.0) == [job.id]
    assert deeds() == [(BOSS, "hurry", str(job.id))]


def test_an_answer_of_the_provider_is_waited_for_whoever_is_in_a_hurry(ordered):
    # Given a request that KIE has not answered: looked at early, it would be taken for lost
    job = rendering(ordered(), task=None)
    refused("awaited", operators.hurry, BOSS, job.id)
    with db:
        assert jobs.wake_due("render", 10, 15.0) == []


def test_what_has_ended_or_never_was_is_not_hurried(ordered):
    job = delivered(jobs_of(ordered())[0])
    refused("ended", operators.hurry, BOSS, job.id)
    refused("no_job", operators.hurry, BOSS, 10**6)
    refused("no_job", operators.ask_refund, BOSS, 10**6)


def test_a_story_says_what_an_open_job_waits_for(ordered):
    job = jobs_of(ordered())[0]

    def waits() -> str:
        return lookup.story(job.id).waits

    # Given a job through its life
    assert waits() == "turn"
    with db:
        taken = jobs.claim(job.id, "script", "w")
    assert waits() == "worker"
    with db:
        jobs.again(taken, "script", "GPT is busy", 60)
    assert waits() == "try"
    with db:
        Job.update(due_at=clock.after(0)).execute()
        taken = jobs.claim(job.id, "script", "w")
        jobs.forward(taken, "submit", "x", due_in=0.0, prompt="p", prompt_source="gpt")
        outages.hold(jobs.claim(job.id, "submit", "w"), Wait(30, "x"), ())
    assert waits() == "provider"
    with db:
        Job.update(due_at=clock.after(0), held_at=None).execute()
        taken = jobs.claim(job.id, "submit", "w")
        attempt = attempts.begin(taken, "key", "model")
        attempts.doubtful(job.id, "timeout")
        jobs.forward(taken, "render", "x", due_in=600)
    assert waits() == "answer"
    with db:
        attempts.adopt(attempt.nonce, "task-1")
    assert waits() == "look"
    # And one that has ended waits for nothing
    operators.agree(BOSS, operators.ask_refund(BOSS, job.id))
    assert waits() == ""


# People -----------------------------------------------------------------------------------------------------------------


def test_a_ban_is_said_once_each_time(person):
    person(7)
    operators.ban(BOSS, 7, "спам", (BOSS,))
    for _ in range(3):
        operators.turn_away(7)
    assert notices() == ["banned"]
    # When the person is let in and kept out again
    operators.unban(BOSS, 7)
    with db:
        User.update(banned_at=clock.in_real(5)).execute()
    operators.turn_away(7)
    assert notices() == ["banned", "banned"]
    assert deeds() == [(BOSS, "ban", "7 спам"), (BOSS, "unban", "7")]


def test_a_ban_leaves_orders_alone(ordered):
    job = jobs_of(ordered())[0]
    operators.ban(BOSS, 7, "", ())
    assert delivered(job) is job


def test_bans_that_can_not_be(person):
    person(7)
    refused("operator", operators.ban, BOSS, OTHER, "", (BOSS, OTHER))
    refused("no_user", operators.ban, BOSS, 8, "", ())
    refused("not_banned", operators.unban, BOSS, 7)
    operators.ban(BOSS, 7, "", ())
    refused("banned", operators.ban, BOSS, 7, "", ())


def test_a_name_is_known_while_the_updates_are_kept(clean_db):
    def wrote(number: int, user: int, name: str, **more) -> dict:
        return {"update_id": number, "message": {"from": {"id": user, "username": name}, **more}}

    inbox.store([wrote(1, 7, "Anna_Shop"), wrote(2, 8, "boris", reply_to_message={"from": {"username": "Anna_Shop"}})])
    assert inbox.sender_named("anna_shop") == inbox.sender_named("Anna_Shop") == 7
    # A pattern's letters are letters, and who was only quoted did not write
    assert [inbox.sender_named(name) for name in ("annaXshop", "%", "boris", "nobody")] == [None, None, 8, None]


def test_a_name_is_found_however_often_others_pass_its_owners_words_on(clean_db):
    # Given somebody with braces and quotes in their name, and many later updates that were passed on from them
    sender = {"id": 7, "first_name": '{"', "username": "victim_shop"}
    passed_on = {"type": "user", "sender_user": sender}
    inbox.store([{"update_id": 1, "message": {"from": sender}}])
    others = [{"from": {"id": 8, "username": "other"}, "forward_origin": passed_on} for _ in range(100)]
    inbox.store([{"update_id": number, "message": message} for number, message in enumerate(others, 2)])
    # Then the name leads to its owner
    assert inbox.sender_named("victim_shop") == 7


# The service and its keys -----------------------------------------------------------------------------------------------


def test_orders_are_closed_and_opened_and_each_is_one_deed(person):
    person(7)
    for _ in range(2):
        operators.close_orders(BOSS)
    draft = ready_draft(7)
    with pytest.raises(OrdersClosed):
        orders.place(7, 7, draft.id, draft.version, None)
    for _ in range(2):
        operators.open_orders(BOSS)
    assert deeds() == [(BOSS, "pause", ""), (BOSS, "resume", "")]
    assert orders.place(7, 7, draft.id, draft.version, None)


def test_keys_are_locked_and_released_by_fingerprint(clean_db):
    KeyPool([("one", "key-a")]).enrol()
    print_ = fingerprint("key-a")
    operators.lock_key(BOSS, print_)
    assert [row.locked for row in overview.key_rows()] == [True]
    operators.release_key(BOSS, print_)
    assert [row.state for row in overview.key_rows()] == ["healthy"]
    refused("no_key", operators.lock_key, BOSS, "00000000")
    refused("no_key", operators.release_key, BOSS, "00000000")
    assert [action for _, action, _ in deeds()] == ["quarantine", "release"]


def test_the_last_key_is_not_locked_while_orders_are_taken(clean_db):
    KeyPool([("one", "key-a"), ("one", "key-b")]).enrol()
    first, last = fingerprint("key-a"), fingerprint("key-b")
    # Given that one of two keys is asked to go and goes
    asked, is_last = operators.ask_lock(BOSS, first)
    assert not is_last
    assert operators.agree(BOSS, asked) is None
    # When the other is to go, too
    refused("last_key", operators.ask_lock, BOSS, last)
    # Then that takes closed orders, when it is asked and when it is agreed to
    operators.close_orders(BOSS)
    asked, is_last = operators.ask_lock(BOSS, last)
    assert is_last
    operators.open_orders(BOSS)
    refused("last_key", operators.agree, BOSS, asked)
    operators.close_orders(BOSS)
    operators.agree(BOSS, asked)
    with db:
        assert not KeyPool([("one", "key-a"), ("one", "key-b")]).has_usable()
    refused("no_key", operators.ask_lock, BOSS, "00000000")


def test_a_second_yes_does_not_lock_a_key_that_was_released_since(clean_db):
    KeyPool([("one", "key-a"), ("one", "key-b")]).enrol()
    asked, _ = operators.ask_lock(BOSS, fingerprint("key-a"))
    operators.agree(BOSS, asked)
    operators.release_key(BOSS, fingerprint("key-a"))
    operators.agree(BOSS, asked)
    assert {row.state for row in overview.key_rows()} == {"healthy"}
    assert [action for _, action, _ in deeds()] == ["quarantine", "release"]


def test_the_figures_are_what_there_is(ordered, person):
    # Given a delivered video, a failed one, one that waits, a banned person, a key that is out, and no orders taken
    KeyPool([("one", "key-a"), ("one", "key-b")]).enrol()
    order = ordered(count=3)
    delivered(jobs_of(order)[0])
    operators.agree(BOSS, operators.ask_refund(BOSS, jobs_of(order)[1].id))
    person(8)
    operators.ban(BOSS, 8, "", ())
    with db:
        key_health.quarantine(fingerprint("key-a"), "402")
        service.close("x")
    # When an operator looks
    now = overview.overview(3)
    # Then all of it is there
    assert (now.orders, now.done, now.refunds, now.failed, now.stages) == (1, 1, 1, {"OPERATOR": 1}, {"queued": 1})
    assert (now.keys, now.people, now.paused, now.closed) == ((1, 2), (2, 2, 1), [], True)
    assert (now.shortage, now.inbox[0], now.took is not None) == ("none", 0, True)


def test_the_figures_of_nothing(clean_db):
    now = overview.overview(None)
    assert (now.orders, now.failed, now.stages, now.took, now.people) == (0, {}, {}, None, (0, 0, 0))
