"""What people do in their chats: each action changes the chat and becomes an update of the bot."""

import secrets
from dataclasses import dataclass, field, replace
from typing import Any

from sandbox.telegram.files import Media
from sandbox.telegram.limits import MAX_TEXT_UNITS, MESSAGE_LIFETIME_SECONDS
from sandbox.telegram.state import Bot, Chat, Message, Telegram
from sandbox.telegram.text import Formatted, plain, units

Json = dict[str, Any]


class Impossible(ValueError):
    """Something a person can't do in Telegram either; the text says why."""


@dataclass
class Done:
    """The updates and messages an action made; an update the bot didn't ask for has no id here.

    `event` is the number of the action's last event: what the bot does in answer has a higher one.
    """

    update_ids: list[int] = field(default_factory=list)
    message_ids: list[int] = field(default_factory=list)
    event: int = 0

    def json(self) -> Json:
        """For the control API."""
        return {"update_ids": self.update_ids, "message_ids": self.message_ids, "event": self.event}


class Actor:
    """One person's hands in one chat."""

    def __init__(self, telegram: Telegram, bot: Bot, chat: Chat) -> None:
        """Act as `chat.person` towards `bot`."""
        self._telegram = telegram
        self._bot = bot
        self._chat = chat

    def say(self, text: str) -> Done:
        """Send a text, a long one in parts of 4096 units as Telegram's apps do. Raises Impossible for an empty one."""
        if not text.strip():
            raise Impossible("an empty text can't be sent")
        return self._send(*(Message(0, 0, False, plain(part)) for part in _parts(text)))

    def send(self, media: Media, caption: str = "") -> Done:
        """Send one file with an optional caption."""
        return self._send(Message(0, 0, False, plain(caption), media))

    def album(self, files: list[Media], caption: str = "") -> Done:
        """Send files together: separate messages with one `media_group_id`, the caption on the first."""
        group = str(secrets.randbelow(2**53))
        captions = [plain(caption)] + [Formatted()] * (len(files) - 1)
        pairs = zip(files, captions, strict=True)
        return self._send(*(Message(0, 0, False, text, media, group=group) for media, text in pairs))

    def place(self, latitude: float, longitude: float) -> Done:
        """Send a location."""
        return self._send(Message(0, 0, False, extra={"location": {"latitude": latitude, "longitude": longitude}}))

    def _send(self, *messages: Message) -> Done:
        if self._chat.blocked:
            raise Impossible("the bot is blocked: unblock it first")
        done = Done()
        with self._telegram.lock:
            # From the first message on the bot may write to this person.
            self._chat.started = True
            for message in messages:
                message.id, message.date = self._bot.next_message_id(), int(self._telegram.now())
                self._chat.messages[message.id] = message
                self._announce("message", "user_message", message, done)
        return done

    def edit(self, message_id: int, text: str) -> Done:
        """Change the text or caption of one's own message. Raises Impossible for anyone else's."""
        with self._telegram.lock:
            message = self._chat.messages.get(message_id)
            if message is None or message.from_bot:
                raise Impossible("only one's own message can be edited")
            changed = replace(message, text=plain(text), edit_date=int(self._telegram.now()))
            self._chat.messages[message_id] = changed
            done = Done()
            self._announce("edited_message", "user_edit", changed, done)
        return done

    def _announce(self, kind: str, event: str, message: Message, done: Done) -> None:
        body = self._telegram.message_json(self._bot, self._chat, message)
        update_id = self._update(kind, body, done)
        done.message_ids.append(message.id)
        # The event comes second, yet under the same lock: what the bot answers is always numbered higher.
        self._event(done, event, update_id=update_id, message=message.view())

    def _update(self, kind: str, content: Json, done: Done) -> int:
        presses = kind == "callback_query"
        lifetime = self._telegram.settings.callback_lifetime_seconds if presses else MESSAGE_LIFETIME_SECONDS
        update_id = self._bot.updates.put(kind, content, lifetime)
        if update_id:
            done.update_ids.append(update_id)
        return update_id

    def _event(self, done: Done, kind: str, **details: Any) -> None:
        done.event = self._telegram.events.add(self._chat.person.id, kind, self._telegram.now(), **details)

    def tap(self, message_id: int, data: str, *, forged: bool = False, sender: Json | None = None) -> Done:
        """Press the button with this `data`.

        Raises Impossible when the message has no such button, unless `forged`: then any data, on any or no message, by
        any `sender`, as a hostile client could try.
        """
        with self._telegram.lock:
            message = self._chat.messages.get(message_id)
            offered = [button for row in message.inline_keyboard for button in row] if message else []
            if not forged and data not in [button.get("callback_data") for button in offered]:
                raise Impossible(f"message {message_id} has no button with the data {data!r}")
            callback_id = self._telegram.new_callback(self._bot, self._chat.person.id, message_id)
            content = {
                "id": callback_id,
                "from": sender or self._chat.person.json(),
                "message": self._tapped(message, message_id),
                "chat_instance": str(self._chat.person.id * 1_000_003),
                "data": data,
            }
            done = Done()
            update_id = self._update("callback_query", content, done)
            self._event(done, "tap", update_id=update_id, callback_id=callback_id, message_id=message_id, data=data)
        return done

    def _tapped(self, message: Message | None, message_id: int) -> Json:
        if message is None:
            # Telegram's InaccessibleMessage.
            return {"chat": self._chat.json(), "message_id": message_id, "date": 0}
        return self._telegram.message_json(self._bot, self._chat, message)

    def block(self, blocked: bool) -> Done:
        """Block or unblock the bot; nothing happens when it already is so."""
        done = Done()
        with self._telegram.lock:
            if self._chat.blocked == blocked:
                return done
            self._chat.blocked = blocked
            before, after = ("member", "kicked") if blocked else ("kicked", "member")
            content = {
                "chat": self._chat.json(),
                "from": self._chat.person.json(),
                "date": int(self._telegram.now()),
                "old_chat_member": self._membership(before),
                "new_chat_member": self._membership(after),
            }
            update_id = self._update("my_chat_member", content, done)
            self._event(done, "blocked" if blocked else "unblocked", update_id=update_id)
        return done

    def _membership(self, status: str) -> Json:
        return {
            "user": self._bot.json(),
            "status": status,
            **({"until_date": 0} if status == "kicked" else {}),
        }


def _parts(text: str) -> list[str]:
    """Texts of at most 4096 units each."""
    parts, part, length = [], "", 0
    for char in text.strip():
        size = units(char)
        if length + size > MAX_TEXT_UNITS:
            parts.append(part)
            part, length = "", 0
        part, length = part + char, length + size
    return [*parts, part]
