"""What operators are told by itself: that something is wrong, that it is over, once each, with a way to act."""

from dataclasses import replace

import pytest
from peewee import fn

from neurocards import broadcasts, cards, clock, inbox, jobs, maintenance, operators, orders, outages, outbox
from neurocards.clients.kie import Kie
from neurocards.db import db
from neurocards.errors import Failure
from neurocards.keys import fingerprint
from neurocards.models import NOW, ApiKey, InboxUpdate, Job, Outgoing, User
from neurocards.reactions import report_key
from sandbox.client import SandboxClient
from sandbox.server import Sandbox
from tests.conftest import jobs_of
from tests.integration.conftest import OPERATOR
from tests.integration.test_outages import submitting


def alerts() -> list[str]:
    with db:
        rows = Outgoing.select().where(Outgoing.kind == "alert").order_by(Outgoing.id)
        return [row.payload["what"] for row in rows]


def made_long_ago(**where: object) -> None:
    with db:
        db.execute_sql("UPDATE inbox SET received_at = now() - interval '11 minutes'")
        db.execute_sql("UPDATE outbox SET due_at = now() - interval '11 minutes' WHERE kind <> 'alert'")


def test_the_end_of_an_outage_is_told_to_whoever_heard_of_its_beginning(ordered):
    # Given an outage that held an order back
    job = submitting(jobs_of(ordered())[0])
    with db:
        outages.pause("kie", "maintenance")
        outages.hold(job, outages.wait(job, "kie"), (OPERATOR,))
        # When KIE takes a task, and another
        outages.over("kie", (OPERATOR,))
        outages.over("kie", (OPERATOR,))
    # Then both are told, once
    assert alerts() == ["provider_down", "provider_up"]


def test_the_second_outage_of_a_day_is_told_of_like_the_first(ordered):
    # Given two outages, each of which held an order back and ended
    for person in (7, 8):
        job = submitting(jobs_of(ordered(person))[0])
        with db:
            outages.pause("kie", "maintenance")
            outages.hold(job, outages.wait(job, "kie"), (OPERATOR,))
            outages.over("kie", (OPERATOR,))
    assert alerts() == ["provider_down", "provider_up"] * 2


def test_the_end_is_told_though_nobody_waits_any_more(ordered):
    # Given an outage that operators heard of, and whose only order was stopped meanwhile
    job = submitting(jobs_of(ordered())[0])
    with db:
        outages.pause("kie", "maintenance")
        outages.hold(job, outages.wait(job, "kie"), (OPERATOR,))
    operators.agree(OPERATOR, operators.ask_refund(OPERATOR, job.id))
    with db:
        outages.over("kie", (OPERATOR,))
    assert alerts() == ["provider_down", "provider_up"]


def test_an_outage_that_held_nobody_back_is_no_news(ordered):
    with db:
        outages.pause("kie", "maintenance")
        outages.over("kie", (OPERATOR,))
    assert alerts() == []


def test_the_last_key_in_quarantine_is_told_of_beside_its_own(worker):
    app, refused = worker(), Failure("BILLING", "402", provider="kie", text="Insufficient credits")
    for key in ("key-a", "key-b", "key-b"):
        with db:
            report_key(app, "quarantine", fingerprint(key), refused)
    assert alerts() == ["key_quarantined", "key_quarantined", "no_key_left"]


def test_a_key_that_was_released_and_fails_again_is_told_of_again(worker):
    app, refused = worker(), Failure("BILLING", "402", provider="kie", text="Insufficient credits")
    for _ in range(2):
        for key in ("key-a", "key-b"):
            with db:
                report_key(app, "quarantine", fingerprint(key), refused)
        # When one is released: the other's alert has been told, and what is left is well
        operators.release_key(OPERATOR, fingerprint("key-a"))
    assert alerts() == ["key_quarantined", "key_quarantined", "no_key_left", "key_quarantined", "no_key_left"]


def test_low_credit_is_told_once_for_an_account_and_again_after_it_was_topped_up(worker):
    with Sandbox() as kie, SandboxClient(kie.url) as client:
        client.kie("PUT", "keys", **{key: {"account": "main", "state": "ok"} for key in ("key-a", "key-b")})
        # Given two keys of an account that runs low, is topped up, and runs low again, and leaders that have asked nobody yet
        for credit in (12.0, 5000.0, 12.0):
            app = replace(worker(kie_api_key="main:key-a,main:key-b"), kie=Kie(kie.url, kie.url))
            client.kie("PUT", "credits", main=credit)
            with db:
                ApiKey.update(credit_at=None).execute()
            for _ in range(2):
                maintenance.look_at_credit(app)
    with db:
        told = [row.payload["account"] for row in Outgoing.select().where(Outgoing.kind == "alert")]
    assert told == ["main", "main"]


def test_orders_past_their_deadline_are_one_alert_an_hour(worker, ordered):
    for person in (7, 8):
        ordered(person)
    with db:
        Job.update(deadline_at=clock.in_real(-1)).execute()
    maintenance.expire(worker())
    assert alerts() == ["deadline"]
    # When another hour has come, Then the next is told of
    with db:
        hour = outbox.this_hour()
        Outgoing.update(key=fn.REPLACE(Outgoing.key, f"deadline:{hour}:", "deadline:25:")).execute()
    ordered(9)
    with db:
        Job.update(deadline_at=clock.in_real(-1)).execute()
    maintenance.expire(worker())
    assert alerts() == ["deadline", "deadline"]


def test_orders_that_crash_their_workers_in_one_way_are_one_alert(worker, ordered):
    app = worker()
    for person in (7, 8):
        job = submitting(jobs_of(ordered(person))[0])
        with db:
            Job.update(reclaims=jobs.MAX_RECLAIMS, claimed_at=clock.in_real(-60)).where(Job.id == job.id).execute()
    maintenance.reclaim(app)
    assert alerts() == ["stuck_job"]
    # And both have ended, their credits are back
    assert (orders.balance(7), orders.balance(8)) == (5, 5)


def test_a_broken_promise_leads_to_whom_or_what_broke_it(worker, person):
    # Given two balances that are not the sum of their entries
    for user_id in (7, 8):
        person(user_id)
    with db:
        User.update(credits=User.credits + 1).execute()
    maintenance.audit_books(worker())
    # Then the alert says that these are people, and its button leads to the first
    with db:
        payload = Outgoing.get(Outgoing.kind == "alert").payload
    assert (payload["users"], payload["user"]) == ("7, 8", 7)
    assert cards.alert(payload).buttons[0][0][1] == "v1:op-user:7:new"


def test_rows_that_do_not_move_are_told_of_once(worker, ordered):
    app = worker()
    ordered()
    inbox.store([{"update_id": 1, "message": {"from": {"id": 7}}}])
    # Given that all is well
    maintenance.watch(app)
    assert alerts() == []
    # When neither people are answered nor cards drawn for ten minutes
    made_long_ago()
    for _ in range(3):
        maintenance.watch(app)
    # Then each is told once
    assert alerts() == ["stuck_rows", "stuck_rows"]
    # When all moves again, and then does not
    with db:
        InboxUpdate.update(handled_at=NOW).execute()
        maintenance.watch(app)
        InboxUpdate.update(handled_at=None).execute()
    maintenance.watch(app)
    # Then that is news
    assert alerts() == ["stuck_rows", "stuck_rows", "stuck_rows"]


def test_a_broadcast_that_takes_its_time_is_not_stuck(worker, person):
    person(7)
    broadcasts.start(OPERATOR, broadcasts.draft(OPERATOR, "x").id)
    made_long_ago()
    maintenance.watch(worker())
    assert alerts() == []


def test_what_is_put_off_again_and_again_is_stuck(worker, person):
    person(7)
    with db:
        outbox.notify_once("x", 7, "granted", credits=1)
        Outgoing.update(attempts=maintenance.STUCK_ATTEMPTS + 1, due_at=clock.in_real(60)).execute()
    maintenance.watch(worker())
    assert alerts() == ["stuck_rows"]


def test_what_killed_whoever_told_it_is_closed_in_the_end(worker, person):
    # Given a message whose every teller ended, and one whose last teller may still be at it
    person(7)
    with db:
        for key in ("deadly", "being told"):
            outbox.notify_once(key, 7, "granted", credits=1)
        Outgoing.update(attempts=outbox.MAX_ATTEMPTS, taken_until=clock.in_real(-1)).execute()
        Outgoing.update(taken_until=clock.in_real(10)).where(Outgoing.key == "notice:being told").execute()
    # When the leader looks
    maintenance.watch(worker())
    # Then the first is given up, and so forgotten some day, and the second is not
    with db:
        assert {row.key: row.error for row in Outgoing.select()} == {
            "notice:deadly": outbox.GAVE_UP, "notice:being told": None,
        }  # fmt: skip


@pytest.mark.parametrize(
    ("payload", "action"),
    [
        ({"what": "stuck_job", "job": 42, "order": 17}, "v1:op-job:42:new"),
        ({"what": "inbox_set_aside", "update": 1, "user": 7}, "v1:op-user:7:new"),
        ({"what": "low_credit", "key": "0a1b2c3d"}, "v1:op-keys:new"),
        ({"what": "no_key_left"}, "v1:op-keys:new"),
        ({"what": "provider_down"}, "v1:op-stats:new"),
        ({"what": "audit_failed", "orders": "1, 2"}, "v1:op-stats:new"),
        ({"what": "retries_held"}, "v1:op-stats:new"),
        ({"what": "late_result", "job": 42, "url": "https://cdn.example/x.mp4"}, "v1:op-job:42:new"),
        ({"what": "a_plugins", "job": "no number", "user": -100}, "v1:op-stats:new"),
    ],
)
@pytest.mark.parametrize("language", ["ru", "en"])
def test_every_alert_has_a_way_to_act(payload, action, language):
    assert [data for row in cards.alert(payload, language).buttons for _, data in row] == [action]
