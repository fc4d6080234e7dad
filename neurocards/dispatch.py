"""The messages, named once: sent by name, so that the bot doesn't import the actors.

A message says "look at this row"; lost, late or doubled it changes nothing but the delay.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.errors import BrokerConnectionError, DecodeError
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from neurocards import logs
from neurocards.errors import JobFailed, LostClaim

log = logging.getLogger(__name__)


# As many rows as one message may name.
MOST_ROWS = 100
# How long the look at a queue of delayed messages may pause, and so how long the end of a process may wait for it (milliseconds).
DELAYED_MS = 1000


@dataclass(frozen=True)
class Kind:
    """A kind of message: its queue, and which goes first when a worker has several at hand (the lowest number).

    Scripts have a queue of their own: they are the slow ones, and a crowd of them must not stand before a finished video.
    """

    queue: str
    priority: int


# actor name -> how it travels. The argument is a job's id; for check several, for tell and announce an outbox row's.
MESSAGES = {
    "deliver": Kind("neurocards", 0),
    "tell": Kind("neurocards", 0),
    "check": Kind("neurocards", 10),
    "submit": Kind("neurocards", 20),
    "script": Kind("neurocards_scripts", 30),
    "announce": Kind("neurocards", 40),
}


class StrictBroker(RedisBroker):
    """Dramatiq's broker, but for what is in a queue and is no message of ours: it is passed over.

    Left to itself the library halts a queue for seconds at what it can't read, and a message of an unheard-of queue ends a thread for good.
    """

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> dramatiq.Consumer:
        """The library's, with less in hand, and with an idle look now and then at the queues of delayed messages: we send none."""
        if queue_name.endswith(".DQ"):
            return super().consume(queue_name, prefetch, max(timeout, DELAYED_MS))
        return super().consume(queue_name, _ahead(queue_name, prefetch), timeout)

    def do_fetch(self, queue_name: str, *arguments: Any) -> list[bytes]:
        """The library's command of that name. What is passed over stays with this process and is deleted with Redis's data."""
        fetched = self._dispatch("fetch")(queue_name, *arguments)
        ours = [data for data in fetched if _is_ours(data, queue_name)]
        if len(ours) < len(fetched):
            log.error("%s messages in queue %s are none of ours", len(fetched) - len(ours), queue_name)
        return ours


def _ahead(queue_name: str, prefetch: int) -> int:
    """How many messages of a queue a process may have in hand. What waits in one process no other can take up, idle as it may be:
    so no more than it has threads. And one fewer of the slow ones, so that a thread is left for what is quick.
    """
    # The library asks for two a thread.
    slow = MESSAGES["script"].queue
    threads = max(1, prefetch // 2)
    return max(1, threads - (queue_name == slow))


def _is_ours(data: bytes, queue: str) -> bool:
    try:
        message: dramatiq.Message[None] = dramatiq.Message.decode(data)
    except DecodeError:
        return False
    name, options = message.actor_name, message.options
    return (
        isinstance(name, str)
        and name in MESSAGES
        and MESSAGES[name].queue == queue == message.queue_name
        and len(message.args) == 1
        and _names_rows(message.args[0], several=name == "check")
        and message.kwargs == {}
        and isinstance(options, dict)
        and options.keys() - {"update_id"} == {"redis_message_id"}
        and _is_id(options.get("update_id", 0))
        and isinstance(options["redis_message_id"], str)
        and isinstance(message.message_id, str)
    )


def _names_rows(argument: object, several: bool) -> bool:
    if several:
        return (
            isinstance(argument, list)
            and len(argument) <= MOST_ROWS
            and all(_names_rows(row, several=False) for row in argument)
        )
    return _is_id(argument) and argument != 0


def _is_id(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**63


def make_broker(redis_url: str, middleware: list[dramatiq.Middleware]) -> RedisBroker:
    """A broker that notices a dead worker in 15 s instead of a minute and more, and has no retry loop of its own."""
    # One immediate retry for a connection that went stale: whoever sends has a customer waiting, and the sweep as a safety net.
    patience = {"socket_timeout": 10, "socket_connect_timeout": 2, "retry": Retry(NoBackoff(), 1)}
    broker = StrictBroker(
        url=redis_url, middleware=middleware, heartbeat_timeout=15_000, maintenance_chance=100_000, **patience
    )
    for queue in {kind.queue for kind in MESSAGES.values()}:
        broker.declare_queue(queue)
    return broker


def actor(function: Callable[..., None]) -> dramatiq.Actor[..., None]:
    """Makes the function the actor of the message that has its name. Expected, and so no news for the log: failures of jobs,
    which the middleware settles, and claims that were lost to somebody else."""
    kind = MESSAGES[function.__name__]
    throws = (JobFailed, LostClaim, ExceptionGroup)
    return dramatiq.actor(queue_name=kind.queue, priority=kind.priority, throws=throws)(function)


def waiting() -> int | None:
    """Messages that no worker has fetched yet; None when Redis can't be asked."""
    broker: Any = dramatiq.get_broker()
    try:
        return sum(
            broker.client.llen(f"{broker.namespace}:{queue}") for queue in {kind.queue for kind in MESSAGES.values()}
        )
    except RedisError:
        return None


def send(name: str, argument: int | list[int]) -> bool:
    """Sends one message; False when Redis can't take it now, and then the sweep sends it later."""
    if name not in MESSAGES:
        raise KeyError(name)
    message: dramatiq.Message[None] = dramatiq.Message(
        queue_name=MESSAGES[name].queue, actor_name=name, args=(argument,), kwargs={}, options=logs.cause()
    )
    try:
        dramatiq.get_broker().enqueue(message)
    except (BrokerConnectionError, RedisError) as error:
        log.warning("redis is away, the sweep will send %s(%s): %s", name, argument, type(error).__name__)
        return False
    return True
