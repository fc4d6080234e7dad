"""After a crash: bot and worker start again and go on until nothing is open. Then the books are copied out for the judge."""

import json
import logging
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from neurocards import audit, key_health, maintenance, web
from neurocards.db import db
from neurocards.leadership import LEADER, Lock
from reliability.crash_sweep.elapse import LEAST, let_pass, until_next
from reliability.crash_sweep.processes import Bot, Worker
from sandbox.client import SandboxClient

log = logging.getLogger(__name__)

# Rounds in which time may pass: an outage, a lost answer and three attempts take a third of them.
ROUNDS = 150
# KIE calls within milliseconds here; nothing else is waited for in real time (seconds).
CALL_PATIENCE = 5.0

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
    "credit_low": "SELECT fingerprint FROM api_keys WHERE credit < 1000 ORDER BY fingerprint",
    "drafts": """SELECT state, data - '{asked,said,heard,photo_id}'::text[], EXISTS (SELECT FROM photos
        WHERE id = (data ->> 'photo_id')::bigint AND user_id = drafts.user_id) FROM drafts ORDER BY id""",
    "told_wrongly": """SELECT o.key FROM outbox o JOIN jobs j ON o.key = 'notice:' || j.id || ':failed'
        WHERE j.status <> 'failed'""",
}


class Callbacks:
    """KIE's callbacks, handed to the product's own endpoint: those in the journal since `after`, and some from before."""

    def __init__(
        self, client: SandboxClient, after: int, settings: Any, earlier: Sequence[dict[str, Any]] = ()
    ) -> None:
        self._client = client
        self._after = after
        self._made: set[str] = set()
        self._called: set[str] = set()
        self._waiting = list(earlier)
        self._web = web.create(settings).test_client()

    def deliver(self) -> int:
        """Posts what has come, once every task that was made has been called for; returns how many.

        Time passes by leaps here, and KIE's work doesn't: without the wait a call could come hours late.
        """
        deadline = time.monotonic() + CALL_PATIENCE
        self._hear()
        while self._made - self._called and time.monotonic() < deadline:
            self._hear(CALL_PATIENCE)
        calls, self._waiting = self._waiting, []
        for call in calls:
            post(self._web, call)
        return len(calls)

    def _hear(self, seconds: float = 0.0) -> None:
        for entry in self._client.journal(after=self._after, service="kie", wait=seconds):
            self._after = entry["n"]
            url = entry["request"].get("callBackUrl") or entry["request"].get("url")
            if entry["endpoint"] == "createTask" and entry["status"] == 200 and url and task_of(entry):
                self._made.add(url)
            # Nobody listened, so KIE tries again; what it tries again may be of the time before this run.
            if entry["endpoint"] == "callback" and entry["request"]["attempt"] == 1:
                self._called.add(url)
                self._waiting.append(entry["request"])


def task_of(entry: dict[str, Any]) -> str | None:
    """The id of the task that a call to createTask made."""
    task: str | None = (entry["response"].get("data") or {}).get("taskId")
    return task


def post(browser: Any, call: dict[str, Any]) -> None:
    """One callback as KIE sends it. Raises RuntimeError when the bot does not thank for it."""
    body = {"code": 200, "msg": "", "data": {"taskId": call["taskId"], "state": call["state"]}}
    answer = browser.post(urlsplit(call["url"]).path, json=body)
    if answer.status_code != 200:
        raise RuntimeError(f"the callback was answered with {answer.status_code}")


def settle(client: SandboxClient, after: int, earlier: Sequence[dict[str, Any]], result: Path) -> None:
    """Runs bot and worker until nothing is open, at most ROUNDS, and writes the books to `result` as JSON.

    Raises RuntimeError when what the killed process led is not free.
    """
    worker = Worker()
    let_pass(LEAST)  # a start takes longer here than silence is borne
    Bot(worker.app.settings).serve()
    _take_lead()
    callbacks = Callbacks(client, after, worker.app.settings, earlier)
    rounds = _rounds(worker, callbacks)
    if rounds is not None:
        _ask_for_credit(worker)
        rounds = _rounds(worker, callbacks)
    result.write_text(json.dumps({"rounds": rounds, **_books()}, default=str))


def _take_lead() -> None:
    lead = Lock(LEADER)
    if not lead.held():
        raise RuntimeError("nobody is there, and the lead is taken")
    lead.release()
    maintenance.prune()


def _rounds(worker: Worker, callbacks: Callbacks) -> int | None:
    """How often time had to pass until nothing was open."""
    return next((number for number in range(ROUNDS) if _round(worker, callbacks)), None)


def _round(worker: Worker, callbacks: Callbacks) -> bool:
    """Does what there is to do; if something is left open after that, time passes, and the sweeps run. True when nothing is open."""
    while callbacks.deliver() + worker.drain():
        pass
    open_rows = _count(_OPEN)
    if not any(open_rows):
        return True
    seconds = until_next()
    log.info("%s open: %.0f s pass", open_rows, seconds)
    let_pass(seconds)
    maintenance.beat(worker.app)
    worker.app.keys.enrol()
    # Not in the order of a tick: what is taken back is woken in the same round.
    for sweep in (maintenance.reclaim, maintenance.expire, maintenance.probe, lambda app: maintenance.wake(app, 1.0)):
        sweep(worker.app)
    return False


def _ask_for_credit(worker: Worker) -> None:
    """So much later that every key that is out has had its probe, and every other was asked for its credit."""
    let_pass(key_health.PROBE_AT_MOST)
    for _ in worker.app.settings.kie_keys:
        maintenance.probe(worker.app)
        maintenance.look_at_credit(worker.app)


def _count(query: str) -> Sequence[int]:
    with db, closing(db.execute_sql(query)) as cursor:
        row: Sequence[int] = cursor.fetchone()
    return row


def _books() -> dict[str, Any]:
    broken = [f"{found.invariant.name} {found.invariant.of} {found.ids}" for found in audit.audit()]
    books: dict[str, Any] = {"audit": broken}
    with db:
        for name, query in _BOOKS.items():
            with closing(db.execute_sql(query)) as cursor:
                books[name] = cursor.fetchall()
    return books
