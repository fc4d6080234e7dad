"""Bot API calls: what is accepted, what is refused, and in which words."""

import json
from typing import Any

import pytest

from sandbox.client import SandboxClient, User
from sandbox.telegram.fault_kinds import REFUSALS
from tests.sandbox.conftest import TOKEN, Caller, jpeg, keyboard

OLD_QUERY = "Bad Request: query is too old and response timeout expired or query ID is invalid"
NOT_MODIFIED = (
    "Bad Request: message is not modified: specified new message content and reply markup are exactly the same as a"
    " current content and reply markup of the message"
)


def buttons(*row: Any) -> str:
    return json.dumps({"inline_keyboard": [list(row)]})


@pytest.mark.parametrize(
    ("markup", "why"),
    [
        ("{", "can't parse reply keyboard markup JSON object"),
        ("[]", "object expected as reply markup"),
        ('{"inline_keyboard": [{}]}', 'field "inline_keyboard" of the InlineKeyboardMarkup must be an Array of Arrays'),
        (buttons("x"), "can't parse inline keyboard button: expected an Object"),
        (buttons({"callback_data": "x"}), "can't parse inline keyboard button: Can't find field \"text\""),
        (
            buttons({"text": "x"}),
            "can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard",
        ),
        (buttons({"text": "x", "callback_data": ""}), "BUTTON_DATA_INVALID"),
        (buttons({"text": "x", "callback_data": "я" * 33}), "BUTTON_DATA_INVALID"),
        (
            buttons({"text": "x", "url": "http://localhost/a"}),
            "inline keyboard button URL 'http://localhost/a' is invalid: Wrong HTTP URL",
        ),
        (buttons({"text": "x", "copy_text": {"text": "x" * 257}}), "BUTTON_COPY_TEXT_INVALID"),
        (
            buttons({"text": "x", "callback_data": "x", "style": "pink"}),
            "can't parse inline keyboard button: invalid button style specified",
        ),
        (buttons(*[{"text": "x" * 200, "callback_data": "x" * 64}] * 50), "reply markup is too long"),
    ],
)
def test_a_bad_keyboard_is_refused(bot: Caller, anna: User, markup: str, why: str) -> None:
    # When a message is sent with it
    refusal = bot.refused("sendMessage", chat_id=anna.id, text="x", reply_markup=markup)
    # Then Telegram says what is wrong, and nothing is shown
    assert refusal == f"Bad Request: {why}"
    assert len(anna.chat()) == 1


def test_a_keyboard_is_kept_as_telegram_keeps_it(bot: Caller, anna: User) -> None:
    # Given callback data of exactly 64 bytes, a style, and a button without text
    row = [
        {"text": "Да", "callback_data": "я" * 32, "style": "success"},
        {"text": "", "callback_data": "gone"},
        {"text": "Сайт", "url": "https://example.com/"},
    ]
    # When they are sent
    sent = bot("sendMessage", chat_id=anna.id, text="x", reply_markup={"inline_keyboard": [row, []]})
    # Then the empty button and the empty row have disappeared
    assert sent["reply_markup"]["inline_keyboard"] == [[row[0], row[2]]]


@pytest.mark.parametrize(
    ("method", "params", "why"),
    [
        ("sendMessage", {"chat_id": None}, "chat_id is empty"),
        ("sendMessage", {"chat_id": 1}, "chat not found"),
        ("sendMessage", {"chat_id": "@anna"}, "chat not found"),
        ("sendMessage", {"text": ""}, "message text is empty"),
        (
            "sendMessage",
            {"text": "</b>", "parse_mode": "HTML"},
            "can't parse entities: Unexpected end tag at byte offset 0",
        ),
        ("sendMessage", {"reply_parameters": {"message_id": 5}}, "message to be replied not found"),
        ("sendMessage", {"reply_to_message_id": 5}, "message to be replied not found"),
        ("sendMessage", {"link_preview_options": "[]"}, "object expected as link preview options"),
        ("sendPhoto", {}, "there is no photo in the request"),
        ("sendVideo", {"video": "BAAC"}, "wrong file identifier/HTTP URL specified"),
        ("sendVideo", {"video": "https://example.com/a.mp4"}, "failed to get HTTP URL content"),
        ("sendDocument", {"document": "attach://x"}, "there is no document in the request"),
        ("sendMediaGroup", {}, 'parameter "media" is required'),
        ("sendMediaGroup", {"media": []}, "there are no messages to send"),
        ("sendMediaGroup", {"media": [{"type": "photo", "media": "x"}] * 11}, "too many messages to send as an album"),
        ("sendMediaGroup", {"media": [{"type": "a"}]}, 'can\'t parse InputMedia: type "a" is unsupported'),
        ("sendMediaGroup", {"media": [{"type": "photo"}]}, "can't parse InputMedia: media not found"),
        ("sendChatAction", {"action": "dance"}, "wrong parameter action in request"),
        ("copyMessage", {}, 'parameter "from_chat_id" is required'),
        ("editMessageText", {"message_id": 5}, "message to edit not found"),
        ("editMessageText", {"chat_id": None}, "message identifier is not specified"),
        ("deleteMessage", {"message_id": 5}, "message to delete not found"),
        ("deleteMessage", {}, "message identifier is not specified"),
        ("answerCallbackQuery", {"callback_query_id": "1"}, OLD_QUERY.removeprefix("Bad Request: ")),
        ("answerCallbackQuery", {"text": "я" * 201}, "MESSAGE_TOO_LONG"),
        ("getFile", {}, "file_id not specified"),
        ("getFile", {"file_id": "x"}, "invalid file_id"),
        ("setMyCommands", {"commands": [{"command": "Старт", "description": "x"}]}, "BOT_COMMAND_INVALID"),
        ("setMyCommands", {"commands": [{"command": "x", "description": " "}]}, "BOT_COMMAND_DESCRIPTION_INVALID"),
        ("setMyCommands", {"scope": {"type": "chat", "chat_id": 1}, "commands": []}, "chat not found"),
        ("setWebhook", {"url": "https://example.com/"}, "bad webhook: the sandbox delivers to loopback addresses only"),
        ("setWebhook", {"url": "http://[::1]/", "secret_token": "я"}, "secret token contains unallowed characters"),
        ("setWebhook", {"url": "http://[::1]/", "secret_token": "a" * 257}, "secret token is too long"),
    ],
)  # fmt: skip
def test_what_telegram_refuses_is_refused(
    bot: Caller, anna: User, method: str, params: dict[str, Any], why: str
) -> None:
    # When a call is wrong in one way
    refusal = bot.refused(method, **{"chat_id": anna.id, "text": "x", **params})
    # Then it is refused in Telegram's words
    assert refusal == f"Bad Request: {why}"


@pytest.mark.parametrize(
    ("token", "status"),
    [("abc", 404), ("123", 404), ("123:short", 401), (f"x{TOKEN}", 404), (f"{TOKEN}!", 401), (TOKEN, 200)],
)
def test_a_token_must_look_like_one(bot: Caller, token: str, status: int) -> None:
    # When a bot comes with this token
    bot.token = token
    answer = bot.answer("getMe")
    # Then a malformed one is refused as Telegram does
    assert (answer.status_code, answer.json()["ok"]) == (status, status == 200)


def test_only_restricted_tokens_are_admitted_once_there_are_any(bot: Caller, client: SandboxClient) -> None:
    # Given a sandbox that knows one other token
    client.settings(tokens=["987654321:" + "x" * 35])
    # Then this bot is refused, and the secret itself is nowhere to be read
    assert bot.refused("getMe") == "Unauthorized"
    assert TOKEN not in json.dumps(client.journal()) + json.dumps(client.settings())


def test_an_unknown_method_is_not_found_and_case_does_not_matter(bot: Caller) -> None:
    assert bot.refused("sendTelepathy").startswith("Not Found")
    assert bot("GETME")["is_bot"] is True


@pytest.mark.parametrize("way", ["query", "form", "multipart", "json"])
def test_parameters_come_in_any_way(bot: Caller, anna: User, way: str) -> None:
    # Given the same parameters, a keyboard among them
    markup = keyboard(("Да", "yes"))
    texts = {"chat_id": str(anna.id), "text": "<b>да</b>", "parse_mode": "HTML", "reply_markup": json.dumps(markup)}
    ways: dict[str, dict[str, Any]] = {
        "query": {"params": texts},
        "form": {"data": texts},
        "multipart": {"files": {name: (None, text) for name, text in texts.items()}},
        "json": {"json": {**texts, "chat_id": anna.id, "reply_markup": markup}},
    }
    # When they are sent
    answer = bot.session.post(f"{bot.url}/bot{bot.token}/sendMessage", timeout=10, **ways[way]).json()
    # Then the message is the same
    assert answer["result"]["text"] == "да"
    assert answer["result"]["reply_markup"] == markup


def test_a_message_has_what_a_bot_needs(bot: Caller, anna: User) -> None:
    # Given a message and an answer to it
    first = bot("sendMessage", chat_id=anna.id, text="раз", disable_notification=True)
    second = bot("sendMessage", chat_id=anna.id, text="два", reply_to_message_id=first["message_id"])
    # Then both look as Telegram's do
    assert first["chat"] == {"id": anna.id, "first_name": "Анна", "type": "private"}
    assert (first["from"]["is_bot"], first["from"]["id"]) == (True, 123456789)
    assert second["message_id"] == first["message_id"] + 1
    assert second["reply_to_message"]["text"] == "раз"
    # And whether it rang is known
    assert [message.view["silent"] for message in anna.chat()] == [False, True, False]


def test_a_bot_cannot_write_first(bot: Caller, client: SandboxClient) -> None:
    # Given a person who has never written
    stranger = client.user()
    # Then the bot may not either
    assert bot.refused("sendMessage", chat_id=stranger.id, text="x") == (
        "Forbidden: bot can't initiate conversation with a user"
    )


def test_blocking_is_told_and_enforced(bot: Caller, anna: User) -> None:
    # When Anna blocks the bot
    [update_id] = anna.block()
    # Then the bot hears of it and can't write any more
    [update] = bot.updates()
    assert update["update_id"] == update_id
    assert update["my_chat_member"]["new_chat_member"]["status"] == "kicked"
    for method in ("sendMessage", "sendChatAction"):
        refusal = bot.refused(method, chat_id=anna.id, text="x", action="typing")
        assert refusal == "Forbidden: bot was blocked by the user"
    # And once she unblocks it, it can
    anna.unblock()
    assert bot("sendMessage", chat_id=anna.id, text="x")["text"] == "x"


def test_edits(bot: Caller, anna: User) -> None:
    # Given a message with a button
    sent = bot("sendMessage", chat_id=anna.id, text="<b>раз</b>", parse_mode="HTML", reply_markup=keyboard(("Да", "y")))
    here = {"chat_id": anna.id, "message_id": sent["message_id"]}
    # When it is edited to what it already is, then Telegram refuses
    same = {"text": "<b>раз</b>", "parse_mode": "HTML", "reply_markup": keyboard(("Да", "y"))}
    assert bot.refused("editMessageText", **here, **same) == NOT_MODIFIED
    # When only the mark-up of the text differs, then it is an edit, and without buttons they go
    edited = bot("editMessageText", **here, text="раз")
    assert ("reply_markup" in edited, "entities" in edited, edited["edit_date"] > 0) == (False, False, True)
    # And what a text doesn't have can't be edited
    assert bot.refused("editMessageCaption", **here, caption="x") == (
        "Bad Request: there is no caption in the message to edit"
    )
    assert bot.refused("editMessageReplyMarkup", **here, reply_markup={"remove_keyboard": True}) == (
        "Bad Request: inline keyboard expected"
    )
    assert bot.refused("editMessageReplyMarkup", **here) == NOT_MODIFIED
    # And somebody else's message can't be edited at all
    her_id = anna.chat()[0].id
    assert bot.refused("editMessageText", chat_id=anna.id, message_id=her_id, text="x") == (
        "Bad Request: message can't be edited"
    )


def test_captions_and_media_are_edited(bot: Caller, anna: User) -> None:
    # Given a photo with a caption
    sent = bot("sendPhoto", {"photo": jpeg()}, chat_id=anna.id, caption="раз")
    here = {"chat_id": anna.id, "message_id": sent["message_id"]}
    # When the caption is edited, and then the picture
    assert bot("editMessageCaption", **here, caption="два")["caption"] == "два"
    media = json.dumps({"type": "photo", "media": "attach://new", "caption": "три"})
    edited = bot("editMessageMedia", {"new": jpeg(colour="red")}, **here, media=media)
    # Then both have changed
    assert edited["caption"] == "три"
    assert edited["photo"][0]["file_unique_id"] != sent["photo"][0]["file_unique_id"]
    # But a photo has no text
    assert bot.refused("editMessageText", **here, text="x") == "Bad Request: there is no text in the message to edit"


def test_messages_are_deleted_and_copied(bot: Caller, anna: User) -> None:
    # Given a message
    sent = bot("sendMessage", chat_id=anna.id, text="раз")
    # When it is copied and deleted
    copy = bot("copyMessage", chat_id=anna.id, from_chat_id=anna.id, message_id=sent["message_id"])
    assert bot("deleteMessage", chat_id=anna.id, message_id=sent["message_id"]) is True
    # Then only the copy is left
    assert [message.id for message in anna.chat() if message.from_bot] == [copy["message_id"]]


def test_a_press_is_answered_in_time_once_or_twice(bot: Caller, client: SandboxClient, anna: User) -> None:
    # Given a pressed button
    sent = bot("sendMessage", chat_id=anna.id, text="x", reply_markup=keyboard(("Да", "yes")))
    anna.tap(sent["message_id"], "Да")
    [update] = bot.updates()
    query = update["callback_query"]
    assert (query["data"], query["from"]["id"], query["message"]["text"]) == ("yes", anna.id, "x")
    # Then it can be answered, and again
    assert bot("answerCallbackQuery", callback_query_id=query["id"], text="Принято", show_alert=True) is True
    assert bot("answerCallbackQuery", callback_query_id=query["id"]) is True
    shown = [event for event in anna.events() if event["kind"] == "callback_answer"]
    assert [(event["text"], event["alert"]) for event in shown] == [("Принято", True), ("", False)]
    # But not once its time is over
    client.settings(callback_answer_seconds=0)
    assert bot.refused("answerCallbackQuery", callback_query_id=query["id"]) == OLD_QUERY


def test_presses_can_be_forged(bot: Caller, client: SandboxClient, anna: User) -> None:
    # Given a message with one button, and a stranger
    sent = bot("sendMessage", chat_id=anna.id, text="x", reply_markup=keyboard(("Да", "yes")))
    eve = client.user(first_name="Ева")
    # When data is made up, pressed by the stranger, or pressed on a message that is gone
    anna.tap(sent["message_id"], data="v1:admin", forged=True)
    anna.tap(sent["message_id"], data="yes", from_user=eve.id)
    anna.tap(999, data="yes", forged=True)
    # Then the bot gets them all as Telegram would tell them
    made_up, stolen, gone = (update["callback_query"] for update in bot.updates())
    assert made_up["data"] == "v1:admin"
    assert (stolen["from"]["id"], stolen["message"]["chat"]["id"]) == (eve.id, anna.id)
    assert gone["message"] == {
        "chat": {"id": anna.id, "first_name": "Анна", "type": "private"},
        "message_id": 999,
        "date": 0,
    }


@pytest.mark.parametrize("kind", sorted(REFUSALS))
def test_every_refusal_can_be_armed(bot: Caller, client: SandboxClient, anna: User, kind: str) -> None:
    # Given one armed fault for Anna's chat
    client.fault("telegram", "sendMessage", kind, match={"chat_id": anna.id})
    # When the bot writes to her
    answer = bot.answer("sendMessage", chat_id=anna.id, text="x")
    # Then it is refused, without any effect, and the next call goes well
    assert answer.status_code >= 400
    assert answer.json()["description"]
    assert len(anna.chat()) == 1
    assert bot("sendMessage", chat_id=anna.id, text="y")["text"] == "y"


def test_too_many_requests_say_when_to_come_back(bot: Caller, client: SandboxClient, anna: User) -> None:
    # Given an armed flood
    client.fault("telegram", "*", "flood", retry_after=7)
    # When the bot writes
    answer = bot.answer("sendMessage", chat_id=anna.id, text="x")
    # Then the pause is in the text, in the parameters and in the header
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")
    assert answer.json() == {
        "ok": False,
        "error_code": 429,
        "description": "Too Many Requests: retry after 7",
        "parameters": {"retry_after": 7},
    }


def test_flood_control_can_be_switched_on(bot: Caller, client: SandboxClient, anna: User) -> None:
    # Given the limit of a message in ten seconds after a burst of two; edits count too
    client.time_scale(1)
    client.settings(rate_limit={"enabled": True, "chat_per_second": 0.1, "chat_burst": 2})
    # When the bot writes, edits and writes again
    sent = bot("sendMessage", chat_id=anna.id, text="1")
    bot("editMessageText", chat_id=anna.id, message_id=sent["message_id"], text="2")
    answer = bot.answer("sendMessage", chat_id=anna.id, text="3")
    # Then the third is refused, another chat isn't touched, and switching off ends it
    assert answer.json()["parameters"] == {"retry_after": 10}
    boris = client.user(first_name="Борис")
    boris.say("/start")
    assert bot("sendMessage", chat_id=boris.id, text="x")["text"] == "x"
    client.settings(rate_limit={"enabled": False})
    assert bot("sendMessage", chat_id=anna.id, text="3")["text"] == "3"


def test_the_profile_is_kept_by_scope_and_language(bot: Caller, anna: User, client: SandboxClient) -> None:
    # Given commands for everyone and for Anna, and descriptions in two languages
    start, grant = {"command": "start", "description": "Начать"}, {"command": "grant", "description": "Выдать"}
    scope = {"type": "chat", "chat_id": anna.id}
    bot("setMyCommands", commands=[start])
    bot("setMyCommands", commands=[grant], scope=scope)
    bot("setMyDescription", description="Видео")
    bot("setMyDescription", description="Video", language_code="en")
    bot("setChatMenuButton", menu_button={"type": "commands"})
    # Then each is found under its own key
    assert (bot("getMyCommands"), bot("getMyCommands", scope=scope)) == ([start], [grant])
    assert bot("getMyCommands", language_code="en") == []
    assert bot("getMyDescription", language_code="en") == {"description": "Video"}
    assert bot("getMyDescription", language_code="ru") == {"description": "Видео"}
    # And deleting removes them
    bot("deleteMyCommands")
    assert bot("getMyCommands") == []


def test_every_call_is_journaled_without_the_token(bot: Caller, client: SandboxClient, anna: User) -> None:
    # When the bot sends a photo, wrongly and rightly
    bot.refused("sendPhoto", chat_id=anna.id)
    bot("sendPhoto", {"photo": jpeg()}, chat_id=anna.id, caption="x")
    # Then both calls can be read, the file only by name, the caller only by fingerprint
    wrong, right = client.journal(service="telegram", endpoint="sendPhoto")
    assert (wrong["status"], right["status"]) == (400, 200)
    assert right["request"] == {"chat_id": str(anna.id), "caption": "x", "photo": {"file": "photo", "mime": ""}}
    assert len(right["caller"]) == 8
    assert TOKEN not in json.dumps(client.journal())
