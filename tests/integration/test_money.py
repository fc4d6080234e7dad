"""Credits as properties: whatever people, workers and crashes do in whatever order, the books balance and nothing is paid twice."""

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from peewee import fn

from neurocards import jobs, ledger, orders
from neurocards.db import db
from neurocards.errors import AlreadyOrdered, LostClaim, NotEnoughCredits, StaleButton
from neurocards.models import TABLES, Job, LedgerEntry, User
from tests.conftest import ready_draft

PEOPLE = st.sampled_from([7, 8])
FACTS = {"submit": {"prompt": "p", "prompt_source": "gpt"}, "render": {}, "deliver": {"result_url": "http://x/y.mp4"}}
NEXT = {"script": "submit", "submit": "render", "render": "deliver"}


class Money(RuleBasedStateMachine):
    """Two customers, any number of workers, one ledger."""

    claims = Bundle("claims")

    @initialize()
    def begin(self) -> None:
        names = ", ".join(model._meta.table_name for model in TABLES)
        with db:
            db.execute_sql(f"TRUNCATE {names} RESTART IDENTITY CASCADE")
        for person in (7, 8):
            orders.meet(person, "Анна", "ru", 3)

    @rule(person=PEOPLE, amount=st.integers(1, 3))
    def top_up(self, person: int, amount: int) -> None:
        with db:
            ledger.grant(person, amount, "top-up", "operator")

    @rule(person=PEOPLE)
    def start_again(self, person: int) -> None:
        assert orders.meet(person, "Анна", "ru", 3).new is False

    @rule(person=PEOPLE, count=st.sampled_from([1, 3, 5]), presses=st.integers(1, 3))
    def order(self, person: int, count: int, presses: int) -> None:
        draft, before = ready_draft(person, count), orders.balance(person)
        for _ in range(presses):
            try:
                orders.place(person, person, draft.id, draft.version, 1)
            except (NotEnoughCredits, AlreadyOrdered):
                continue
        assert orders.balance(person) == (before - count if before >= count else before)

    @rule(person=PEOPLE, order=st.integers(1, 6))
    def cancel(self, person: int, order: int) -> None:
        try:
            orders.cancel(person, order)
        except StaleButton:
            return

    @rule(target=claims, job=st.integers(1, 12), worker=st.sampled_from(["w1", "w2"]))
    def claim(self, job: int, worker: str) -> Job | None:
        with db:
            row = Job.get_or_none(Job.id == job)
            return jobs.claim(job, row.stage or "script", worker) if row and row.status in jobs.OPEN else None

    @rule(job=claims)
    def step_forward_or_deliver(self, job: Job | None) -> None:
        if job is not None:
            self._write(lambda: self._deliver(job) if job.stage == "deliver" else self._forward(job))

    @rule(job=claims)
    def fail(self, job: Job | None) -> None:
        if job is not None:
            self._write(lambda: (jobs.fail(job, "failed", "TEMPORARY"), ledger.refund(job.id, "failed", "w")))

    @rule(job=claims)
    def reclaim(self, job: Job | None) -> None:
        if job is not None:
            self._write(lambda: jobs.reclaim(job, job.stage, "its worker died"))

    @staticmethod
    def _forward(job: Job) -> None:
        stage = NEXT[job.stage]
        jobs.forward(job, stage, "went on", **FACTS[stage])

    @staticmethod
    def _deliver(job: Job) -> None:
        jobs.finish(job, "delivered", "file")
        ledger.capture(job.id, "w")

    @staticmethod
    def _write(write) -> None:
        try:
            with db:
                write()
        except LostClaim:
            return

    @invariant()
    def balances_are_the_sums_of_their_entries_and_never_negative(self) -> None:
        with db:
            assert ledger.unexplained() == []
            assert User.select(fn.MIN(User.credits)).scalar() >= 0

    @invariant()
    def every_job_has_one_debit_and_is_settled_exactly_when_it_has_ended(self) -> None:
        with db:
            for job in Job.select():
                kinds = sorted(entry.kind for entry in LedgerEntry.select().where(LedgerEntry.job == job.id))
                settled = {"done": ["capture"], "failed": ["refund"], "cancelled": ["refund"]}.get(job.status, [])
                assert kinds == sorted(["debit", *settled]), (job.status, kinds)


@pytest.mark.timeout(120)
def test_the_books_balance_whatever_happens(clean_db, idle_broker):
    # Given any sequence of orders, presses, claims, crashes, refunds and deliveries
    # Then the invariants above hold after every step
    run_state_machine_as_test(
        Money,
        settings=settings(
            max_examples=25,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
