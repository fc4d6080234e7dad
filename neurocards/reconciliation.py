"""Three books side by side: our database, what KIE was asked to make, and what Telegram took for the customers.

The stand-ins of both vendors write the journal and know nothing of us, so what we believe is compared with what happened outside.
A crash between a vendor's yes and our commit leaves a trace here (an orphan task, a video sent twice): the two windows of
docs/why.md. Those are counted. Everything that no window explains is a violation.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

Entry = Mapping[str, Any]
Row = dict[str, Any]
Ids = tuple[Any, ...]

# What the journal's note says of a task that was made although the answer denies it.
MADE_ANYWAY = re.compile(r"fault false_error, made ([\w.-]+)")
JOB_OF_VIDEO = re.compile(r"v1:file:(\d+)")
ENDED = ("done", "failed", "cancelled")
# How a job's history says that its video was taken for delivered, and how often Telegram must then have said nothing to a sending.
GIVEN_UP, SENDINGS = "not handed over", 2

BOOKS = {
    "jobs": "SELECT id, order_id, status FROM jobs ORDER BY id",
    "orders": "SELECT id, count FROM orders ORDER BY id",
    "attempts": "SELECT job_id, n, nonce, task_id, state FROM provider_attempts ORDER BY job_id, n",
    "entries": "SELECT job_id, kind FROM ledger_entries WHERE job_id IS NOT NULL",
    "moves": "SELECT job_id, from_stage, to_stage, reason FROM job_events WHERE from_stage = 'deliver' ORDER BY id",
}


@dataclass(frozen=True)
class Task:
    """A task that KIE made: its id, the nonce of its request, and whether it failed, in which case KIE took nothing for it."""

    id: str
    nonce: str
    failed: bool


@dataclass(frozen=True)
class Match:
    """What the comparison found: ids of tasks, nonces, jobs or orders. The first group are counts and windows, known and named."""

    tasks: int
    videos: int
    orphan_tasks: Ids  # made at KIE, and we never learnt of it
    double_paid_jobs: Ids  # KIE took credits for more than one task of theirs
    duplicate_videos: Ids  # jobs, once for each copy beyond the first
    late_videos: Ids  # refunded, and the video came all the same: its sending was never answered
    unsent_videos: Ids  # taken for delivered after two sendings without an answer, neither of which had arrived

    repeated_nonces: Ids  # an attempt that was sent more than once
    strange_tasks: Ids  # made for a nonce that no attempt has: asked for before the intent was committed
    mistaken_tasks: Ids  # task ids of ours that KIE never made, or made for another attempt
    hasty_jobs: Ids  # a new task while an earlier one was known and had not failed
    needless_copies: Ids  # jobs whose video was sent more often than unanswered sendings and dead workers explain
    done_without_video: Ids
    refunded_with_video: Ids  # and no unanswered sending explains it
    double_charges: Ids
    double_refunds: Ids
    lost_orders: Ids  # with a job missing or without an end

    @property
    def violations(self) -> dict[str, Ids]:
        """What should not be there, by name; empty when all promises hold."""
        names = list(asdict(self))
        wrong = names[names.index("repeated_nonces") :]
        return {name: found for name in wrong if (found := getattr(self, name))}

    @property
    def figures(self) -> dict[str, int]:
        """How many of each."""
        return {name: len(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


def match(books: Mapping[str, list[Row]], entries: Iterable[Entry]) -> Match:
    """Compares our books with the whole journal. Jobs under way count as lost: read the books when all have ended."""
    journal = list(entries)
    tasks, sent = _tasks(journal), _videos(journal)
    return Match(
        tasks=len(tasks),
        videos=sent.total(),
        **_of_tasks(books, tasks, journal),
        **_of_videos(books, sent),
        **_without_video(books, sent, journal),
        **_of_money(books),
    )


def read_journal(file: Path) -> list[Entry]:
    """The entries of a journal file, one JSON object a line."""
    with file.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def read_books(cursor: Any) -> dict[str, list[Row]]:
    """Our side, in one snapshot: nothing may have been read in the transaction of `cursor` (one of psycopg2's)."""
    cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    return {name: _rows(cursor, query) for name, query in BOOKS.items()}


def _rows(cursor: Any, query: str) -> list[Row]:
    cursor.execute(query)
    names = [column.name for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _tasks(journal: Iterable[Entry]) -> list[Task]:
    """Every task that KIE made, told us or not."""
    asked, failed = [], set()
    for entry in journal:
        if entry["service"] != "kie":
            continue
        if entry["endpoint"] == "createTask" and (task_id := _made(entry)):
            asked.append((task_id, _nonce(entry)))
        seen = entry["request"] if entry["endpoint"] == "callback" else _data(entry)
        if seen.get("state") == "fail":
            failed.add(seen.get("taskId"))
    return [Task(task_id, nonce, task_id in failed) for task_id, nonce in asked]


def _made(entry: Entry) -> str | None:
    if told := MADE_ANYWAY.search(entry["note"]):
        return told[1]
    task_id: str | None = _data(entry).get("taskId")
    return task_id


def _data(entry: Entry) -> dict[str, Any]:
    data = entry["response"].get("data")
    return data if isinstance(data, dict) else {}


def _nonce(entry: Entry) -> str:
    return str(entry["request"].get("callBackUrl") or "").rpartition("/")[2]


def _videos(journal: Iterable[Entry]) -> Counter[int]:
    """How often Telegram took each job's video as an upload; one sent again by its file id is the customer's own wish."""
    sent: Counter[int] = Counter()
    for entry in journal:
        request = entry["request"]
        if entry["endpoint"] == "sendVideo" and entry["status"] == 200 and isinstance(request.get("video"), dict):
            job = _job_of(entry)
            sent[int(job[1]) if job else 0] += 1
    return sent


def _of_tasks(books: Mapping[str, list[Row]], tasks: list[Task], journal: Iterable[Entry]) -> dict[str, Ids]:
    attempts = books["attempts"]
    by_nonce, by_task = {row["nonce"]: row for row in attempts}, {row["task_id"]: row for row in attempts}
    # Without callbacks there are no nonces: then a task belongs to whoever knows its id.
    owners = [(task, by_nonce.get(task.nonce) if task.nonce else by_task.get(task.id)) for task in tasks]
    paid = Counter(owner["job_id"] for task, owner in owners if owner and not task.failed)
    nonces = Counter(filter(None, (_nonce(entry) for entry in journal if entry["endpoint"] == "createTask")))
    true = {(task.id, owner["nonce"]) for task, owner in owners if owner}
    return {
        "orphan_tasks": tuple(task.id for task in tasks if task.id not in by_task),
        "double_paid_jobs": tuple(sorted(job for job, times in paid.items() if times > 1)),
        "repeated_nonces": tuple(nonce for nonce, times in nonces.items() if times > 1),
        "strange_tasks": tuple(task.id for task, owner in owners if task.nonce and not owner),
        "mistaken_tasks": tuple(
            row["task_id"] for row in attempts if row["task_id"] and (row["task_id"], row["nonce"]) not in true
        ),
        "hasty_jobs": _hasty(attempts, {row["job_id"] for row in books["moves"] if row["to_stage"] == "submit"}),
    }


def _hasty(attempts: list[Row], remade: set[int]) -> Ids:
    """Jobs that asked again although they had a task that had not failed. A result that was no video is a failure of its own."""
    again = [first for first, second in pairwise(attempts) if first["job_id"] == second["job_id"] and first["task_id"]]
    return tuple(row["job_id"] for row in again if row["state"] != "failed" and row["job_id"] not in remade)


def _of_videos(books: Mapping[str, list[Row]], sent: Counter[int]) -> dict[str, Ids]:
    # Each move from delivering to delivering is a sending that failed, wasn't answered, or whose worker died: one more may follow.
    again = Counter(row["job_id"] for row in books["moves"] if row["to_stage"] == "deliver")
    refunded = [row["id"] for row in books["jobs"] if row["status"] in ("failed", "cancelled") and sent[row["id"]]]
    return {
        "duplicate_videos": tuple(job for job, times in sorted(sent.items()) for _ in range(times - 1)),
        "late_videos": tuple(job for job in refunded if again[job]),
        "needless_copies": tuple(job for job, times in sorted(sent.items()) if times > 1 + again[job]),
        "refunded_with_video": tuple(job for job in refunded if not again[job]),
    }


def _without_video(books: Mapping[str, list[Row]], sent: Counter[int], journal: Iterable[Entry]) -> dict[str, Ids]:
    """Done, and Telegram took no video. It may have refused it (a customer who blocked the bot), or never said a word: such a
    call's body is in no journal, so these are counted, and when there are more of them than silences explain all are violations.
    """
    calls = [entry for entry in journal if entry["endpoint"] == "sendVideo"]
    refused = {int(job[1]) for entry in calls if entry["status"] == 403 and (job := _job_of(entry))}
    given_up = {row["job_id"] for row in books["moves"] if row["reason"].startswith(GIVEN_UP)}
    missing = [row["id"] for row in books["jobs"] if row["status"] == "done" and not sent[row["id"]]]
    missing = [job for job in missing if not (job in refused and job in given_up)]
    unsent = tuple(job for job in missing if job in given_up)
    if SENDINGS * len(unsent) > sum(entry["status"] == 0 for entry in calls):
        unsent = ()
    return {"unsent_videos": unsent, "done_without_video": tuple(job for job in missing if job not in unsent)}


def _job_of(entry: Entry) -> re.Match[str] | None:
    return JOB_OF_VIDEO.search(str(entry["request"].get("reply_markup")))


def _of_money(books: Mapping[str, list[Row]]) -> dict[str, Ids]:
    times = Counter((row["job_id"], row["kind"]) for row in books["entries"])
    ended = Counter(row["order_id"] for row in books["jobs"] if row["status"] in ENDED)
    return {
        "double_charges": tuple(sorted(job for (job, kind), n in times.items() if kind == "debit" and n > 1)),
        "double_refunds": tuple(sorted(job for (job, kind), n in times.items() if kind == "refund" and n > 1)),
        "lost_orders": tuple(row["id"] for row in books["orders"] if ended[row["id"]] != row["count"]),
    }
