"""The messages, named once: sent by name, so that the bot doesn't import the actors.

A message says "look at this row"; lost, late or doubled it changes nothing but the delay.
"""

import logging
from collections.abc import Iterable

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.errors import BrokerConnectionError
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

log = logging.getLogger(__name__)

QUEUE = "neurocards"
# actor name -> what its single argument is
MESSAGES = {
    "script": "a job's id",
    "submit": "a job's id",
    "check": "ids of rendering jobs",
    "deliver": "a job's id",
    "tell": "an outbox row's id",
}


def make_broker(redis_url: str, middleware: list[dramatiq.Middleware]) -> RedisBroker:
    """A broker that notices a dead worker in 15 s instead of a minute and more, and has no retry loop of its own."""
    # One immediate retry for a connection that went stale: whoever sends has a customer waiting, and the sweep as a safety net.
    patience = {"socket_timeout": 10, "socket_connect_timeout": 2, "retry": Retry(NoBackoff(), 1)}
    broker = RedisBroker(
        url=redis_url, middleware=middleware, heartbeat_timeout=15_000, maintenance_chance=100_000, **patience
    )
    broker.declare_queue(QUEUE)
    return broker


def send_each(name: str, row_ids: Iterable[int]) -> bool:
    """Sends a message for each row until Redis can't take one; False then, and the sweep sends the rest later."""
    return all(send(name, row_id) for row_id in row_ids)


def send(name: str, argument: int | list[int]) -> bool:
    """Sends one message; False when Redis can't take it now, and then the sweep sends it later."""
    if name not in MESSAGES:
        raise KeyError(name)
    message: dramatiq.Message[None] = dramatiq.Message(
        queue_name=QUEUE, actor_name=name, args=(argument,), kwargs={}, options={}
    )
    try:
        dramatiq.get_broker().enqueue(message)
    except (BrokerConnectionError, RedisError) as error:
        log.warning("redis is away, the sweep will send %s(%s): %s", name, argument, type(error).__name__)
        return False
    return True
