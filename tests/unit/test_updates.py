"""Which updates reach the handlers: those Telegram sends, and none that a handler could not rely on."""

import copy

import pytest

from neurocards.clients.updates import Unreadable, readable

PERSON = {"id": 7, "is_bot": False, "first_name": "Анна"}
CHAT = {"id": 7, "type": "private", "first_name": "Анна"}
SIZE = {"file_id": "AgAC", "file_unique_id": "AQAD", "width": 90, "height": 90}
MESSAGE = {"message_id": 5, "date": 1, "chat": CHAT, "from": PERSON, "text": "Кружка"}
PRESS = {"id": "1", "from": PERSON, "chat_instance": "1", "message": MESSAGE, "data": "v1:new"}
BOT = {"user": {**PERSON, "is_bot": True}, "status": "member"}
STANDING = {"chat": CHAT, "from": PERSON, "date": 1, "old_chat_member": BOT, "new_chat_member": BOT}

SOUND = {
    "a text": {"message": MESSAGE},
    "a photo in an album": {"message": {**MESSAGE, "photo": [SIZE], "media_group_id": "13579"}},
    "a document without a name": {"message": {**MESSAGE, "document": {"file_id": "A", "file_unique_id": "a"}}},
    "a button": {"callback_query": PRESS},
    "a button of a message that is gone": {"callback_query": {**PRESS, "message": {**MESSAGE, "date": 0}}},
    "a button of no message": {"callback_query": {"id": "1", "from": PERSON, "chat_instance": "1", "data": "x"}},
    "a button that leads to a page": {
        "callback_query": {
            **PRESS,
            "message": {**MESSAGE, "reply_markup": {"inline_keyboard": [[{"text": "x", "url": "https://x.example"}]]}},
        }
    },
    "a blocking": {"my_chat_member": STANDING},
    "a channel's post in a group": {"message": {**MESSAGE, "chat": {"id": -100, "type": "supergroup", "title": "x"}}},
    "a text with a NUL and half a letter": {"message": {**MESSAGE, "text": "a\0\ud83d"}},
    "something new": {"hologram": {"depth": 3}},
    "nothing": {},
}


@pytest.mark.parametrize("what", SOUND)
def test_what_telegram_sends_is_readable(what):
    update = {"update_id": 1, **SOUND[what]}
    assert readable(copy.deepcopy(update)) == update


BROKEN = {
    "a number for a text": ({"message": {**MESSAGE, "text": 12}}, "message.text"),
    "null for a text": ({"message": {**MESSAGE, "text": None}}, "message.text"),
    "a list for a message": ({"message": [1]}, "message"),
    "a photo without sizes": ({"message": {**MESSAGE, "photo": []}}, "message.photo"),
    "null for a document": ({"message": {**MESSAGE, "document": None}}, "message.document"),
    "null for a button": (
        {"callback_query": {**PRESS, "message": {**MESSAGE, "reply_markup": {"inline_keyboard": [[None]]}}}},
        "callback_query.message.reply_markup.inline_keyboard.0.0",
    ),
    "an album named with a NUL": ({"message": {**MESSAGE, "media_group_id": "1\0"}}, "message.media_group_id"),
    "an id beyond bigint": ({"message": {**MESSAGE, "from": {**PERSON, "id": 2**63}}}, "message.from.id"),
    "a language that is a number": ({"message": {**MESSAGE, "from": {**PERSON, "language_code": 5}}}, "message.from.language_code"),
    "yes for a date": ({"message": {**MESSAGE, "date": True}}, "message.date"),
    "a message of nobody": ({"message": {key: MESSAGE[key] for key in ("message_id", "date", "chat", "text")}}, "of nobody"),
    "a button of nobody": ({"callback_query": {"id": "1", "data": "x"}}, "callback_query.from"),
    "a standing without a standing": ({"my_chat_member": {**STANDING, "new_chat_member": {}}}, "new_chat_member.status"),
    "a poll of tomorrow": ({"message": {**MESSAGE, "poll": {"id": "1"}}}, "the library says"),
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
def test_what_no_handler_could_rely_on_is_refused_with_its_place(what):
    update, place = BROKEN[what]
    with pytest.raises(Unreadable, match=place):
        readable({"update_id": 1, **update})


def test_a_reason_quotes_nothing_of_the_update():
    with pytest.raises(Unreadable) as raised:
        readable({"update_id": 1, "message": {**MESSAGE, "text": ["secret words"]}})
    assert "secret" not in str(raised.value)
