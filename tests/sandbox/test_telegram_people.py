"""The people's side: SandboxClient, and a real pyTelegramBotAPI bot that talks to it."""

import threading
from collections.abc import Iterator

import pytest
import requests
import telebot
from telebot import apihelper, types

from sandbox.client import SandboxClient, SandboxRefused, User
from sandbox.server import Sandbox
from tests.sandbox.conftest import TOKEN, Caller, jpeg, keyboard


def test_the_chat_shows_what_is_visible_now(bot: Caller, anna: User) -> None:
    # Given a message that was edited, one that was deleted, and a photo
    first = bot("sendMessage", chat_id=anna.id, text="раз", reply_markup=keyboard(("Да", "yes"), ("Нет", "no")))
    bot(
        "editMessageText",
        chat_id=anna.id,
        message_id=first["message_id"],
        text="два",
        reply_markup=keyboard(("Да", "y")),
    )
    gone = bot("sendMessage", chat_id=anna.id, text="лишнее")
    bot("deleteMessage", chat_id=anna.id, message_id=gone["message_id"])
    anna.photo(jpeg(), "кружка")
    # Then the chat is as she sees it
    start, edited, photo = anna.chat()
    assert (start.text, start.from_bot) == ("/start", False)
    assert (edited.text, edited.edited, edited.buttons) == ("два", True, [[("Да", "y")]])
    assert (photo.kind, photo.text, photo.media and photo.media["width"]) == ("photo", "кружка", 600)


def test_waiting_ends_with_the_message_or_shows_the_chat(bot: Caller, anna: User) -> None:
    # Given somebody who waits for an answer
    timer = threading.Timer(0.05, lambda: bot("sendMessage", chat_id=anna.id, text="готово"))
    timer.start()
    # Then the wait ends with it
    assert anna.wait("готово", 5).text == "готово"
    timer.join()
    # And a vain wait tells what was there instead
    with pytest.raises(TimeoutError, match="готово"):
        anna.wait(lambda message: message.text == "нет такого", 0.05)


def test_a_fresh_wait_overlooks_what_was_there_before(bot: Caller, anna: User) -> None:
    # Given an answer to an earlier question
    old = bot("sendMessage", chat_id=anna.id, text="вопрос 1")
    anna.say("ответ")
    # Then it isn't taken for a new one
    with pytest.raises(TimeoutError):
        anna.wait("вопрос", 0.05, fresh=True)
    # But an edit of it is news
    bot("editMessageText", chat_id=anna.id, message_id=old["message_id"], text="вопрос 2")
    assert anna.wait("вопрос", 5, fresh=True).text == "вопрос 2"


def test_buttons_are_pressed_by_label(bot: Caller, anna: User) -> None:
    # Given two similar buttons
    bot("sendMessage", chat_id=anna.id, text="x", reply_markup=keyboard(("Снять видео", "a"), ("Снять два видео", "b")))
    message = anna.wait("x")
    # Then a clear label presses, an unclear one is an error
    anna.tap(message, "два")
    assert bot.updates()[-1]["callback_query"]["data"] == "b"
    with pytest.raises(LookupError, match="2 buttons fit"):
        anna.tap(message, "Снять")
    # And a button that isn't there can't be pressed without forging
    with pytest.raises(SandboxRefused, match="no button with the data"):
        anna.tap(message, data="zzz")


def test_what_a_person_cannot_do_is_refused(client: SandboxClient, anna: User) -> None:
    # Given a blocked bot, an empty text, a file that is no photo, an album of one
    with pytest.raises(SandboxRefused, match="not a photo"):
        anna.photo(b"text")
    with pytest.raises(SandboxRefused, match="2 to 10 photos"):
        anna.album([jpeg()])
    with pytest.raises(SandboxRefused, match="empty text"):
        anna.say("  ")
    anna.block()
    with pytest.raises(SandboxRefused, match="unblock it first"):
        anna.say("x")
    with pytest.raises(SandboxRefused, match="404"):
        User(client, 42).say("x")


def test_a_long_text_is_split_as_the_apps_do(bot: Caller, anna: User) -> None:
    anna.say("я" * 5000)
    assert [len(update["message"]["text"]) for update in bot.updates()] == [4096, 904]


def test_other_kinds_of_messages(bot: Caller, anna: User) -> None:
    # When Anna sends a sticker, a voice and a place
    for send in (anna.sticker, anna.voice, anna.location):
        send()
    # Then each comes under its own field
    sticker, voice, place = (update["message"] for update in bot.updates())
    assert (sticker["sticker"]["emoji"], voice["voice"]["duration"]) == ("👍", 3)
    assert set(place["location"]) == {"latitude", "longitude"}


def test_a_person_may_write_before_the_bot_comes(server: Sandbox, client: SandboxClient) -> None:
    # Given a message sent while no bot has ever connected
    sent = client.user(id=7, first_name="Борис", language_code="en").say("/start")
    # When the first bot comes
    late = Caller(server.url)
    [update] = late.updates()
    late.session.close()
    # Then it finds it
    assert (update["update_id"], update["message"]["from"]) == (
        sent[0],
        {"id": 7, "is_bot": False, "first_name": "Борис", "language_code": "en"},
    )


def test_latency_is_measured_from_availability_to_the_request(bot: Caller, anna: User) -> None:
    # Given a question that is answered, one that isn't, and a press answered by a toast
    anna.say("раз")
    sent = bot("sendMessage", chat_id=anna.id, text="x", reply_markup=keyboard(("Да", "yes")))
    anna.say("два")
    anna.tap(sent["message_id"], "Да")
    query = bot.updates()[-1]["callback_query"]["id"]
    bot("answerCallbackQuery", callback_query_id=query, text="ага")
    # Then each has its own latency
    start, first, second, press = anna.latencies()
    assert (start, second) == (None, None)
    assert first is not None
    assert press is not None
    assert 0 < first < 5 and 0 < press < 5


def test_two_bots_do_not_mix(server: Sandbox, client: SandboxClient, bot: Caller, anna: User) -> None:
    # Given a second bot
    other = Caller(server.url, "987654321:" + "x" * 35)
    assert other("getMe")["id"] == 987654321
    # Then it hears nothing of the first one's people
    anna.say("x")
    assert other.updates() == []
    assert other.refused("sendMessage", chat_id=anna.id, text="x").startswith("Forbidden")
    other.session.close()


@pytest.fixture
def echo(server: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[telebot.TeleBot]:
    """A real bot that polls: repeats texts, measures photos, answers presses."""
    monkeypatch.setattr(apihelper, "API_URL", server.url + "/bot{0}/{1}")
    monkeypatch.setattr(apihelper, "FILE_URL", server.url + "/file/bot{0}/{1}")
    bot = telebot.TeleBot(TOKEN, parse_mode="HTML", threaded=False)

    def start(message: types.Message) -> None:
        markup = types.InlineKeyboardMarkup()
        markup.add(types.InlineKeyboardButton("Снять", callback_data="go"))
        bot.send_message(message.chat.id, f"Привет, <b>{message.from_user.first_name}</b>", reply_markup=markup)

    def photo(message: types.Message) -> None:
        data = bot.download_file(bot.get_file(message.photo[-1].file_id).file_path)
        bot.send_photo(message.chat.id, data, caption=f"{len(data)} байт")

    def press(query: types.CallbackQuery) -> None:
        bot.answer_callback_query(query.id, "Снимаю")
        bot.edit_message_text("Снимаю", query.message.chat.id, query.message.message_id)

    bot.register_message_handler(start, commands=["start"])
    bot.register_message_handler(photo, content_types=["photo"])
    bot.register_callback_query_handler(press, func=lambda _: True)
    polling = threading.Thread(target=bot.polling, kwargs={"timeout": 1, "long_polling_timeout": 1})
    polling.start()
    yield bot
    bot.stop_bot()
    polling.join()
    # The library keeps a session for each of its threads and never closes it.
    apihelper._get_req_session().close()


def test_a_real_bot_talks_to_a_person(echo: telebot.TeleBot, client: SandboxClient) -> None:
    # Given a person who starts the bot
    vera = client.user(first_name="Вера & Ко")
    vera.say("/start")
    # When she presses its button and sends a photo
    with pytest.raises(TimeoutError):
        # The name was not escaped: Telegram still takes a lone ampersand.
        vera.wait("не придёт", 0.1)
    menu = vera.wait("Привет, Вера & Ко")
    vera.tap(menu, "Снять")
    # Then the bot edits its message and answers the photo with a photo
    vera.wait(lambda message: message.text == "Снимаю" and message.edited)
    vera.photo(jpeg())
    answer = vera.wait("байт")
    assert answer.media is not None
    assert answer.media["width"] == 600


def test_the_page_and_its_parts_are_served(server: Sandbox) -> None:
    # When the page is opened
    page = requests.get(server.url, timeout=5)
    # Then it may load only from the sandbox itself
    assert page.headers["Content-Type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "http" not in page.text.replace("http-equiv", "")
    # And each part it names is there
    for name in ("style.css", "app.js", "messages.js", "entities.js", "composer.js", "icon.svg"):
        assert requests.get(f"{server.url}/page/{name}", timeout=5).status_code == 200, name
    assert requests.get(f"{server.url}/page/../server.py", timeout=5).status_code == 404
