"""A long history: what a million finished jobs in the tables cost those who ask about the open ones.

python -m benchmarks.history [finished jobs]

Each figure is had twice in one run on the same server, before the history and with it. Beside it there are as many open jobs as an
evening at its worst has. Before each tick nobody was called for those that are due, as if all had become so at once. Plans of the
statements go to `var/plans.txt`. Writes benchmarks/results/history.json.
"""

import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from threading import Thread
from typing import Any

import dramatiq
import psycopg2
import requests
import waitress
from rich.progress import track

from benchmarks.crowd import percentiles, query, report
from benchmarks.load.figures import circumstances, keep
from neurocards import app as application
from neurocards import broadcasts, dispatch, jobs, maintenance, overview, web
from neurocards.app import App
from neurocards.config import Settings, load_or_exit
from neurocards.db import db
from neurocards.migrate import migrate
from sandbox.local import ROOT
from sandbox.services import Services

BATCH = 50_000
# Updates are kept for three days and what was told for a week: that many of the latest orders' (at 1,600 orders a day).
UPDATES_KEPT, TOLD_KEPT = 33_600, 33_600
REQUESTS, TICKS, CLAIMS, WARM_UP = 1000, 300, 300, 20
PLANS = ROOT / "var" / "plans.txt"
NOWHERE = "http://127.0.0.1:9"

PEOPLE = """
    INSERT INTO users (id, first_name, language, credits) SELECT n, 'A', 'ru', 0 FROM generate_series(1, 1200) n;
    INSERT INTO photos (user_id, jpeg, width, height) SELECT n, 'x', 720, 1280 FROM generate_series(1, 1200) n;
    """
ORDERS = """
    INSERT INTO orders (id, user_id, chat_id, draft_key, photo_id, description, template, count, created_at)
    SELECT n, n %% 1200 + 1, n %% 1200 + 1, n::text, n %% 1200 + 1, 'Кружка', 'ugc', 1, now() - %(age)s * interval '1 minute'
    FROM generate_series(%(first)s, %(last)s) n"""
# One of twenty failed, as on a day that is not the best.
FINISHED = (
    ORDERS,
    """
    INSERT INTO jobs (id, order_id, user_id, number, status, due_at, deadline_at, prompt, prompt_source, result_url, file_id,
        script_attempts, render_attempts, created_at, finished_at, turn_at, failure_category)
    SELECT id, id, user_id, 1, CASE WHEN id %% 20 = 0 THEN 'failed' ELSE 'done' END, created_at, created_at + interval '1 hour', 'A cup',
        'gpt', 'https://example.org/video.mp4', id::text, 1, 1, created_at, created_at + interval '6 minutes', created_at,
        CASE WHEN id %% 20 = 0 THEN 'TEMPORARY' END
    FROM orders WHERE id BETWEEN %(first)s AND %(last)s""",
    """
    INSERT INTO job_events (job_id, from_status, from_stage, to_status, to_stage, reason, actor, at)
    SELECT id, from_status, from_stage, to_status, to_stage, 'as it goes', 'w:1:aaaa', created_at
    FROM orders, (VALUES (NULL, NULL, 'queued', NULL), ('queued', NULL, 'processing', 'script'),
        ('processing', 'script', 'processing', 'submit'), ('processing', 'submit', 'processing', 'render'),
        ('processing', 'render', 'processing', 'deliver'), ('processing', 'deliver', 'done', NULL)
    ) AS move (from_status, from_stage, to_status, to_stage)
    WHERE id BETWEEN %(first)s AND %(last)s""",
    """
    INSERT INTO provider_attempts (job_id, n, nonce, key, model, state, task_id, checks, started_at, finished_at)
    SELECT id, 1, id::text, 'aaaaaaaa', 'bytedance/seedance-1.5-pro', 'succeeded', id::text, 4, created_at,
        created_at + interval '5 minutes'
    FROM orders WHERE id BETWEEN %(first)s AND %(last)s""",
    """
    INSERT INTO ledger_entries (user_id, job_id, kind, amount, reason, actor, created_at)
    SELECT user_id, id, kind, amount, 'order', 'user:1', created_at
    FROM orders, LATERAL (VALUES ('debit', -1), (CASE WHEN id %% 20 = 0 THEN 'refund' ELSE 'capture' END, (id %% 20 = 0)::int)
    ) AS entry (kind, amount)
    WHERE id BETWEEN %(first)s AND %(last)s""",
)
KEPT = """
    INSERT INTO inbox (update_id, lane, body, handled_at)
    SELECT n, n %% 1200 + 1, repeat('x', 1400), now() FROM generate_series(1, %(updates)s) n;
    INSERT INTO outbox (key, kind, chat_id, sent_at) SELECT n::text, 'card', n %% 1200 + 1, now() FROM generate_series(1, %(told)s) n"""
# An evening's thousand: half of them render, the others wait, and some are due in each stage.
OPEN = (
    ORDERS,
    """
    INSERT INTO jobs (id, order_id, user_id, number, status, stage, due_at, deadline_at, prompt, prompt_source, result_url)
    SELECT id, id, user_id, 1, CASE WHEN stage IS NULL THEN 'queued' ELSE 'processing' END, stage,
        now() + due_in * interval '1 second', now() + interval '1 hour', CASE WHEN stage IS NOT NULL THEN 'A cup' END,
        CASE WHEN stage IS NOT NULL THEN 'gpt' END, CASE WHEN stage = 'deliver' THEN 'https://example.org/video.mp4' END
    FROM orders, LATERAL (SELECT
        CASE WHEN id %% 10 < 5 THEN 'render' WHEN id %% 10 = 5 THEN 'submit' WHEN id %% 10 = 6 THEN 'deliver' END AS stage,
        CASE WHEN id %% 10 < 5 AND id %% 100 > 4 THEN 3600 ELSE 0 END AS due_in) AS state
    WHERE id BETWEEN %(first)s AND %(last)s""",
    """
    INSERT INTO provider_attempts (job_id, n, nonce, key, model, state, task_id)
    SELECT id, 1, id::text, 'aaaaaaaa', 'bytedance/seedance-1.5-pro', 'running', id::text FROM jobs
    WHERE stage = 'render' AND id BETWEEN %(first)s AND %(last)s""",
    """
    INSERT INTO outbox (key, kind, chat_id, due_at)
    SELECT 'card:' || n, 'card', n %% 1200 + 1, now() + interval '1 hour' FROM generate_series(%(first)s, %(last)s) n""",
)
UNCALLED = "UPDATE jobs SET woken_at = NULL WHERE finished_at IS NULL AND woken_at IS NOT NULL"
SEQUENCES = (
    "SELECT setval(pg_get_serial_sequence(name, 'id'), %(last)s) FROM unnest(ARRAY['orders', 'jobs']) AS named (name)"
)


def main(finished: int = 1_000_000) -> None:
    """Measures, grows the history, measures again, and prints both."""
    with Services(ROOT / "var") as services:
        app = build(services)
        run(services.postgres.url, PEOPLE)
        with served(app.settings) as address:
            measured: dict[str, Any] = {}
            for name, count in (("without", 0), ("with", finished)):
                grow(services.postgres.url, count)
                measured[f"{name}_history"] = measure(app, address)
            PLANS.write_text("\n\n".join(plans(app, address)))
        size = query(services.postgres.url, "SELECT pg_database_size(current_database())")[0][0]
    outcome = {**circumstances(), "finished_jobs": finished, "database_mb": round(size / 1e6), **measured}
    keep("history", outcome)
    report(**outcome)


def build(services: Services) -> App:
    """What a worker process works with; nobody answers for the vendors, and nobody reads the messages."""
    os.environ |= {
        "DATABASE_URL": services.postgres.url, "REDIS_URL": services.valkey.url, "BOT_TOKEN": "1000001:" + "x" * 35,
        "OPENAI_API_KEY": "sk-none", "OPENAI_BASE_URL": NOWHERE, "KIE_API_KEY": "one:key-a,two:key-b,three:key-c", "KIE_API_URL": NOWHERE,
        "TELEGRAM_API_URL": NOWHERE,
    }  # fmt: skip
    settings = load_or_exit(Settings)
    dramatiq.set_broker(dispatch.make_broker(services.valkey.url, []))
    app = application.build(settings)
    migrate()
    app.keys.enrol()
    return app


@contextmanager
def served(settings: Settings) -> Iterator[str]:
    """The bot's HTTP side on loopback, as run_bot serves it."""
    server = waitress.create_server(web.create(settings), host="127.0.0.1", port=0, threads=8)
    Thread(target=server.run, daemon=True).start()
    yield f"http://127.0.0.1:{server.effective_port}"
    server.close()


def grow(url: str, finished: int) -> None:
    """Adds finished jobs with all their rows, then the open thousand, and has PostgreSQL look at its tables, as autovacuum does."""
    last = query(url, "SELECT coalesce(max(id), 0) FROM orders")[0][0]
    for first in track(range(last + 1, last + finished + 1, BATCH), "growing", transient=True):
        for statement in FINISHED:
            until = min(first + BATCH - 1, last + finished)
            run(url, statement, first=first, last=until, age=last + finished - first + 60)
    run(url, KEPT, updates=min(finished, UPDATES_KEPT) * 7, told=min(finished, TOLD_KEPT) * 3)
    if finished == 0:
        for statement in OPEN:
            run(url, statement, first=1, last=1000, age=1)
    run(url, SEQUENCES, last=last + finished + 1000)
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        connection.cursor().execute("VACUUM ANALYZE")


def run(url: str, statement: str, **values: object) -> None:
    """One statement, committed."""
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(statement, values or None)


def measure(app: App, address: str) -> dict[str, dict[str, float]]:
    """p50, p95, p99 and the longest, in ms."""
    with requests.Session() as session:
        pages = {page: timed(partial(get, session, address + page), REQUESTS) for page in ("/queue_stats", "/metrics")}
    stats = timed(lambda: overview.overview(None), TICKS)
    ticks = timed(lambda: tick(app), TICKS, before=uncall)
    return {**pages, "tick": ticks, "claim": claims(), "/stats of an operator": stats}


def get(session: requests.Session, address: str) -> None:
    """One answer, which must be a good one."""
    session.get(address, timeout=30).raise_for_status()


def tick(app: App) -> None:
    """What the leading scheduler does each second; without a process that beats nothing would be called up."""
    maintenance.beat(app)
    maintenance.wake(app, 1.0)
    maintenance.reclaim(app)
    maintenance.expire(app)
    broadcasts.finish()


def uncall() -> None:
    """Nobody has been called for what is due, and no message waits."""
    dramatiq.get_broker().flush_all()
    with db:
        db.execute_sql(UNCALLED)


def claims() -> dict[str, float]:
    """A worker takes up a job that waits; then all are put back as they were."""
    with db:
        waiting = [
            row[0]
            for row in db.execute_sql("SELECT id FROM jobs WHERE status = 'queued' ORDER BY id LIMIT %s", (CLAIMS,))
        ]
    jobs_to_take = iter(waiting)

    def claim() -> None:
        with db:
            if jobs.claim(next(jobs_to_take), "script", "bench") is None:
                raise RuntimeError("somebody else has this job")

    figures = timed(claim, len(waiting) - WARM_UP)
    with db:
        db.execute_sql(
            "UPDATE jobs SET status = 'queued', stage = NULL, claim_token = NULL, claimed_by = NULL, claimed_at = NULL, script_attempts = 0"
            " WHERE claimed_by = 'bench'"
        )
        db.execute_sql("DELETE FROM job_events WHERE actor = 'bench'")
    return figures


def timed(act: Callable[[], object], times: int, before: Callable[[], object] = lambda: None) -> dict[str, float]:
    """How long it takes, so many times after a few that don't count; `before` comes before each and is not counted either."""
    seconds = []
    for _ in range(WARM_UP + times):
        before()
        began = time.perf_counter()
        act()
        seconds.append(time.perf_counter() - began)
    return percentiles(seconds[WARM_UP:])


class Statements(logging.Handler):
    """Notes what Peewee sends."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[str, Any] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Each statement once, with the values it had first."""
        statement, values = record.msg if isinstance(record.msg, tuple) else ("", None)
        if statement.lstrip().startswith(("SELECT", "UPDATE", "WITH")):
            self.seen.setdefault(statement, values)


def plans(app: App, address: str) -> Iterator[str]:
    """How PostgreSQL goes about each statement of what was measured, with its times; nothing of it is kept."""
    acts: dict[str, Callable[[], object]] = {
        "/queue_stats": lambda: requests.get(f"{address}/queue_stats", timeout=30),
        "/metrics": lambda: requests.get(f"{address}/metrics", timeout=30),
        "tick": lambda: tick(app),
        "claim": claims,
    }
    log = logging.getLogger("peewee")
    log.setLevel(logging.DEBUG)
    for name, act in acts.items():
        uncall()
        log.addHandler(statements := Statements())
        act()
        log.removeHandler(statements)
        for statement, values in statements.seen.items():
            yield f"{name}: {statement}\n{values}\n{explained(statement, values)}"


def explained(statement: str, values: Any) -> str:
    """EXPLAIN ANALYZE, undone."""
    with db:
        with db.atomic() as step:
            rows = db.execute_sql(f"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF) {statement}", values).fetchall()
            step.rollback()
    return "\n".join(row[0] for row in rows)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
