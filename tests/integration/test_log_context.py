"""Ids in the log: an update's goes with the messages that it causes, a message's clings to nothing after it."""

import dramatiq
import pytest
from structlog.contextvars import bound_contextvars, clear_contextvars, get_contextvars

from middleware.log_context import LogContext
from neurocards import dispatch


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
    [("submit", 5, {"job_id": 5}), ("tell", 6, {"outbox_id": 6}), ("check", [7, 8], {})],
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
