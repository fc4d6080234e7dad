"""Who is there: bots, people, chats and messages, as the imitated Telegram remembers them."""

import re
import secrets
import threading
from dataclasses import dataclass, field
from typing import Any

from sandbox.journal import fingerprint
from sandbox.telegram.errors import ApiError, bad_request, forbidden, not_found
from sandbox.telegram.events import EventLog
from sandbox.telegram.files import FileStore, Media
from sandbox.telegram.limits import CALLBACK_ANSWER_SECONDS, CALLBACK_LIFETIME_SECONDS, Pacer
from sandbox.telegram.text import Formatted
from sandbox.telegram.updates import UpdateQueue
from sandbox.telegram.views import media_view
from sandbox.telegram.webhook import Webhook
from sandbox.world import World

Json = dict[str, Any]

_FIRST_PERSON_ID = 7_000_001
_TOKEN = re.compile(r"[0-9]{1,16}:[A-Za-z0-9_-]{30,64}")
_CHAT_ID = re.compile(r"[0-9]{1,19}")
_MAX_CALLBACKS = 10_000
_STOP_WAIT_SECONDS = 3600.0


@dataclass(eq=False)
class Person:
    """Someone who may write to bots. In a private chat the chat's id is the person's."""

    id: int
    first_name: str
    username: str = ""
    language_code: str = ""

    def json(self) -> Json:
        """The Bot API's User."""
        optional = {"username": self.username, "language_code": self.language_code}
        return {
            "id": self.id,
            "is_bot": False,
            "first_name": self.first_name,
            **{k: v for k, v in optional.items() if v},
        }


@dataclass(eq=False)
class Message:
    """One message of a private chat. `extra` are Bot API fields without text or files, such as a location."""

    id: int
    date: int
    from_bot: bool
    text: Formatted = field(default_factory=Formatted)
    media: Media | None = None
    markup: Json | None = None
    extra: Json = field(default_factory=dict)
    group: str = ""
    reply_to: int = 0
    edit_date: int = 0
    silent: bool = False

    @property
    def inline_keyboard(self) -> list[list[Json]]:
        """The rows of buttons under the message; empty when there are none."""
        return self.markup.get("inline_keyboard", []) if self.markup else []

    def content(self) -> tuple[Any, ...]:
        """What must differ for an edit to be an edit."""
        file_id = self.media.best.file_unique_id if self.media else ""
        return self.text, file_id, self.inline_keyboard

    def view(self) -> Json:
        """The message as the control API and the chat page show it."""
        kinds = [key for key in self.extra if key != "has_protected_content"]
        return {
            "id": self.id,
            "date": self.date,
            "from_bot": self.from_bot,
            "kind": self.media.kind if self.media else (kinds or ["text"])[0],
            "text": self.text.text,
            "entities": self.text.entities,
            "media": media_view(self.media) if self.media else None,
            "extra": self.extra,
            "buttons": self.inline_keyboard,
            "group": self.group,
            "reply_to": self.reply_to,
            "edited": bool(self.edit_date),
            "silent": self.silent,
        }


@dataclass(eq=False)
class Chat:
    """A bot's private chat with a person; `messages` holds what is visible now, by id."""

    person: Person
    started: bool = False
    blocked: bool = False
    messages: dict[int, Message] = field(default_factory=dict)
    keyboard: Json | None = None

    def json(self) -> Json:
        """The Bot API's Chat."""
        named = {"username": self.person.username} if self.person.username else {}
        return {"id": self.person.id, "first_name": self.person.first_name, **named, "type": "private"}


@dataclass(eq=False)
class Callback:
    """A button press that waits for its answer; `at` is when it was pressed."""

    at: float
    chat_id: int
    message_id: int


class Bot:
    """One bot: its updates, its chats and its profile. Unclaimed (id 0) until a token shows up."""

    def __init__(self, index: int, world: World) -> None:
        """A bot nobody has used yet."""
        self.index = index
        self.id = 0
        self.key = ""
        self.name = "Нейрокарточки"
        self.updates = UpdateQueue(world.clock)
        self.chats: dict[int, Chat] = {}
        self.callbacks: dict[str, Callback] = {}
        self.commands: dict[tuple[str, str], list[Json]] = {}
        self.texts: dict[tuple[str, str], str] = {}
        self.menu_buttons: dict[str, Json] = {}
        self.webhook: Webhook | None = None
        self.webhook_allowed_at = 0.0
        # Like update ids, drawn from the time: a message id that a database remembers must not mean another message.
        self._last_message_id = int(world.clock.now() * 10) % 1_000_000_000

    def json(self) -> Json:
        """The Bot API's User for the bot itself."""
        return {
            "id": self.id,
            "is_bot": True,
            "first_name": self.name,
            "username": f"sandbox_{self.id}_bot",
        }

    def next_message_id(self) -> int:
        """A new message id; they grow across all private chats of the bot, and across restarts of the sandbox."""
        self._last_message_id += 1
        return self._last_message_id


@dataclass
class Settings:
    """What the control API may change. `tokens` are fingerprints; empty admits any well-formed token.

    The seconds are real ones, not divided by `time_scale`: they race with a bot's network and not with a service's delays.
    """

    tokens: frozenset[str] = frozenset()
    callback_answer_seconds: float = CALLBACK_ANSWER_SECONDS
    callback_lifetime_seconds: float = CALLBACK_LIFETIME_SECONDS


class Telegram:
    """The whole stand-in. `lock` guards people, chats and messages; slow work on files happens outside it."""

    def __init__(self, world: World) -> None:
        """Start with one unclaimed bot and nobody to talk to."""
        self.world = world
        self.lock = threading.RLock()
        self.settings = Settings()
        self.pacer = Pacer(world.clock)
        self.events = EventLog()
        self.files = FileStore(world.clock.now, world.clock.scaled)
        self.people: dict[int, Person] = {}
        self.bots = [Bot(0, world)]
        threading.Thread(target=self._let_go_at_stop, name="telegram-stop", daemon=True).start()

    def _let_go_at_stop(self) -> None:
        """Wake every waiter when the sandbox stops: the server waits for its connections before it calls `close`."""
        while not self.world.clock.stopped:
            self.world.clock.wait_real(_STOP_WAIT_SECONDS)
        self.events.close()
        for bot in self.bots:
            bot.updates.close()

    def now(self) -> float:
        """Unix seconds."""
        return self.world.clock.now()

    def bot(self, token: str) -> Bot:
        """The bot with this token; the first one claims what users have already sent. Raises ApiError 401 or 404."""
        bot_id, colon, _ = token.partition(":")
        # Without a number and a colon Telegram doesn't even see a token in the path.
        if not (bot_id.isdecimal() and colon):
            raise not_found()
        key = fingerprint(token)
        admitted = not self.settings.tokens or key in self.settings.tokens
        if not _TOKEN.fullmatch(token) or not admitted:
            raise ApiError(401, "Unauthorized")
        with self.lock:
            # Only the fingerprint is kept, so that no answer, log or dump can hold the token.
            known = next((bot for bot in self.bots if bot.key == key), None)
            return known or self._claim(key, int(bot_id))

    def _claim(self, key: str, bot_id: int) -> Bot:
        if self.bots[-1].key:
            self.bots.append(Bot(len(self.bots), self.world))
        bot = self.bots[-1]
        bot.key, bot.id = key, bot_id
        return bot

    def add_person(self, person_id: int | None, first_name: str, username: str, language_code: str) -> Person:
        """Create a person, or update the one with this id."""
        with self.lock:
            chosen = person_id or max([_FIRST_PERSON_ID - 1, *self.people]) + 1
            person = self.people.setdefault(chosen, Person(chosen, first_name))
            person.first_name, person.username, person.language_code = first_name, username, language_code
            return person

    def chat(self, bot: Bot, person: Person) -> Chat:
        """The chat of the two, made when first needed."""
        with self.lock:
            return bot.chats.setdefault(person.id, Chat(person))

    def writable(self, bot: Bot, chat_id: str) -> Chat:
        """The chat a bot wants to write to. Raises ApiError 400 or 403 when it can't."""
        if not chat_id:
            raise bad_request("chat_id is empty")
        # Groups (negative ids) and channel names don't exist here: like any unknown chat, they aren't found.
        person = self.people.get(int(chat_id)) if _CHAT_ID.fullmatch(chat_id) else None
        if person is None:
            raise bad_request("chat not found")
        chat = self.chat(bot, person)
        if chat.blocked:
            raise forbidden("bot was blocked by the user")
        if not chat.started:
            raise forbidden("bot can't initiate conversation with a user")
        return chat

    def message_json(self, bot: Bot, chat: Chat, message: Message, *, nested: bool = False) -> Json:
        """The Bot API's Message; a reply's original is shown one level deep."""
        sender = bot.json() if message.from_bot else chat.person.json()
        keys = ("caption", "caption_entities") if message.media else ("text", "entities")
        body: Json = {"message_id": message.id, "from": sender, "chat": chat.json(), "date": message.date}
        # A reply to a message that was deleted since shows no original.
        original = chat.messages.get(message.reply_to)
        if original and not nested:
            body["reply_to_message"] = self.message_json(bot, chat, original, nested=True)
        if message.edit_date:
            body["edit_date"] = message.edit_date
        if message.group:
            body["media_group_id"] = message.group
        body |= message.text.fields(*keys) | message.extra
        if message.media:
            body[message.media.kind] = message.media.json()
        if message.inline_keyboard:
            body["reply_markup"] = message.markup
        return body

    def new_callback(self, bot: Bot, chat_id: int, message_id: int) -> str:
        """Register a button press and return its id."""
        callback_id = str(secrets.randbelow(2**63))
        with self.lock:
            bot.callbacks[callback_id] = Callback(self.now(), chat_id, message_id)
            if len(bot.callbacks) > _MAX_CALLBACKS:
                del bot.callbacks[next(iter(bot.callbacks))]
        return callback_id

    def close(self) -> None:
        """Remove the stored files, once nobody can ask for them any more."""
        self.files.close()
