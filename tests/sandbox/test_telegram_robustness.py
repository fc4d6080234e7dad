"""Nonsense from a bot is refused in an orderly way, whatever it is."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox.clock import Clock
from sandbox.faults import Faults
from sandbox.journal import Journal
from sandbox.server import create_app
from sandbox.telegram.methods import NAMES
from sandbox.world import World
from tests.sandbox.conftest import TOKEN

PERSON = 7_000_001
# Waits and webhooks have tests of their own.
METHODS = sorted(set(NAMES) - {"getUpdates", "setWebhook"})
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)
KNOWN = st.fixed_dictionaries(
    {"chat_id": st.just(PERSON) | VALUES, "text": st.text(max_size=30) | VALUES},
    optional={
        "message_id": VALUES,
        "reply_markup": VALUES | st.builds(lambda row: {"inline_keyboard": [row]}, VALUES),
        "reply_parameters": VALUES | st.builds(lambda given: {"message_id": given}, VALUES),
        "entities": VALUES | st.lists(st.fixed_dictionaries({"type": VALUES, "offset": VALUES, "length": VALUES})),
        "parse_mode": st.just("HTML") | VALUES,
        "media": VALUES
        | st.lists(st.fixed_dictionaries({"type": st.just("photo") | VALUES, "media": VALUES, "width": VALUES})),
        "commands": VALUES | st.lists(st.fixed_dictionaries({"command": VALUES, "description": VALUES})),
        "scope": VALUES | st.fixed_dictionaries({"type": st.just("chat") | VALUES, "chat_id": VALUES}),
        "photo": VALUES,
        "video": VALUES,
        "width": VALUES,
        "caption": VALUES,
        "file_id": VALUES,
        "from_chat_id": VALUES,
        "callback_query_id": VALUES,
        "menu_button": VALUES,
    },
)


@pytest.fixture(scope="module")
def caller() -> Iterator[FlaskClient]:
    """The app without any network, with one person who has started the bot."""
    world = World(Clock(), Journal(), Faults())
    client = create_app(world).test_client()
    client.post("/sandbox/telegram/users", json={"id": PERSON})
    client.post(f"/sandbox/telegram/chats/{PERSON}/text", json={"text": "/start"})
    yield client
    world.close()


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(method=st.sampled_from(METHODS), params=KNOWN)
def test_any_parameters_get_an_orderly_answer(caller: FlaskClient, method: str, params: dict[str, Any]) -> None:
    # When a bot calls a method with anything at all
    answer = caller.post(f"/bot{TOKEN}/{method}", json=params)
    # Then it is told, as Telegram tells it, whether that went well
    body = json.loads(answer.data)
    assert answer.status_code in (200, 400, 403)
    assert body["ok"] is (answer.status_code == 200)


@pytest.mark.parametrize("body", [b"{", b"[]", b"1", b"\xff"])
def test_a_body_that_is_not_a_json_object_is_refused(caller: FlaskClient, body: bytes) -> None:
    answer = caller.post(f"/bot{TOKEN}/getMe", data=body, content_type="application/json")
    assert (answer.status_code, answer.get_json()["ok"]) == (400, False)
