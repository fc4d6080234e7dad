"""`/metrics`: the figures of all processes, whoever is asked, and how things stand in the database."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import peewee
import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.parser import text_string_to_metric_families

from neurocards import (
    attempts,
    clock,
    endings,
    exposition,
    gauges,
    inbox,
    jobs,
    liveness,
    maintenance,
    outages,
    outbox,
    overview,
    samples,
    service,
    web,
)
from neurocards import db as database
from neurocards.db import db
from neurocards.errors import Failure
from neurocards.keys import fingerprint
from neurocards.models import ApiKey, InboxUpdate, Job, Outgoing
from tests.conftest import ROOT, jobs_of
from tests.integration.conftest import settings_with

Figures = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def scraped(text: bytes | None = None) -> Figures:
    """What Prometheus would read."""
    families = text_string_to_metric_families((text or exposition.text()).decode())
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def figure(figures: Figures, name: str, **labels: str) -> float:
    return figures[(f"neurocards_{name}", tuple(sorted(labels.items())))]


@pytest.fixture
def begun(clean_db) -> None:
    """Nothing counted by this process so far is new."""
    samples.of_this_process.save()
    with db:
        db.execute_sql("TRUNCATE metric_samples")


class OneProcess:
    """A process's figures as a value."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self.orders = Counter("neurocards_orders", "-", ["template"], registry=registry)
        self.answers = Histogram("neurocards_bot_answer_seconds", "-", buckets=(0.1, 1), registry=registry)
        self.tally = samples.Tally(registry)


def test_an_empty_system_shows_every_figure_as_zero(begun):
    # When nothing has happened
    figures = scraped()
    # Then what may happen is there as 0, so that its first time is seen
    assert figure(figures, "orders_total", template="ugc") == 0
    assert figure(figures, "jobs_finished_total", outcome="failed", category="BILLING") == 0
    assert figure(figures, "provider_attempts_total", provider="kie", category="OK") == 0
    assert figure(figures, "queue_age_seconds") == 0
    assert figure(figures, "worker_processes") == 0
    # And so is how the answering process fares
    assert any(name == "process_open_fds" and value > 0 for (name, _), value in figures.items())


def test_figures_of_processes_add_up_and_are_added_once(begun):
    # Given two processes that counted
    first, second = OneProcess(), OneProcess()
    first.orders.labels("ugc").inc(2)
    second.orders.labels("ugc").inc(3)
    second.answers.observe(0.5)
    # When both save, and save again with nothing new, and one counts on
    for process in (first, second, first, second):
        process.tally.save()
    first.orders.labels("ugc").inc()
    first.tally.save()
    # Then the sum is shown
    with db:
        saved = samples.totals()
    assert saved["neurocards_orders_total", '{"template": "ugc"}'] == 6
    assert saved["neurocards_bot_answer_seconds_bucket", '{"le": "1.0"}'] == 1
    # With the buckets that nothing has fallen into: quantiles are reckoned from them, too
    assert saved["neurocards_bot_answer_seconds_bucket", '{"le": "0.1"}'] == 0
    assert figure(scraped(), "orders_total", template="ugc") == 6


def test_an_outage_of_the_database_loses_no_figure(begun, clean_db):
    process = OneProcess()
    process.orders.labels("ad").inc()
    # Given a database that is away when figures are to be saved
    db.close_all()
    database.connect("postgresql://nobody@127.0.0.1:1/nothing")
    try:
        with pytest.raises(peewee.OperationalError):
            process.tally.save()
        # Then whoever asks is told so, as everywhere
        answer = web.create(settings_with()).test_client().get("/metrics")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    finally:
        database.connect(clean_db, pool_size=30)
    # And when it is back, what was counted before and meanwhile is saved
    process.orders.labels("ad").inc()
    process.tally.save()
    assert figure(scraped(), "orders_total", template="ad") == 2


def test_another_that_stands_still_with_its_rows_locked_holds_nobody_up(begun, clean_db):
    # Given a process that stopped in the midst of saving
    process = OneProcess()
    process.orders.labels("own").inc()
    process.tally.save()
    other = peewee.PostgresqlDatabase(clean_db)
    with other.atomic():
        other.execute_sql("SELECT * FROM metric_samples FOR UPDATE")
        # When another saves, Then it gives up soon, and keeps its figures
        process.orders.labels("own").inc()
        with pytest.raises(database.Unreachable):
            process.tally.save()
    other.close()
    process.tally.save()
    assert figure(scraped(), "orders_total", template="own") == 2


def test_many_that_save_at_once_neither_lose_a_figure_nor_wait_for_each_other(begun):
    # Given eight processes whose figures came to be in different orders
    processes = [OneProcess() for _ in range(8)]
    templates = ("ugc", "ad", "own")

    def work(number: int) -> None:
        for turn in range(30):
            for place in range(3):
                processes[number].orders.labels(templates[(number + turn + place) % 3]).inc()
            processes[number].tally.save()

    # When they save again and again
    with ThreadPoolExecutor(len(processes)) as pool:
        list(pool.map(work, range(len(processes))))
    # Then the sum is exact
    figures = scraped()
    assert [figure(figures, "orders_total", template=template) for template in templates] == [8 * 30] * 3


COUNTING = """
import sys
from neurocards import db, metrics, samples
db.connect(sys.argv[1])
for _ in range(int(sys.argv[2])):
    metrics.ORDERS.labels("ugc").inc()
samples.of_this_process.save()
metrics.ORDERS.labels("ugc").inc()
print("counted", flush=True)
sys.stdin.readline()
samples.of_this_process.save()
"""


def test_a_killed_process_loses_what_it_counted_since_it_saved_and_no_more(begun, clean_db):
    # Given four processes that have saved ten each, and counted one more
    command = [sys.executable, "-c", COUNTING, clean_db, "10"]
    processes = [
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    for process in processes:
        assert process.stdout.readline() == "counted\n"
    # When two are killed, and two end in order
    for process in processes[:2]:
        os.kill(process.pid, signal.SIGKILL)
    for process in processes:
        with process:
            process.communicate("" if process in processes[:2] else "\n", timeout=30)
    # Then two single counts are gone
    assert figure(scraped(), "orders_total", template="ugc") == 4 * 10 + 2


def test_what_is_said_of_jobs_is_what_the_database_says(begun, ordered):
    # Given a queued job ten minutes old, and two in the works
    order = ordered(count=3)
    first, second, third = (job.id for job in jobs_of(order))
    with db:
        Job.update(created_at=peewee.SQL("now() - interval '10 minutes'")).where(Job.id == first).execute()
        jobs.claim(second, "script", "w")
        taken = jobs.claim(third, "script", "w")
        jobs.forward(taken, "submit", "written", prompt="p", prompt_source="gpt")
        liveness.beat("a", "host:1")
        liveness.beat("b", "host:1")
    figures = scraped()
    # Then they are counted by stage, with the age of the oldest that waits
    stages = {stage: figure(figures, "jobs", stage=stage) for stage in gauges.STATES}
    assert stages == {"queued": 1, "script": 1, "submit": 1, "render": 0, "deliver": 0}
    assert 600 <= figure(figures, "queue_age_seconds") < 630
    assert 600 <= figure(figures, "queue_mean_age_seconds") < 630
    assert figure(figures, "worker_processes") == 2
    assert figure(figures, "worker_instances") == 1


def test_what_is_said_of_keys_updates_and_messages_is_what_the_database_says(begun, ordered, worker):
    # Given a task in flight, an update and messages that wait, KIE down, and the service closed
    app = worker()
    job = jobs_of(ordered())[0]
    with db:
        jobs.claim(job.id, "script", "w")
        jobs.forward(Job.get_by_id(job.id), "submit", "written", prompt="p", prompt_source="gpt")
        lease = app.keys.acquire()
        attempts.begin(jobs.claim(job.id, "submit", "w"), lease.fingerprint, "model")
        outages.pause("kie", "maintenance")
        service.close("works")
        Outgoing.update(due_at=peewee.SQL("now() - interval '1 minute'")).execute()
    inbox.store([{"update_id": 1}])
    with db:
        InboxUpdate.update(received_at=peewee.SQL("now() - interval '20 seconds'")).execute()
    figures = scraped()
    # Then all of it is there
    flying = {labels: value for (name, labels), value in figures.items() if name == "neurocards_renders_in_flight"}
    assert sum(flying.values()) == 1
    windows = {labels: value for (name, labels), value in figures.items() if name == "neurocards_key_window_creates"}
    assert sorted(windows.values()) == [0, 1]
    assert figure(figures, "keys_usable") == 2
    assert figure(figures, "provider_paused", provider="kie") == 1
    assert figure(figures, "orders_closed") == 1
    assert figure(figures, "inbox_unhandled") == 1
    assert 20 <= figure(figures, "inbox_age_seconds") < 40
    assert figure(figures, "outbox_due", kind="card") == 1
    assert 60 <= figure(figures, "outbox_age_seconds", kind="card") < 80
    assert figure(figures, "outbox_due", kind="alert") == 0


def test_an_accounts_credit_is_what_its_newest_answer_told(begun, worker):
    # Given an account with two keys, of which one told a good credit an hour ago, and the other a bad one just now
    worker(kie_api_key="one:key-a,one:key-b,two:key-c")
    with db:
        for key, credit, ago in (("key-a", 5000, 3600), ("key-b", 12.5, 0)):
            answer = {"credit": credit, "credit_at": clock.in_real(-ago)}
            ApiKey.update(answer).where(ApiKey.fingerprint == fingerprint(key)).execute()
    # Then that is what the account has, and of an account that has told nothing there is nothing
    told = {labels: value for (name, labels), value in scraped().items() if name == "neurocards_account_credit"}
    assert told == {(("account", "one"),): 12.5}


def test_what_an_operator_reads_is_what_prometheus_reads(begun, ordered):
    # Given a card and a notice that are late, a copy of a broadcast, a message that killed whoever told it, and updates of which
    # one is being answered
    ordered(count=3)
    with db:
        outbox.notify_once("late", 7, "granted", credits=1)
        outbox.notify_once("deadly", 7, "granted", credits=1)
        Outgoing.update(due_at=clock.in_real(-60)).execute()
        Outgoing.update(attempts=outbox.MAX_ATTEMPTS).where(Outgoing.key == "notice:deadly").execute()
        Outgoing.insert(key="copy", kind="broadcast", chat_id=7, due_at=clock.in_real(-600)).execute()
    inbox.store([{"update_id": 1}, {"update_id": 2}])
    with db:
        InboxUpdate.update(received_at=clock.in_real(-20)).where(InboxUpdate.update_id == 1).execute()
        InboxUpdate.update(received_at=clock.in_real(60)).where(InboxUpdate.update_id == 2).execute()
    # When the one asks and the other
    figures, shown = scraped(), overview.overview(None)
    # Then both are told the same
    assert shown.stages == {"queued": 3}
    assert figure(figures, "jobs", stage="queued") == 3
    assert shown.outbox == (2, pytest.approx(60, abs=10))
    assert [figure(figures, "outbox_due", kind=kind) for kind in gauges.KINDS] == [1, 1, 0, 1]
    assert shown.inbox == (1, pytest.approx(20, abs=10))
    assert figure(figures, "inbox_unhandled") == 1


def test_work_that_is_taken_back_is_counted_by_what_happened_to_its_worker(begun, ordered, worker):
    # Given a process that fell silent, one that is at it for too long, one that could not write down how it went, and one that stops
    w1 = worker("w1")
    taken = {name: jobs_of(ordered(user_id=user))[0] for user, name in enumerate(("dead", "stuck", "w1"), start=70)}
    with db:
        liveness.beat("stuck", "host:1")
        for name, job in taken.items():
            jobs.claim(job.id, "script", name)
        Job.update(claimed_at=clock.in_real(-20)).execute()
        Job.update(claimed_at=clock.in_real(-maintenance.LONGEST_CLAIM - 1)).where(Job.claimed_by == "stuck").execute()
    # When all of them are taken back, and work of a process that is told to stop
    maintenance.beat(w1)
    maintenance.reclaim(w1)
    with db:
        jobs.claim(taken["w1"].id, "script", "w1")
    maintenance.leave(w1)
    samples.of_this_process.save()
    # Then each is counted for what it is, and the last is none
    figures = scraped()
    assert [figure(figures, "reclaims_total", reason=reason) for reason in ("died", "hung", "unsettled")] == [1, 1, 1]


def two_minutes_pass() -> None:
    """For everything that is in the books."""
    with db:
        db.execute_sql("UPDATE job_events SET at = at - interval '2 minutes'")
        db.execute_sql("UPDATE jobs SET created_at = created_at - interval '2 minutes'")


def stage_done(job: Job, stage: str, to: str, **facts: str) -> None:
    """Two minutes, a retry, and two minutes more."""
    two_minutes_pass()
    with db:
        jobs.again(jobs.claim(job.id, stage, "w"), stage, "once more", 0.0)
    two_minutes_pass()
    with db:
        jobs.forward(jobs.claim(job.id, stage, "w"), to, "on", **facts)


def test_a_delivered_job_is_counted_with_the_time_of_each_stage(begun, ordered):
    # Given a job that goes from stage to stage, four minutes in each
    job = jobs_of(ordered())[0]
    two_minutes_pass()
    with db:
        jobs.again(jobs.claim(job.id, "script", "w"), "script", "no answer", 0.0)
    stage_done(job, "script", "submit", prompt="p", prompt_source="gpt")
    stage_done(job, "submit", "render")
    stage_done(job, "render", "deliver", result_url="http://x")
    two_minutes_pass()
    # When it is delivered
    with db:
        taken = jobs.claim(job.id, "deliver", "w")
    endings.delivered(taken, "file")
    samples.of_this_process.save()
    figures = scraped()
    # Then each stage has its time, counted once whatever was tried in it, and the whole has the sum
    assert figure(figures, "jobs_finished_total", outcome="done", category="none") == 1
    for stage, minutes in {"queued": 2, "script": 4, "submit": 4, "render": 4, "deliver": 2}.items():
        assert figure(figures, "stage_seconds_count", stage=stage) == 1
        assert figure(figures, "stage_seconds_sum", stage=stage) == pytest.approx(minutes * 60, abs=10)
    assert figure(figures, "delivery_seconds_sum") == pytest.approx(16 * 60, abs=10)
    assert figure(figures, "delivery_seconds_bucket", le="900.0") == 0
    assert figure(figures, "delivery_seconds_bucket", le="1200.0") == 1


def given_up(job: Job, before_the_commit: Callable[[], object] = lambda: None) -> None:
    with db:
        endings.give_up(job, Failure("USER_ERROR", "rule"), "refused")
        before_the_commit()


def break_off() -> None:
    raise RuntimeError


def test_what_was_rolled_back_is_not_counted(begun, ordered):
    # Given a job that is given up in a transaction that does not come to its end
    job = jobs_of(ordered())[0]
    samples.of_this_process.save()
    with pytest.raises(RuntimeError):
        given_up(job, break_off)
    samples.of_this_process.save()
    # Then it is not among the failed
    assert figure(scraped(), "jobs_finished_total", outcome="failed", category="USER_ERROR") == 0
    # And when it is given up in earnest, it is, under its category
    given_up(job)
    samples.of_this_process.save()
    assert figure(scraped(), "jobs_finished_total", outcome="failed", category="USER_ERROR") == 1


def test_what_broke_off_with_its_connection_is_not_counted_by_the_next_commit(begun, ordered):
    # Given a transaction whose server went away, so that it could not even be rolled back
    job = jobs_of(ordered())[0]
    samples.of_this_process.save()
    with pytest.raises(peewee.PeeweeException):
        given_up(job, lambda: db.execute_sql("SELECT pg_terminate_backend(pg_backend_pid())"))
    # When the same thread commits something else
    with db:
        db.execute_sql("SELECT 1")
    samples.of_this_process.save()
    # Then nothing was counted
    assert figure(scraped(), "jobs_finished_total", outcome="failed", category="USER_ERROR") == 0


def test_no_label_takes_many_values(begun, ordered):
    # Given orders of several people
    for user in (71, 72, 73):
        ordered(user_id=user)
    samples.of_this_process.save()
    # Then every label is one of these
    labels = {name for _, pairs in scraped() for name, _ in pairs}
    assert labels <= {
        "template", "outcome", "category", "stage", "le", "provider", "call", "status", "account", "key", "state", "kind", "host",
        "reason",
    }  # fmt: skip
