"""Around everything: each line that is logged meanwhile says which message, job and update it is about."""

from typing import Any

from dramatiq import Broker, MessageProxy, Middleware
from structlog.contextvars import bind_contextvars, clear_contextvars

# What the number in a message is the id of; that of `check` are several, and each is bound while it is looked at.
_ID_OF = {"script": "job_id", "submit": "job_id", "deliver": "job_id", "tell": "outbox_id", "announce": "outbox_id"}


class LogContext(Middleware):
    """Binds what a message is about to the worker's thread, and frees the thread of it afterwards."""

    def before_process_message(self, broker: Broker, message: MessageProxy) -> None:
        """Whatever an earlier message left behind is gone too."""
        clear_contextvars()
        about = {_ID_OF[message.actor_name]: message.args[0]} if message.actor_name in _ID_OF else {}
        update = {"update_id": message.options["update_id"]} if "update_id" in message.options else {}
        bind_contextvars(actor=message.actor_name, **about, **update)

    def after_process_message(
        self, broker: Broker, message: MessageProxy, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        """After all others, who may still have something to say about it."""
        clear_contextvars()

    def after_skip_message(self, broker: Broker, message: MessageProxy) -> None:
        """Likewise."""
        clear_contextvars()
