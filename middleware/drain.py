"""A worker that is about to stop must not swallow new messages: without this they sit in its memory until it is gone."""

from collections import defaultdict
from typing import Any

from dramatiq import Broker, Middleware, Worker
from dramatiq.common import iter_queue


class Drain(Middleware):
    """Stops fetching and gives back what never started. Uses Dramatiq's inner attributes: its version is pinned, a test watches."""

    def before_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """Hands prefetched messages to the other workers at once."""
        for consumer in worker.consumers.values():
            consumer.prefetch = 0
            inner: Any = consumer.consumer
            if inner is not None:
                inner.prefetch = 0
        unstarted: dict[str, list[Any]] = defaultdict(list)
        for item in iter_queue(worker.work_queue):
            unstarted[item.message.queue_name].append(item.message)
        for queue, messages in unstarted.items():
            worker.consumers[queue].requeue_messages(messages)
