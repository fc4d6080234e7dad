"""How many messages a worker process takes in hand: what waits in one process, no other can take up."""

import itertools
from collections.abc import Iterator

import pytest

from neurocards import dispatch

THREADS = 4
# What the library asks for a process of so many threads.
ASKED = 2 * THREADS


@pytest.fixture
def broker(redis_url: str) -> Iterator[dispatch.StrictBroker]:
    """A broker whose queues are empty."""
    broker = dispatch.make_broker(redis_url, [])
    broker.flush_all()
    yield broker
    broker.flush_all()
    broker.close()


@pytest.mark.parametrize(("name", "taken"), [("script", THREADS - 1), ("submit", THREADS), ("deliver", THREADS)])
def test_a_process_takes_no_more_than_its_threads_can_do_and_leaves_one_for_what_is_quick(broker, name, taken):
    # Given more messages of a kind than a process has threads
    queue = dispatch.MESSAGES[name].queue
    for job_id in range(1, 2 * ASKED):
        broker.enqueue(
            dispatch.dramatiq.Message(queue_name=queue, actor_name=name, args=(job_id,), kwargs={}, options={})
        )
    # When a process fetches, and has finished none of them
    consumer = broker.consume(queue, prefetch=ASKED, timeout=10)
    fetched = list(itertools.takewhile(lambda message: message is not None, consumer))
    # Then the others are left for other processes
    assert len(fetched) == taken
    consumer.close()


def test_a_process_of_one_thread_writes_scripts_too(broker):
    broker.enqueue(
        dispatch.dramatiq.Message(
            queue_name=dispatch.MESSAGES["script"].queue, actor_name="script", args=(1,), kwargs={}, options={}
        )
    )
    consumer = broker.consume(dispatch.MESSAGES["script"].queue, prefetch=2, timeout=10)
    assert next(consumer) is not None
    consumer.close()


def test_queues_of_delayed_messages_which_nobody_sends_are_looked_at_now_and_then(broker):
    # When an idle worker looks for messages ten times a second
    consumers = {
        queue: broker.consume(queue, prefetch=ASKED, timeout=100) for queue in broker.get_declared_delay_queues()
    }
    # Then it looks there once in a second at most, and goes on doing so in each queue
    assert {queue: consumer.timeout for queue, consumer in consumers.items()} == {
        "neurocards.DQ": 1000, "neurocards_scripts.DQ": 1000,
    }  # fmt: skip
    assert broker.consume("neurocards", prefetch=ASKED, timeout=100).timeout == 100
