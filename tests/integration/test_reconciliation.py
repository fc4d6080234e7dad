"""The match of our books with the stand-ins' journal finds each thing that should not be, and nothing in sound books.

It works on a database of its own: what it is to find, the constraints of ours would refuse.
"""

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pytest

from neurocards.migrate import SCHEMA
from neurocards.reconciliation import Match, match, read_books
from sandbox.databases import empty_database
from tests.integration.conftest import audited, run

Entry = dict[str, Any]

# Job 1 is delivered by the last of its attempts, job 2 refunded after one that KIE failed; each is an order of its own.
WORLD = """
INSERT INTO users (id, credits) VALUES (7, 4);
INSERT INTO photos (id, user_id, jpeg, width, height) VALUES (1, 7, 'x', 1, 1);
INSERT INTO orders (id, user_id, chat_id, draft_key, photo_id, description, template, count)
    SELECT n, 7, 7, 'draft' || n, 1, 'a cup', 'ugc', 1 FROM generate_series(1, 2) AS n;
INSERT INTO jobs (id, order_id, user_id, number, status, prompt, deadline_at, finished_at, failure_category) VALUES
    (1, 1, 7, 1, 'done', 'p', now() + interval '1 hour', now(), NULL),
    (2, 2, 7, 1, 'failed', 'p', now() + interval '1 hour', now(), 'TEMPORARY');
INSERT INTO ledger_entries (user_id, job_id, kind, amount, reason, actor) VALUES
    (7, 1, 'debit', -1, 'order', 'user:7'), (7, 2, 'debit', -1, 'order', 'user:7'),
    (7, 1, 'capture', 0, 'delivered', 'w1'), (7, 2, 'refund', 1, 'busy', 'w1');
INSERT INTO provider_attempts (job_id, n, nonce, key, model, state, task_id, finished_at) VALUES
    (1, 2, 'nonce-a', 'k', 'm', 'failed', 'task-a', now()),
    (1, 3, 'nonce-b', 'k', 'm', 'succeeded', 'task-b', now()),
    (2, 1, 'nonce-c', 'k', 'm', 'failed', 'task-c', now());
"""


def create(nonce: str, task_id: str | None, note: str = "") -> Entry:
    """KIE was asked, and made the task unless there is no id."""
    response = {"code": 200, "data": {"taskId": task_id}} if task_id else {"code": 500, "data": None}
    url = f"http://127.0.0.1:1/kie/callback/{nonce}" if nonce else None
    return entry("kie", "createTask", {"callBackUrl": url}, response, note=note)


def failed(task_id: str) -> Entry:
    """KIE was asked about a task that has failed."""
    data = {"taskId": task_id, "state": "fail"}
    return entry("kie", "recordInfo", {"taskId": task_id}, {"code": 200, "data": data})


def video(job_id: int, source: Any = None, status: int = 200) -> Entry:
    """A video was handed to Telegram: as an upload, unless its `source` is an id."""
    rows = json.dumps({"inline_keyboard": [[{"text": "…", "callback_data": f"v1:file:{job_id}"}]]})
    request = {"chat_id": "7", "video": source or {"file": "v.mp4", "mime": "video/mp4"}, "reply_markup": rows}
    return entry("telegram", "sendVideo", request, {"ok": status == 200}, status=status)


def entry(service: str, endpoint: str, request: Any, response: Any, *, note: str = "", status: int = 200) -> Entry:
    what = {"request": request, "response": response, "status": status, "note": note}
    return {"service": service, "endpoint": endpoint, **what}


def matched(url: str, journal: list[Entry]) -> Match:
    """The match of the database at `url` with a journal."""
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        return match(read_books(cursor), journal)


SOUND = [
    create("nonce-a", "task-a"), failed("task-a"), create("nonce-b", "task-b"), create("nonce-c", "task-c"),
    entry("kie", "callback", {"taskId": "task-c", "state": "fail"}, {}), video(1, status=429), video(1),
    video(1, source="file-id of the history"),
]  # fmt: skip


@pytest.fixture(scope="module")
def database(database_server: str) -> Iterator[str]:
    """The address of an empty database of this module's own."""
    with empty_database(database_server) as url:
        yield url


@pytest.fixture
def blank(database: str) -> str:
    """The same with our tables, and nothing in them, whatever a test before did."""
    run(database, "DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    run(database, SCHEMA.read_text(encoding="utf-8"))
    return database


@pytest.fixture
def world(blank: str) -> str:
    """The little world above."""
    run(blank, WORLD)
    return blank


def test_sound_books_match(world):
    # Given a journal that says the same as the books
    found = matched(world, SOUND)
    # Then nothing is wrong, and a failed task, a refusal and a video sent again by its id count for nothing
    assert found.violations == {}
    assert (found.tasks, found.videos) == (3, 1)
    assert not any(found.figures[name] for name in found.figures if name not in ("tasks", "videos"))


# One more attempt for job 1, of which we never learnt whether it made a task, and two sendings that nobody answered.
UNANSWERED = """
INSERT INTO provider_attempts (job_id, n, nonce, key, model, state, finished_at)
    VALUES (1, 1, 'nonce-d', 'k', 'm', 'failed', now());
INSERT INTO job_events (job_id, from_status, from_stage, to_status, to_stage, reason, actor)
    SELECT 1, 'processing', 'deliver', 'processing', 'deliver', 'no answer', 'w1' FROM generate_series(1, 2)"""
# What the journal says besides, and what is found: the windows, which are counted but break no promise.
WINDOWS: dict[str, tuple[list[Entry], tuple[Any, ...]]] = {
    "orphan_tasks": ([create("nonce-d", "task-d", "fault lost_reply"), failed("task-d")], ("task-d",)),
    "double_paid_jobs": ([create("nonce-d", "task-d", "fault truncate")], (1,)),
    "duplicate_videos": ([video(1), video(1)], (1, 1)),
}


@pytest.mark.parametrize("name", WINDOWS)
def test_what_a_window_leaves_behind_is_counted(world, name):
    # Given requests without an answer, and a journal that knows more than we
    more, ids = WINDOWS[name]
    run(world, UNANSWERED)
    # When they are compared
    found = matched(world, [*SOUND, *more])
    # Then it is named, and breaks no promise
    assert (getattr(found, name), found.violations) == (ids, {})


def test_a_task_made_under_an_error_is_a_task(world):
    # Given an answer that denies the task it made
    lie = create("nonce-a", None, "fault false_error, made task-a")
    # When the books are compared
    found = matched(world, [lie, *SOUND[1:]])
    # Then the task counts
    assert (found.tasks, found.violations) == (3, {})


def test_without_callbacks_tasks_are_known_by_their_ids(world):
    # Given requests without an address to call back
    journal = [
        create("", item["response"]["data"]["taskId"]) if item["endpoint"] == "createTask" else item for item in SOUND
    ]
    # When the books are compared, and one of the tasks is nobody's
    found = matched(world, [*journal, create("", "task-x")])
    # Then that one is an orphan, and nothing else is wrong
    assert (found.violations, found.orphan_tasks) == ({}, ("task-x",))


def test_a_refunded_video_is_excused_by_a_sending_that_nobody_answered(world):
    # Given a refunded job whose sending went unanswered, and whose video had arrived
    run(world, """INSERT INTO job_events (job_id, from_status, from_stage, to_status, to_stage, reason, actor)
                  VALUES (2, 'processing', 'deliver', 'processing', 'deliver', 'its worker died', 'scheduler')""")  # fmt: skip
    # When the books are compared
    found = matched(world, [*SOUND, video(2)])
    # Then it is a late video and no violation
    assert (found.late_videos, found.violations) == ((2,), {})


# Job 2 is taken for delivered, though Telegram took nothing.
GIVEN_UP = """
UPDATE jobs SET status = 'done', failure_category = NULL WHERE id = 2;
INSERT INTO job_events (job_id, from_status, from_stage, to_status, reason, actor)
    VALUES (2, 'processing', 'deliver', 'done', 'not handed over: no answer', 'w1')"""
SILENCE = entry("telegram", "sendVideo", {"method": "POST"}, {}, status=0, note="fault hang")


def test_a_video_whose_two_sendings_were_met_with_silence_is_unsent(world):
    # Given a job that was given up after two sendings of which nobody heard again
    run(world, GIVEN_UP)
    # When the books are compared
    found = matched(world, [*SOUND, SILENCE, SILENCE])
    # Then it is counted, and breaks no promise
    assert (found.unsent_videos, found.violations) == ((2,), {})


def test_silence_excuses_no_more_videos_than_it_met(world):
    # Given the same, but one sending only
    run(world, GIVEN_UP)
    # When the books are compared
    found = matched(world, [*SOUND, SILENCE])
    # Then the video is missing
    assert (found.unsent_videos, found.violations) == ((), {"done_without_video": (2,)})


def test_a_customer_who_blocked_the_bot_misses_no_video(world):
    # Given a job that is done because Telegram refused its video for good
    run(world, GIVEN_UP)
    # When the books are compared
    found = matched(world, [*SOUND, video(2, status=403)])
    # Then nothing is wrong
    assert (found.unsent_videos, found.violations) == ((), {})


ONCE_NO_MORE = "DROP INDEX one_debit_per_job, one_settlement_per_job;"
CHARGE = (
    "INSERT INTO ledger_entries (user_id, job_id, kind, amount, reason, actor) VALUES (7, 2, 'debit', -1, 'x', 'x')"
)
REFUND = (
    "INSERT INTO ledger_entries (user_id, job_id, kind, amount, reason, actor) VALUES (7, 2, 'refund', 1, 'x', 'x')"
)
# What is done to the books, what the journal says besides, and who is found.
WRONG: dict[str, tuple[str, list[Entry], tuple[Any, ...]]] = {
    "repeated_nonces": ("", [create("nonce-b", None)], ("nonce-b",)),
    "strange_tasks": ("", [create("nonce-x", "task-x")], ("task-x",)),
    "mistaken_tasks": ("UPDATE provider_attempts SET task_id = 'task-x' WHERE nonce = 'nonce-b'", [], ("task-x",)),
    "hasty_jobs": ("UPDATE provider_attempts SET state = 'abandoned' WHERE nonce = 'nonce-a'", [], (1,)),
    "needless_copies": ("", [video(1)], (1,)),
    "done_without_video": ("UPDATE jobs SET status = 'done', failure_category = NULL WHERE id = 2", [], (2,)),
    "refunded_with_video": ("", [video(2)], (2,)),
    "double_charges": (ONCE_NO_MORE + CHARGE, [], (2,)),
    "double_refunds": (ONCE_NO_MORE + REFUND, [], (2,)),
    "lost_orders": ("UPDATE jobs SET status = 'queued', finished_at = NULL, failure_category = NULL WHERE id = 2", [], (2,)),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_each_wrong_is_found_with_its_ids(world, name):
    # Given books or a journal with one thing wrong
    statements, more, ids = WRONG[name]
    run(world, statements or "SELECT 1")
    # When they are compared
    found = matched(world, [*SOUND, *more])
    # Then it is a violation
    assert found.violations[name] == ids


def test_there_is_a_case_for_everything_that_can_be_found(world):
    found = matched(world, SOUND)
    assert {*WINDOWS, *WRONG, "late_videos", "unsent_videos", "tasks", "videos"} == set(found.figures)


def test_the_audit_reads_a_journal_file_and_fails_when_something_is_wrong(blank, tmp_path):
    # Given a database in which nothing happened, and a journal that says so, and one of a task that nobody asked for
    good, bad = tmp_path / "good.jsonl", tmp_path / "bad.jsonl"
    good.write_text("")
    bad.write_text(json.dumps(create("nonce-x", "task-x")) + "\n")
    # When the database is audited with each
    (passes, sound), (fails, unsound) = audited(blank, "--journal", good), audited(blank, "--journal", bad)
    # Then only the second fails, and names the task
    assert (passes, fails) == (0, 1)
    assert "strange tasks: 0" in sound
    assert "strange tasks: 1: task-x" in unsound
