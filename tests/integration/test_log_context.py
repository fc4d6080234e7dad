"""Ids in the log: an update's goes with the messages that it causes, a message's clings to nothing after it."""

from dataclasses import replace

import dramatiq
import pytest
from structlog.contextvars import bound_contextvars, clear_contextvars, get_contextvars

from middleware.log_context import LogContext
from neurocards import clock, courier, dispatch, outbox, pipeline
from neurocards.clients.kie import TaskRecord
from neurocards.db import db
from neurocards.keys import fingerprint
from neurocards.models import Job, Outgoing, ProviderAttempt
from tests.conftest import jobs_of


@pytest.fixture(autouse=True)
def nothing_bound():
    """Each test begins and ends with a thread that is at nothing."""
    clear_contextvars()
    yield
    clear_contextvars()


@pytest.fixture
def queue(idle_broker):
    """What was sent for scripts since the test began."""
    queue = dispatch.MESSAGES["script"].queue
    idle_broker.flush(queue)

    def sent() -> list[dramatiq.Message]:
        stored = idle_broker.client.hgetall(f"{idle_broker.namespace}:{queue}.msgs")
        return [dramatiq.Message.decode(data) for data in stored.values()]

    yield sent
    idle_broker.flush(queue)


def test_a_message_carries_the_update_that_caused_it(queue):
    # When a job is sent for while an update is handled, and another when none is
    with bound_contextvars(update_id=123):
        assert dispatch.send("script", 1)
    assert dispatch.send("script", 2)
    # Then the first message names the update, and both are such as workers take
    updates = {message.args[0]: message.options.get("update_id") for message in queue()}
    assert updates == {1: 123, 2: None}


def message(name: str, argument: object, **options: object) -> dramatiq.MessageProxy:
    return dramatiq.MessageProxy(
        dramatiq.Message(queue_name="q", actor_name=name, args=(argument,), kwargs={}, options=options)
    )


@pytest.mark.parametrize(
    ("name", "argument", "about"),
    [
        ("submit", 5, {"job_id": 5}),
        ("tell", 6, {"outbox_id": 6}),
        ("announce", 6, {"outbox_id": 6}),
        ("check", [7, 8], {}),
    ],
)
def test_a_worker_is_at_one_message_at_a_time(idle_broker, name, argument, about):
    context = LogContext()
    # Given a thread to which something of before still clings
    with bound_contextvars(job_id=99, update_id=1):
        # When it takes up a message, Then it is at that and nothing else
        context.before_process_message(idle_broker, message(name, argument, update_id=123))
        assert get_contextvars() == {"actor": name, "update_id": 123, **about}
        # And after it, whatever came of it, at nothing
        context.after_process_message(idle_broker, message(name, argument), exception=ValueError())
        assert get_contextvars() == {}
        context.before_process_message(idle_broker, message(name, argument))
        context.after_skip_message(idle_broker, message(name, argument))
        assert get_contextvars() == {}


class Watched:
    """A vendor that notes what the thread that asks it is said to be at."""

    def __init__(self) -> None:
        self.asked: list[dict[str, object]] = []

    def record(self, *_: object) -> TaskRecord:
        self.asked.append(get_contextvars())
        return TaskRecord("pending")

    def send_text(self, *_: object) -> int:
        self.asked.append(get_contextvars())
        return 1

    edit_text = send_text


def test_threads_that_ask_how_renders_fare_say_which(ordered, worker):
    # Given two renders that are due for a look
    due = [jobs_of(ordered(user_id=user))[0] for user in (7, 8)]
    with db:
        Job.update(status="processing", stage="render", prompt="p", due_at=clock.after(-1)).execute()
        for job in due:
            running = {"key": fingerprint("key-a"), "model": "m", "state": "running", "task_id": str(job.id)}
            ProviderAttempt.create(job=job.id, n=1, nonce=str(job.id), **running)
    # When both are asked about, in threads of a pool
    kie = Watched()
    pipeline.check(replace(worker(), kie=kie), [job.id for job in due])
    # Then what is logged meanwhile is of the one or the other
    assert sorted((at["job_id"], at["order_id"], at["stage"]) for at in kie.asked) == [
        (job.id, job.order_id, "render") for job in due
    ]


@pytest.mark.parametrize("kind", ["card", "alert"])
def test_whoever_is_told_something_it_says_of_which_order_and_job(ordered, worker, kind):
    # Given a card to be drawn, and an alert about its job
    order = ordered()
    job = jobs_of(order)[0]
    with db:
        outbox.alert((7,), "stuck_job:1", job=job.id, order=order.id)
        row = Outgoing.get(Outgoing.kind == kind)
    # When it is told
    bot = Watched()
    courier.tell(replace(worker(), telegram=bot), row.id)
    # Then what is logged meanwhile is of that order, and of that job where there is one
    of_both = {"job_id": job.id, "order_id": order.id}
    assert bot.asked == [of_both if kind == "alert" else {"order_id": order.id}]
