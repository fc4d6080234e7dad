"""The messages, named once: sent by name, so that the bot doesn't import the actors.

A message says "look at this row"; lost, late or doubled it changes nothing but the delay.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.errors import BrokerConnectionError
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from neurocards.errors import JobFailed, LostClaim

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Kind:
    """A kind of message: its queue, and which goes first when a worker has several at hand (the lowest number).

    Scripts have a queue of their own: they are the slow ones, and a crowd of them must not stand before a finished video.
    """

    queue: str
    priority: int


# actor name -> how it travels. The argument is a job's id; for check several, for tell an outbox row's.
MESSAGES = {
    "deliver": Kind("neurocards", 0),
    "tell": Kind("neurocards", 0),
    "check": Kind("neurocards", 10),
    "submit": Kind("neurocards", 20),
    "script": Kind("neurocards_scripts", 30),
}


def make_broker(redis_url: str, middleware: list[dramatiq.Middleware]) -> RedisBroker:
    """A broker that notices a dead worker in 15 s instead of a minute and more, and has no retry loop of its own."""
    # One immediate retry for a connection that went stale: whoever sends has a customer waiting, and the sweep as a safety net.
    patience = {"socket_timeout": 10, "socket_connect_timeout": 2, "retry": Retry(NoBackoff(), 1)}
    broker = RedisBroker(
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
        return sum(broker.client.llen(f"{broker.namespace}:{kind.queue}") for kind in set(MESSAGES.values()))
    except RedisError:
        return None


def send(name: str, argument: int | list[int]) -> bool:
    """Sends one message; False when Redis can't take it now, and then the sweep sends it later."""
    if name not in MESSAGES:
        raise KeyError(name)
    message: dramatiq.Message[None] = dramatiq.Message(
        queue_name=MESSAGES[name].queue, actor_name=name, args=(argument,), kwargs={}, options={}
    )
    try:
        dramatiq.get_broker().enqueue(message)
    except (BrokerConnectionError, RedisError) as error:
        log.warning("redis is away, the sweep will send %s(%s): %s", name, argument, type(error).__name__)
        return False
    return True
