"""The text of a broadcast is what the operator wrote, with its formatting and without the command."""

import pytest
from telebot.types import Message

from handlers.broadcasting import _text


def message(text: str, *entities: dict, reply_to: dict | None = None) -> Message:
    chat = {"id": 1, "type": "private"}
    body = {"message_id": 1, "date": 1, "chat": chat, "text": text, "entities": list(entities)}
    return Message.de_json({**body, "reply_to_message": reply_to} if reply_to else body)


def entity(kind: str, offset: int, length: int, **more: object) -> dict:
    return {"type": kind, "offset": offset, "length": length, **more}


COMMAND = entity("bot_command", 0, 10)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (message("/broadcast Скидки", COMMAND), "Скидки"),
        (message("/broadcast <b> & co", COMMAND), "&lt;b&gt; &amp; co"),
        # the whole message in bold, the command with it
        (message("/broadcast Скидки", COMMAND, entity("bold", 0, 17)), "<b>Скидки</b>"),
        (message("/broadcast 😀 Скидки", COMMAND, entity("bold", 14, 6)), "😀 <b>Скидки</b>"),
        (message("/broadcast a   b\n\n\n\nc", COMMAND, entity("pre", 11, 10)), "<pre>a   b\n\n\n\nc</pre>"),
        (
            message("/broadcast сюда", COMMAND, entity("text_link", 11, 4, url='https://a.example/?q="x"')),
            '<a href="https://a.example/?q=%22x%22">сюда</a>',
        ),
        # a date that apps show in their own way, bold
        (
            message("/broadcast до 12:00", COMMAND, entity("date_time", 14, 5, unix_time=1), entity("bold", 11, 8)),
            "<b>до 12:00</b>",
        ),
        (message("/broadcast", COMMAND), ""),
        (message("/broadcast \u200b\u2060", COMMAND), ""),
        (message("/broadcast a\0b\ud83d", COMMAND), "ab"),
    ],
)
def test_formatting_stays_and_the_command_goes(given, expected):
    assert _text(given) == expected


def test_in_reply_it_is_the_text_that_was_replied_to():
    quoted = {
        "message_id": 2,
        "date": 1,
        "chat": {"id": 1, "type": "private"},
        "text": "Новинка",
        "entities": [entity("italic", 0, 7)],
    }
    assert _text(message("/broadcast", COMMAND, reply_to=quoted)) == "<i>Новинка</i>"
