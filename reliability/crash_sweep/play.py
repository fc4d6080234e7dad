"""What a scenario is written with: a customer, orders that have come so far, and claims of a worker that is no more."""

import json
from collections.abc import Sequence
from contextlib import closing
from functools import cached_property
from pathlib import Path
from typing import Any

from neurocards import attempts, clock, dispatch, drafts, jobs, maintenance, orders, web
from neurocards.db import db
from neurocards.keys import fingerprint
from neurocards.models import Job
from reliability.crash_sweep.elapse import let_pass, until_next
from reliability.crash_sweep.failpoints import Failpoints
from reliability.crash_sweep.processes import Bot, Worker, start_bot
from reliability.crash_sweep.settling import post
from sandbox.client import SandboxClient
from sandbox.local import ROOT

PHOTO = ROOT / "sandbox" / "photos" / "coffee.jpg"
GHOST = "elsewhere:1:ghost"
STEPS = 200
A_DAY = 86_400.0
CALLBACK_PATIENCE = 5.0


class Play:
    """One child's part in a scenario. `notes` are what preparing found out, for those who come later: ids, versions."""

    def __init__(self, customer: int, client_url: str, trace: Path, kill: tuple[int, str] | None, notes: Path) -> None:
        self.customer = customer
        self.points = Failpoints(trace, kill)
        self._url = client_url
        self._notes = notes
        self.notes: dict[str, Any] = json.loads(notes.read_text()) if notes.exists() else {}

    def note(self, **found: Any) -> None:
        """Keeps something for the runs and for settling."""
        self.notes |= found
        self._notes.write_text(json.dumps(self.notes))

    @cached_property
    def worker(self) -> Worker:
        """A worker that has just started and beaten once."""
        worker = Worker()
        maintenance.beat(worker.app)
        return worker

    @cached_property
    def bot(self) -> Bot:
        """A bot that has just started."""
        return start_bot()

    @cached_property
    def client(self) -> SandboxClient:
        """The sandbox, over a connection of this child's own."""
        return SandboxClient(self._url)

    # Preparing --------------------------------------------------------------------------------------------------------

    def draft(self, count: int = 1, state: str = "confirm", **answers: Any) -> None:
        """A draft that only waits for the confirm, or for `state`, as the bot shows it in a message of its own."""
        photo = orders.save_photo(self.customer, PHOTO.read_bytes(), 600, 400)
        product = {"photo_id": photo, "description": "Кружка", "template": "ugc", "wishes": "уют", "count": count}
        draft = drafts.save(self.customer, self.customer, state=state, **{**product, **answers})
        card = self.worker.app.telegram.send_text(self.customer, "Проверьте заказ", [])
        self.note(draft=draft.id, version=draft.version, card=card)

    def order(self, to: str = "queued", count: int = 1, card: bool = True) -> list[int]:
        """An order whose jobs have all come to the state `to`; their ids. Messages on the way are lost."""
        self.draft(count)
        message = self.notes["card"] if card else None
        order = orders.place(self.customer, self.customer, self.notes["draft"], self.notes["version"], message)
        with db:
            ids = [job.id for job in Job.select(Job.id).where(Job.order == order.id).order_by(Job.id)]
        self._advance(ids, to)
        self.note(order=order.id, jobs=ids)
        return ids

    def _advance(self, ids: Sequence[int], to: str) -> None:
        for _ in range(STEPS):
            with db:
                states = {job.id: jobs.state(job) for job in Job.select().where(Job.id.in_(ids))}
                there = [job for job, state in states.items() if state == to]
                if len(there) == len(ids):
                    return
                # The first of an order wait for the last: until `make_due`, their messages change nothing.
                Job.update(due_at=clock.after(A_DAY)).where(Job.id.in_(there)).execute()
            if not self.worker.step_any():
                let_pass(until_next())
                maintenance.beat(self.worker.app)
                maintenance.wake(self.worker.app, 1.0)
        raise RuntimeError(f"jobs {ids} did not get to {to}: {states}")

    def claimed_by(self, process: str, ids: Sequence[int], stage: str, asking: bool = False) -> None:
        """The jobs are due and in the hands of `process`; `asking`: it has just committed its intent to ask KIE."""
        with db:
            Job.update(due_at=Job.created_at).where(Job.id.in_(ids)).execute()
            for job_id in ids:
                job = jobs.claim(job_id, stage, process)
                if job is None:
                    raise RuntimeError(f"job {job_id} could not be claimed for {stage}")
                if asking:
                    attempts.begin(
                        job, fingerprint(self.worker.app.settings.kie_keys[0][1]), "bytedance/seedance-1.5-pro"
                    )

    def everywhere(self, process: str = GHOST) -> None:
        """An order in each stage, all in the hands of `process`; one is at KIE's door."""
        self.worker.app.keys.enrol()
        for stage in ("deliver", "render", "submit", "submit", "queued"):
            ids = self.order(stage)
            asking = stage == "submit" and "asking" not in self.notes
            if asking:
                self.note(asking=ids)
            self.claimed_by(process, ids, "script" if stage == "queued" else stage, asking)

    def make_due(self) -> None:
        """Whatever waits for its time is due."""
        with db:
            Job.update(due_at=Job.created_at, woken_at=None).where(Job.finished_at.is_null()).execute()

    def call_to(self, nonce: str) -> dict[str, Any]:
        """KIE's callback with this nonce, as soon as it was tried. Raises TimeoutError."""
        after = 0
        with self.client as client:
            while entries := client.journal(after, "kie", "callback", wait=CALLBACK_PATIENCE):
                after = entries[-1]["n"]
                for entry in entries:
                    if entry["request"]["url"].endswith(nonce):
                        return dict(entry["request"])
        raise TimeoutError(f"KIE did not call {nonce}")

    # Acting -----------------------------------------------------------------------------------------------------------

    def message(self, name: str, argument: int | list[int]) -> None:
        """A worker takes the message and does what it says: the armed part of a run."""
        worker = self.worker
        dispatch.send(name, argument)
        with self.points.armed():
            done = worker.step(dispatch.MESSAGES[name].queue)
        if not done:
            raise RuntimeError(f"{name} was not there to be taken")

    def told(self, kind: str) -> int:
        """The id of the outbox row of this kind."""
        with db, closing(db.execute_sql("SELECT id FROM outbox WHERE kind = %s ORDER BY id", (kind,))) as cursor:
            return int(cursor.fetchone()[0])

    def callback(self, call: dict[str, Any]) -> None:
        """KIE calls back."""
        browser = web.create(self.bot.settings).test_client()
        with self.points.armed():
            post(browser, call)
