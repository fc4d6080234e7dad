"""After a crash: bot and worker start again and go on until nothing is open. Then the books are copied out for the judge."""

import json
import logging
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from neurocards import audit, maintenance, web
from neurocards.db import db
from reliability.crash_sweep.elapse import LEAST, let_pass, until_next
from reliability.crash_sweep.processes import Bot, Worker
from sandbox.client import SandboxClient

log = logging.getLogger(__name__)

# Rounds in which time may pass: an outage, a lost answer and three attempts take a third of them.
ROUNDS = 150

_OPEN = """SELECT (SELECT count(*) FROM jobs WHERE finished_at IS NULL),
    (SELECT count(*) FROM inbox WHERE handled_at IS NULL),
    (SELECT count(*) FROM outbox WHERE sent_at IS NULL AND error IS NULL)"""
_BOOKS = {
    "jobs": """SELECT j.id, j.status, j.failure_category, array_agg(e.kind ORDER BY e.id), j.order_id FROM jobs j
        LEFT JOIN ledger_entries e ON e.job_id = j.id GROUP BY j.id ORDER BY j.id""",
    "orders": "SELECT draft_key FROM orders ORDER BY id",
    "inbox": "SELECT update_id, attempts, error FROM inbox ORDER BY update_id",
    "untold": "SELECT key, error FROM outbox WHERE sent_at IS NULL ORDER BY id",
    "credits": "SELECT id, credits FROM users ORDER BY id",
    "keys_out": "SELECT fingerprint, reason FROM api_keys WHERE state = 'quarantined' ORDER BY fingerprint",
    "drafts": "SELECT state, data - '{asked,said,heard}'::text[] FROM drafts ORDER BY id",
}


class Callbacks:
    """KIE's callbacks, handed to the product's own endpoint: those in the journal since `after`, and some from before."""

    def __init__(
        self, client: SandboxClient, after: int, settings: Any, earlier: Sequence[dict[str, Any]] = ()
    ) -> None:
        self._client = client
        self._after = after
        self._waiting = list(earlier)
        self._web = web.create(settings).test_client()

    def deliver(self) -> int:
        """Posts what has come; returns how many."""
        entries = self._client.journal(after=self._after, service="kie", endpoint="callback")
        self._after = max([self._after, *(entry["n"] for entry in entries)])
        # Nobody listened, so KIE tries again; what it tries again may be of the time before this run.
        fresh = [entry["request"] for entry in entries if entry["request"]["attempt"] == 1]
        calls, self._waiting = self._waiting + fresh, []
        for call in calls:
            post(self._web, call)
        return len(calls)


def post(browser: Any, call: dict[str, Any]) -> None:
    """One callback as KIE sends it. Raises RuntimeError when the bot does not thank for it."""
    body = {"code": 200, "msg": "", "data": {"taskId": call["taskId"], "state": call["state"]}}
    answer = browser.post(urlsplit(call["url"]).path, json=body)
    if answer.status_code != 200:
        raise RuntimeError(f"the callback was answered with {answer.status_code}")


def settle(client: SandboxClient, after: int, earlier: Sequence[dict[str, Any]], result: Path) -> None:
    """Runs bot and worker until nothing is open, at most ROUNDS, and writes the books to `result` as JSON."""
    worker = Worker()
    let_pass(LEAST)  # a start takes longer here than silence is borne
    Bot(worker.app.settings).serve()
    callbacks = Callbacks(client, after, worker.app.settings, earlier)
    rounds = next((number for number in range(ROUNDS) if _round(worker, callbacks)), None)
    result.write_text(json.dumps({"rounds": rounds, **_books()}, default=str))


def _round(worker: Worker, callbacks: Callbacks) -> bool:
    """Does what there is to do; then sweeps; if that moved nothing either, time passes. True when nothing is open."""
    if callbacks.deliver() + worker.drain():
        return False
    maintenance.beat(worker.app)
    worker.app.keys.enrol()
    # Not in the order of a tick: what is taken back is woken in the same round.
    for sweep in (maintenance.reclaim, maintenance.expire, maintenance.probe, lambda app: maintenance.wake(app, 1.0)):
        sweep(worker.app)
    if worker.drain():
        return False
    with db, closing(db.execute_sql(_OPEN)) as cursor:
        open_rows = cursor.fetchone()
    if any(open_rows):
        seconds = until_next()
        log.info("%s open: %.0f s pass", open_rows, seconds)
        let_pass(seconds)
    return not any(open_rows)


def _books() -> dict[str, Any]:
    broken = [f"{found.invariant.name} {found.invariant.of} {found.ids}" for found in audit.audit()]
    books: dict[str, Any] = {"audit": broken}
    with db:
        for name, query in _BOOKS.items():
            with closing(db.execute_sql(query)) as cursor:
                books[name] = cursor.fetchall()
    return books
