"""One Bot API call on its way through the methods."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox.telegram.errors import bad_request
from sandbox.telegram.params import Params, leading_integer
from sandbox.telegram.state import Bot, Chat, Message, Telegram

Json = dict[str, Any]


@dataclass
class Call:
    """Who asks what of whom. `received` is the unix time at which the request came in, before its body was read."""

    telegram: Telegram
    bot: Bot
    params: Params
    received: float

    def chat(self) -> Chat:
        """The chat this call writes to. Raises ApiError 400 or 403 when it may not."""
        return self.telegram.writable(self.bot, self.params.text("chat_id").strip())

    def pace(self, chat: Chat) -> None:
        """Count this call against the optional flood control. Raises ApiError 429."""
        self.telegram.pacer.admit(str(self.bot.index), str(chat.person.id))

    def post(self, chat: Chat, message: Message) -> Message:
        """Put a new message of the bot into the chat; its id and date are set here."""
        # The id is drawn and the event recorded under one lock: ids, messages and events keep the same order.
        with self.telegram.lock:
            message.id, message.date = self.bot.next_message_id(), int(self.telegram.now())
            message.silent = self.params.flag("disable_notification")
            if self.params.flag("protect_content"):
                message.extra = {**message.extra, "has_protected_content": True}
            self._show_keyboard(chat, message)
            chat.messages[message.id] = message
            self.event(chat, "message", message=message.view())
        return message

    def _show_keyboard(self, chat: Chat, message: Message) -> None:
        """A reply keyboard belongs to the chat and not to the message."""
        if message.markup and "inline_keyboard" not in message.markup:
            chat.keyboard = message.markup if "keyboard" in message.markup else None
            message.markup = None
            self.event(chat, "keyboard", keyboard=chat.keyboard)

    def event(self, chat: Chat, kind: str, **details: Any) -> None:
        """Record what the bot did, at the time its request was received."""
        self.telegram.events.add(chat.person.id, kind, self.received, **details)

    def shown(self, chat: Chat, message: Message) -> Json:
        """The message as the answer of this call."""
        return self.telegram.message_json(self.bot, chat, message)

    def reply_to(self, chat: Chat) -> int:
        """The id of the message this one answers, 0 for none. Raises ApiError 400 when it is gone."""
        given = self.params.parsed("reply_parameters", "reply parameters")
        if given is not None and not isinstance(given, dict):
            raise bad_request("object expected as reply parameters")
        given = given or {}
        message_id = leading_integer(str(given.get("message_id") or self.params.text("reply_to_message_id")))
        lenient = given.get("allow_sending_without_reply") or self.params.flag("allow_sending_without_reply")
        if not message_id or message_id in chat.messages:
            return message_id
        if lenient:
            return 0
        raise bad_request("message to be replied not found")


Method = Callable[[Call], Any]
