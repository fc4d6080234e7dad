"""Every kind of update Telegram sends, some it may invent, with ids of drafts, orders and messages that really are there."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from neurocards.buttons import CHIPS, COUNTS, GRAMMAR, STEPS, TEMPLATES

Update = dict[str, Any]

FILE: Update = {"file_id": "AgAC", "file_unique_id": "AQAD", "file_size": 900}
SIZE: Update = {**FILE, "width": 90, "height": 90}
GROUP: Update = {"id": -1001234567890, "type": "supergroup", "title": "Продавцы"}
CHANNEL: Update = {"id": -1009876543210, "type": "channel", "title": "Новости"}
SOMEBODY: Update = {"id": 99, "is_bot": False, "first_name": "Кто-то"}

# What a message can be, each with what Telegram puts into it.
CONTENTS: dict[str, Update] = {
    "text": {"text": "Кружка для эспрессо, терракота, 90 мл"},
    "short": {"text": "a"},
    "entities": {"text": "<b>жирный</b> & https://example.com", "entities": [{"type": "url", "offset": 17, "length": 19}]},
    "start": {"text": "/start", "entities": [{"type": "bot_command", "offset": 0, "length": 6}]},
    "start with payload": {"text": "/start ref_77", "entities": [{"type": "bot_command", "offset": 0, "length": 6}]},
    "balance": {"text": "/balance"}, "history": {"text": "/history"}, "cancel": {"text": "/cancel"}, "help": {"text": "/help"},
    "language": {"text": "/language"}, "no command": {"text": "/discount@neurocards_bot"},
    "document": {"document": {**FILE, "file_name": "IMG_1.HEIC", "mime_type": "image/heic", "thumbnail": SIZE}},
    "other document": {"document": {**FILE, "file_name": "price.xlsx", "mime_type": "application/vnd.ms-excel"}, "caption": "прайс"},
    "album": {"photo": [SIZE], "media_group_id": "13579"},
    "album of videos": {"video": {**SIZE, "duration": 3}, "media_group_id": "24680"},
    "sticker": {"sticker": {**SIZE, "type": "regular", "is_animated": False, "is_video": False, "emoji": "🙂"}},
    "voice": {"voice": {**FILE, "duration": 3, "mime_type": "audio/ogg"}}, "audio": {"audio": {**FILE, "duration": 200, "title": "x"}},
    "video": {"video": {**SIZE, "duration": 3}}, "round": {"video_note": {**FILE, "length": 240, "duration": 3}},
    "animation": {"animation": {**SIZE, "duration": 2}, "document": {**FILE, "mime_type": "video/mp4"}},
    "contact": {"contact": {"phone_number": "+70000000000", "first_name": "Я"}},
    "location": {"location": {"latitude": 55.75, "longitude": 37.62}},
    "venue": {"venue": {"location": {"latitude": 1.0, "longitude": 1.0}, "title": "Кафе", "address": "ул. 1"}},
    "dice": {"dice": {"emoji": "🎲", "value": 3}},
    "poll": {"poll": {"id": "1", "question": "?", "options": [{"text": "a", "voter_count": 0, "persistent_id": "0"}],
                      "total_voter_count": 0, "is_closed": False,
                      "is_anonymous": True, "type": "regular", "allows_multiple_answers": False}},
    "story": {"story": {"chat": CHANNEL, "id": 5}},
    "forwarded": {"text": "Кружка", "forward_origin": {"type": "hidden_user", "sender_user_name": "Кто-то", "date": 1}},
    "from a channel": {"text": "Новость", "forward_origin": {"type": "channel", "chat": CHANNEL, "message_id": 4, "date": 1}},
    "reply": {"text": "да", "reply_to_message": {"message_id": 2, "date": 1, "chat": GROUP, "from": SOMEBODY, "text": "?"}},
    "pinned": {"pinned_message": {"message_id": 2, "date": 1, "chat": GROUP, "text": "x"}},
    "joined": {"new_chat_members": [SOMEBODY]}, "left": {"left_chat_member": SOMEBODY}, "titled": {"new_chat_title": "Имя"},
    "migrated": {"migrate_to_chat_id": -100777}, "timer": {"message_auto_delete_timer_changed": {"message_auto_delete_time": 60}},
    "paid": {"successful_payment": {"currency": "XTR", "total_amount": 5, "invoice_payload": "p", "telegram_payment_charge_id": "c",
                                    "provider_payment_charge_id": "d"}},
    "web app": {"web_app_data": {"data": "{}", "button_text": "ok"}}, "via bot": {"text": "x", "via_bot": {**SOMEBODY, "is_bot": True}},
    "business": {"text": "x", "business_connection_id": "b"}, "topic": {"text": "x", "message_thread_id": 7, "is_topic_message": True},
    "a kind of tomorrow": {"hologram": {"depth": 3}}, "nothing": {},
}  # fmt: skip


@dataclass
class Facts:
    """What is in the database and the chats now; ids by owner."""

    people: list[int]
    strangers: list[int]
    photos: dict[int, str] = field(default_factory=dict)
    drafts: dict[int, tuple[int, int]] = field(default_factory=dict)
    asked: dict[int, int] = field(default_factory=dict)
    orders: dict[int, list[int]] = field(default_factory=dict)
    jobs: dict[int, list[int]] = field(default_factory=dict)


def _person(number: int) -> Update:
    return {
        "id": number,
        "is_bot": False,
        "first_name": "Анна",
        "last_name": "К.",
        "username": "anna",
        "language_code": "ru",
    }


def _private(number: int) -> Update:
    return {"id": number, "type": "private", "first_name": "Анна", "username": "anna"}


def message(dice: Random, facts: Facts, number: int) -> Update:
    """A message of the person's in their chat with the bot."""
    content = CONTENTS[dice.choice(list(CONTENTS))]
    if dice.random() < 0.12:
        content = {
            "photo": [SIZE, {**SIZE, "file_id": facts.photos[number], "width": 320, "height": 320}],
            **dice.choice(({}, {"caption": "Кружка 90 мл"})),
        }
    base = {
        "message_id": dice.randrange(1, 10**9),
        "date": int(time.time()),
        "from": _person(number),
        "chat": _private(number),
    }
    return {**base, **content}


def press(dice: Random, facts: Facts, number: int, data: str) -> Update:
    """A press of a button with this data."""
    markup = {"inline_keyboard": [[{"text": "Кнопка", "callback_data": data}]]}
    shown = {
        "message_id": facts.asked.get(number, dice.randrange(1, 50)),
        "date": int(time.time()),
        "chat": _private(number),
        "text": "?",
    }
    under: Update = {"message": {**shown, "from": {**SOMEBODY, "is_bot": True}, "reply_markup": markup}}
    elsewhere: tuple[Update, ...] = ({"message": {**shown, "date": 0}}, {"inline_message_id": "CAAq"}, {})
    where = under if dice.random() < 0.9 else dice.choice(elsewhere)
    return {"id": str(dice.randrange(10**18)), "from": _person(number), "chat_instance": "1", "data": data, **where}


def own_data(dice: Random, facts: Facts, owner: int) -> str:
    """Callback data of a button the owner may really have before them."""
    action = dice.choice(list(GRAMMAR))
    draft, version = facts.drafts.get(owner, (1, 1))
    place = {"video": facts.jobs, "file": facts.jobs, "older": facts.jobs}.get(action, facts.orders)
    ids: Sequence[int] = [draft] if action in OF_DRAFT else place.get(owner) or [1]
    return _data(dice, action, dice.choice(ids), version)


OF_DRAFT = ("go", "template", "wish", "skip", "count", "run", "replace", "drop")
LAST: dict[str, tuple[object, ...]] = {"go": STEPS, "template": TEMPLATES, "count": COUNTS}


def _data(dice: Random, action: str, number: int, version: int) -> str:
    if not GRAMMAR[action]:
        return f"v1:{action}"
    more: list[object] = []
    if action in LAST:
        more = [dice.choice(LAST[action])]
    elif action == "wish":
        more = [dice.choice(CHIPS), dice.choice((0, 1))]
    elif action == "run":
        more = [version]
    return ":".join(map(str, ("v1", action, number, *more)))


NO_BUTTONS = (
    "", "v1", "v1:", "v1:run", "v2:new", "v1:run:1", "v1:drop:0", "v1:drop:-1", "v1:drop:٣", f"v1:cancel:{2**63}", "x" * 64, "v1:new\0",
)  # fmt: skip
NOBODYS_IDS = (2**31, 2**63 - 1, 10**18, 987_654_321)


def stale_data(dice: Random, facts: Facts, owner: int) -> str:
    """Data of a button that has had its day, or never was: ids of nothing, old versions, other grammars."""
    action = dice.choice([name for name in GRAMMAR if GRAMMAR[name]])
    draft, version = facts.drafts.get(owner, (1, 1))
    gone = _data(dice, action, dice.choice(NOBODYS_IDS), 1)
    return dice.choice((gone, gone, dice.choice(NO_BUTTONS), f"v1:run:{draft}:{version + dice.choice((1, 7))}"))


def _member(status: str) -> Callable[[Random, Facts, int], Update]:
    def made(dice: Random, facts: Facts, number: int) -> Update:
        chat = dice.choice((_private(number), GROUP, CHANNEL))
        bot = {"user": {**SOMEBODY, "is_bot": True}, "status": "member"}
        return {
            "chat": chat,
            "from": _person(number),
            "date": 1,
            "old_chat_member": bot,
            "new_chat_member": {**bot, "status": status, "until_date": 0},
        }

    return made


def _of_group(dice: Random, facts: Facts, number: int) -> Update:
    anonymous = {"id": 1087968824, "is_bot": True, "first_name": "Group", "username": "GroupAnonymousBot"}
    return {
        **message(dice, facts, number),
        "chat": GROUP,
        "from": dice.choice((_person(number), anonymous)),
        "sender_chat": GROUP,
    }


def _of_channel(dice: Random, facts: Facts, number: int) -> Update:
    return {key: value for key, value in {**message(dice, facts, number), "chat": CHANNEL}.items() if key != "from"}


def _other(content: Update) -> Callable[[Random, Facts, int], Update]:
    return lambda _dice, _facts, number: {
        "id": "1",
        "from": _person(number),
        "user": _person(number),
        "chat": _private(number),
        "date": 1,
        **content,
    }


def _callback(dice: Random, facts: Facts, number: int) -> Update:
    owner = number if dice.random() < 0.7 else dice.choice(facts.people)
    data = own_data(dice, facts, owner) if dice.random() < 0.8 else stale_data(dice, facts, owner)
    return press(dice, facts, number, data)


# Kind of update, what makes one, how often among a hundred.
KINDS: tuple[tuple[str, Callable[[Random, Facts, int], Update], int], ...] = (
    ("message", message, 42), ("message", _of_group, 5), ("edited_message", message, 6), ("callback_query", _callback, 36),
    ("my_chat_member", _member("member"), 1), ("my_chat_member", _member("kicked"), 1), ("channel_post", _of_channel, 1),
    ("edited_channel_post", _of_channel, 1), ("inline_query", _other({"query": "к", "offset": ""}), 1),
    ("pre_checkout_query", _other({"currency": "XTR", "total_amount": 5, "invoice_payload": "p"}), 1),
    ("poll_answer", _other({"poll_id": "1", "option_ids": [0], "option_persistent_ids": ["0"]}), 1),
    ("poll", _other(CONTENTS["poll"]["poll"]), 1),
    ("message_reaction", _other({"message_id": 1, "old_reaction": [], "new_reaction": [{"type": "emoji", "emoji": "👍"}]}), 1),
    ("chat_join_request", _other({"user_chat_id": 5}), 1), ("hologram", _other({"depth": 3}), 1),
)  # fmt: skip


def real_update(dice: Random, facts: Facts) -> Update:
    """An update with nothing wrong in it but perhaps its moment; without its id."""
    kind, make, _ = dice.choices(KINDS, [often for *_, often in KINDS])[0]
    return {kind: make(dice, facts, dice.choice(facts.people))}
