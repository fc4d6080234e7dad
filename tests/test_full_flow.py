"""The whole system once, step by step: `python3 tests/test_full_flow.py` prints each step with a tick and exits with 1 at the first that
fails; under pytest it is one test. Servers, stand-ins, bot and a worker are its own.
"""

if __name__ == "__main__":
    from environment import enter

    enter()

import io
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

import av
import psycopg2
import requests

from benchmarks.crowd import query
from sandbox.client import SandboxClient, SandboxRefused
from sandbox.customer import PHOTO, TEXT, Customer
from sandbox.local import ROOT, Local, StartFailed
from tests.acceptance.conftest import start

# Five minutes pass in three seconds.
TIME_SCALE = 100.0
PATIENCE = 60.0
CREDITS = 2
LEDGER = "SELECT kind, amount FROM ledger_entries WHERE user_id = %s ORDER BY id"
JOBS = "SELECT status, failure_category FROM jobs WHERE user_id = %s ORDER BY id"
EVENTS = """
    SELECT coalesce(to_stage, to_status) FROM job_events WHERE job_id = (SELECT max(id) FROM jobs WHERE user_id = %s) ORDER BY id"""
KIE_REFUSES = {"failCode": "422", "failMsg": "Your input image contains human faces, which is not allowed."}

Step = Callable[["Flow"], None]


class Flow:
    """One customer's way through a running system; each method is a step and asserts what has to be so after it."""

    def __init__(self, local: Local, client: SandboxClient) -> None:
        self.local, self.client = local, client
        self.anna = Customer(client.user(), patience=PATIENCE)
        self.database = local.environment["DATABASE_URL"]

    def rows(self, sql: str) -> list[tuple]:
        return query(self.database, sql, self.anna.user.id)

    def services_are_up(self) -> None:
        self.local.check()
        assert query(self.database, "SELECT count(*) FROM jobs") == [(0,)]

    def bot_answers_over_http(self) -> None:
        assert self.http("healthz")["status"] == self.http("readyz")["status"] == "ok"

    def http(self, path: str) -> dict:
        return requests.get(f"http://127.0.0.1:{self.local.port}/{path}", timeout=10).json()

    def start_is_welcomed_with_a_credit(self) -> None:
        assert "Пришлите фото" in self.anna.say("/start").text
        assert self.rows(LEDGER) == [("grant", 2)]

    def photo_is_taken(self) -> None:
        assert "Опишите товар" in self.anna.send(PHOTO).text

    def description_is_taken(self) -> None:
        assert "Какое видео снять?" in self.anna.say(TEXT).text

    def questions_lead_to_the_summary(self) -> None:
        self.anna.tap("UGC-блогер")
        self.anna.tap("Пропустить")
        assert "Проверьте заказ" in self.anna.tap("1 видео").text

    def confirm_is_debited_and_queued(self) -> None:
        assert "Заказ №" in self.anna.tap("Запустить").text
        assert self.rows(LEDGER)[1:2] == [("debit", -1)]
        assert self.rows(EVENTS)[0] == ("queued",)

    def gpt_wrote_the_prompt(self) -> None:
        assert self.client.journal(service="openai", wait=PATIENCE)[0]["status"] == 200

    def kie_was_asked_once(self) -> None:
        created = self.client.journal(service="kie", endpoint="createTask", wait=PATIENCE)
        assert [entry["status"] for entry in created] == [200]

    def video_is_delivered_and_plays(self) -> None:
        video = self.anna.video(PATIENCE)
        with av.open(io.BytesIO(self.anna.user.download(video.media["file_id"]))) as container:
            stream = container.streams.video[0]
            assert (stream.width * 16, bool(container.streams.audio)) == (stream.height * 9, True)
        self.anna.user.wait("готов за", PATIENCE)

    def credit_is_captured_once(self) -> None:
        assert self.rows(LEDGER) == [("grant", 2), ("debit", -1), ("capture", 0)]
        steps = [step for (step,) in self.rows(EVENTS)]
        assert steps == ["queued", "script", "submit", "render", "deliver", "done"]

    def history_sends_it_again(self) -> None:
        last = self.anna.say("/history")
        self.anna.user.tap(last, next(label for label in last.labels if "▶" in label))
        self.anna.user.wait(lambda shown: shown.kind == "video" and shown.id > last.id, PATIENCE)

    def forbidden_photo_is_refunded_and_explained(self) -> None:
        self.client.fault("kie", "createTask", "fail", times=-1, **KIE_REFUSES)
        self.anna.order()
        self.anna.user.wait(lambda shown: shown.from_bot and "Другое фото" in " ".join(shown.labels), PATIENCE)
        self.client.clear_faults()
        assert self.rows(JOBS)[-1] == ("failed", "USER_ERROR")
        assert self.rows(LEDGER)[-2:] == [("debit", -1), ("refund", 1)]

    def balance_is_right(self) -> None:
        assert self.rows("SELECT credits FROM users WHERE id = %s") == [(1,)]

    def queue_stats_are_exact(self) -> None:
        stats = self.http("queue_stats")
        assert (stats["status"], stats["queue"]) == ("ok", {"queued": 0, "processing": 0, "total": 0})
        assert (stats["workers_configured"], stats["advice"]) == (1, "enough workers")

    def every_promise_holds(self) -> None:
        command = [sys.executable, "-m", "neurocards", "audit"]
        done = subprocess.run(
            command, cwd=ROOT, env=self.local.environment, check=False, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stdout + done.stderr


STEPS: tuple[Step, ...] = (
    Flow.services_are_up,
    Flow.bot_answers_over_http,
    Flow.start_is_welcomed_with_a_credit,
    Flow.photo_is_taken,
    Flow.description_is_taken,
    Flow.questions_lead_to_the_summary,
    Flow.confirm_is_debited_and_queued,
    Flow.gpt_wrote_the_prompt,
    Flow.kie_was_asked_once,
    Flow.video_is_delivered_and_plays,
    Flow.credit_is_captured_once,
    Flow.history_sends_it_again,
    Flow.forbidden_photo_is_refunded_and_explained,
    Flow.balance_is_right,
    Flow.queue_stats_are_exact,
    Flow.every_promise_holds,
)


def test_full_flow(tmp_path, database_server, redis_url):
    for local in start(tmp_path, database_server, redis_url, WELCOME_CREDITS=str(CREDITS)):
        with SandboxClient(local.sandbox.url) as client:
            flow = Flow(local, client)
            for step in STEPS:
                step(flow)


def main() -> int:
    """Plays all steps, a line each; the exit status."""
    for name in ("DATABASE_URL", "REDIS_URL"):  # whose data are there is nothing for a test
        os.environ.pop(name, None)
    folder = Path(tempfile.mkdtemp(prefix="neurocards-flow-"))
    print(f"starting PostgreSQL, Valkey, the sandbox, the bot and a worker; logs: {folder}", flush=True)
    settings = {"WELCOME_CREDITS": str(CREDITS)}
    with Local(folder, time_scale=TIME_SCALE, prepared_video=True, settings=settings) as local:
        with SandboxClient(local.sandbox.url) as client:
            flow = Flow(local, client)
            return 0 if all(_ticked(step, flow) for step in STEPS) else 1


def _ticked(step: Step, flow: Flow) -> bool:
    name = step.__name__.replace("_", " ")
    try:
        step(flow)
    except (AssertionError, LookupError, OSError, psycopg2.Error, SandboxRefused, StartFailed) as wrong:
        print(f"✗ {name}: {wrong or traceback.format_exc()}", flush=True)
        return False
    print(f"✓ {name}", flush=True)
    return True


if __name__ == "__main__":
    sys.exit(main())
