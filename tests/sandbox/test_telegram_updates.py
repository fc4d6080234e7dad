"""How a bot receives: offsets, long polls, conflicts, duplicates, and webhooks."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask, Response, request
from werkzeug.serving import BaseWSGIServer, make_server

from sandbox.client import SandboxClient, User
from sandbox.server import Sandbox
from tests.sandbox.conftest import Caller, jpeg, keyboard

POLLED_ELSEWHERE = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
WEBHOOK_ACTIVE = (
    "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
)


def ids(updates: list[dict[str, Any]]) -> list[int]:
    return [update["update_id"] for update in updates]


def test_updates_come_again_until_a_higher_offset_confirms_them(bot: Caller, anna: User) -> None:
    # Given three updates
    sent = anna.say("1") + anna.say("2") + anna.say("3")
    # Then they come again and again, and a limit cuts them
    assert ids(bot.updates()) == sent
    assert ids(bot.updates(offset=sent[0], limit=2)) == sent[:2]
    # Until they are confirmed
    assert ids(bot.updates(offset=sent[1])) == sent[1:]
    assert bot("getWebhookInfo")["pending_update_count"] == 2
    assert bot.updates(offset=sent[2] + 1) == []
    assert bot.updates() == []


def test_the_same_offset_at_once_brings_one_update(bot: Caller, anna: User) -> None:
    # Given waiting updates
    sent = anna.say("1") + anna.say("2") + anna.say("3")
    # When the bot polls twice with the same offset
    first, second = bot.updates(offset=sent[1]), bot.updates(offset=sent[1])
    # Then the second answer is cut to one, as on Telegram's server
    assert (ids(first), ids(second)) == (sent[1:], sent[1:2])


def test_a_negative_offset_keeps_only_the_last(bot: Caller, anna: User) -> None:
    sent = anna.say("1") + anna.say("2") + anna.say("3")
    assert ids(bot.updates(offset=-1)) == sent[2:]
    assert bot("getWebhookInfo")["pending_update_count"] == 1


def test_an_offset_from_the_future_confirms_nothing(bot: Caller, anna: User) -> None:
    sent = anna.say("1")
    assert ids(bot.updates(offset=sent[0] + 1000)) == sent


def test_a_long_poll_ends_when_something_comes(bot: Caller, anna: User, client: SandboxClient) -> None:
    # Given a bot that polls for up to 50 seconds
    with ThreadPoolExecutor() as pool:
        polling = pool.submit(bot.updates, timeout=50, offset=-7)
        # When Anna writes
        sent = anna.say("привет")
        # Then the poll brings it at once
        [update] = polling.result(timeout=10)
    assert update["update_id"] == sent[0]
    message = update["message"]
    assert (message["text"], message["from"]["language_code"], message["chat"]["id"]) == ("привет", "ru", anna.id)


def test_a_second_poller_ends_the_first(bot: Caller, server: Sandbox, anna: User) -> None:
    # Given a bot that polls
    second = Caller(server.url)
    started = threading.Event()

    def poll() -> str:
        started.set()
        return bot.refused("getUpdates", timeout=50)

    with ThreadPoolExecutor() as pool:
        polling = pool.submit(poll)
        started.wait(5)
        # When another instance polls too, until it has met the first one
        while not polling.done():
            second.updates(timeout=0)
        # Then the first is told
        assert polling.result() == POLLED_ELSEWHERE
    second.session.close()


def test_allowed_updates_are_remembered(bot: Caller, anna: User) -> None:
    # Given a bot that wants only presses
    bot.updates(allowed_updates=["callback_query"])
    sent = bot("sendMessage", chat_id=anna.id, text="x", reply_markup=keyboard(("Да", "yes")))
    # When Anna writes and presses
    assert anna.say("не придёт") == []
    pressed = anna.tap(sent["message_id"], "Да")
    # Then only the press comes, also when the list isn't repeated
    assert ids(bot.updates()) == pressed
    assert bot("getWebhookInfo")["allowed_updates"] == ["callback_query"]
    # And an empty list brings the default back
    bot.updates(allowed_updates=[], offset=pressed[0] + 1)
    assert len(anna.say("придёт")) == 1


def test_presses_expire_and_messages_stay(bot: Caller, client: SandboxClient, anna: User) -> None:
    # Given presses that live no time at all
    client.settings(callback_lifetime_seconds=0)
    sent = bot("sendMessage", chat_id=anna.id, text="x", reply_markup=keyboard(("Да", "yes")))
    # When Anna presses and writes while the bot is away
    anna.tap(sent["message_id"], "Да")
    written = anna.say("x")
    # Then only the message is still there
    assert ids(bot.updates()) == written


def test_confirmed_updates_can_come_twice(bot: Caller, client: SandboxClient, anna: User) -> None:
    # Given an armed duplicate
    client.fault("telegram", "getUpdates", "duplicate_update")
    [first] = anna.say("раз")
    # When the bot takes the update and confirms it
    assert ids(bot.updates()) == [first]
    # Then it comes once more, and never again
    assert ids(bot.updates(offset=first + 1, timeout=5)) == [first]
    assert bot.updates(offset=first + 2) == []
    # And any known update can be sent again by hand
    client.redeliver(first)
    assert ids(bot.updates(offset=first + 1)) == [first]


def test_anything_can_be_put_into_the_queue(bot: Caller, anna: User) -> None:
    # When an update comes that no library can read
    [update_id] = anna.raw({"message": {"message_id": "?", "text": None}, "novelty": []})
    # Then the bot gets it as it is
    assert bot.updates() == [{"message": {"message_id": "?", "text": None}, "novelty": [], "update_id": update_id}]


def test_an_album_comes_in_parts_of_one_group(bot: Caller, anna: User) -> None:
    # When Anna sends three photos together
    anna.album([jpeg(colour=colour) for colour in ("red", "green", "blue")], "моя кружка")
    # Then there are three updates with one group, and the caption on the first only
    messages = [update["message"] for update in bot.updates()]
    assert len({message["media_group_id"] for message in messages}) == 1
    assert [message.get("caption") for message in messages] == ["моя кружка", None, None]


def test_edits_of_a_person_are_told(bot: Caller, anna: User) -> None:
    anna.say("раз")
    anna.edit(anna.last_message_ids[0], "два")
    assert [next(key for key in update if key != "update_id") for update in bot.updates()] == [
        "message",
        "edited_message",
    ]


class Hook:
    """A bot's own web server: records what is delivered and answers as told."""

    def __init__(self) -> None:
        self.received: list[tuple[dict[str, Any], str | None]] = []
        self.changed = threading.Condition()
        self.answer: Callable[[dict[str, Any]], int] = lambda _: 200
        app = Flask("hook")
        app.add_url_rule("/hook", view_func=self.receive, methods=["POST"])
        self.server: BaseWSGIServer = make_server("127.0.0.1", 0, app, threaded=True)
        self.url = f"http://127.0.0.1:{self.server.port}/hook"

    def receive(self) -> Response:
        update = request.get_json()
        with self.changed:
            self.received.append((update, request.headers.get("X-Telegram-Bot-Api-Secret-Token")))
            self.changed.notify_all()
        return Response("", self.answer(update))

    def wait(self, count: int) -> list[int]:
        """The ids of the first `count` deliveries."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.received) >= count, 10), self.received
            return [update["update_id"] for update, _ in self.received[:count]]


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()
    thread = threading.Thread(target=made.server.serve_forever)
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


def test_a_webhook_gets_what_waited_and_what_comes(bot: Caller, anna: User, hook: Hook) -> None:
    # Given an update that already waits
    waiting = anna.say("раз")
    # When a webhook is set
    bot("setWebhook", url=hook.url, secret_token="secret-1", allowed_updates=["message"])
    later = anna.say("два") + anna.say("три")
    # Then all come in order, with the secret
    assert hook.wait(3) == waiting + later
    assert {secret for _, secret in hook.received} == {"secret-1"}
    # And polling is refused meanwhile
    assert bot.refused("getUpdates") == WEBHOOK_ACTIVE
    info = bot("getWebhookInfo")
    assert (info["url"], info["allowed_updates"]) == (hook.url, ["message"])


def test_a_refused_delivery_is_repeated_and_holds_its_chat(bot: Caller, anna: User, hook: Hook) -> None:
    # Given a server that fails twice
    statuses = iter([500, 500])
    hook.answer = lambda _: next(statuses, 200)
    bot("setWebhook", url=hook.url)
    # When two messages come
    sent = anna.say("раз") + anna.say("два")
    # Then the first is repeated until accepted, and only then the second follows
    assert hook.wait(4) == [sent[0], sent[0], sent[0], sent[1]]
    assert bot("getWebhookInfo")["last_error_message"].startswith("Wrong response from the webhook: 500")


def test_people_do_not_hold_each_other_up(bot: Caller, client: SandboxClient, anna: User, hook: Hook) -> None:
    # Given a server that doesn't answer Anna until it has heard of Boris
    boris_heard = threading.Event()
    boris = client.user(first_name="Борис")

    def answer(update: dict[str, Any]) -> int:
        if update["message"]["chat"]["id"] == boris.id:
            boris_heard.set()
        return 200 if boris_heard.wait(5) else 500

    hook.answer = answer
    bot("setWebhook", url=hook.url)
    # When both write
    expected = anna.say("раз") + boris.say("два")
    # Then both are delivered
    assert sorted(hook.wait(2)) == expected
    assert boris_heard.is_set()


def test_without_its_webhook_the_bot_polls_the_rest(bot: Caller, anna: User, hook: Hook) -> None:
    # Given a webhook that accepts nothing
    hook.answer = lambda _: 503
    bot("setWebhook", url=hook.url)
    sent = anna.say("раз")
    hook.wait(1)
    # When it is deleted
    assert bot("deleteWebhook") is True
    # Then the update can still be polled
    assert ids(bot.updates(timeout=5)) == sent
    # And a repeated setWebhook within a second is too hasty on Telegram too
    client_side = bot.answer("setWebhook", url=hook.url)
    assert client_side.status_code in (200, 429)
