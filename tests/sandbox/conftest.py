"""What the sandbox's tests share: a running sandbox, a person in front of it, and a bot that calls methods by hand."""

import io
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from PIL import Image

from sandbox.client import SandboxClient, User
from sandbox.server import Sandbox

TOKEN = "123456789:AAEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc"


class Caller:
    """A bot: calls methods with its token and keeps the last answer."""

    def __init__(self, url: str, token: str = TOKEN) -> None:
        self.session = requests.Session()
        self.url = url
        self.token = token

    def answer(self, method: str, files: Any = None, **params: Any) -> requests.Response:
        """The whole HTTP answer."""
        body = {key: value for key, value in params.items() if value is not None}
        address = f"{self.url}/bot{self.token}/{method}"
        if files:
            return self.session.post(address, data=body, files=files, timeout=60)
        return self.session.post(address, json=body, timeout=60)

    def __call__(self, method: str, files: Any = None, **params: Any) -> Any:
        """The result of a call that must succeed."""
        answer = self.answer(method, files, **params)
        assert answer.status_code == 200, answer.text
        return answer.json()["result"]

    def refused(self, method: str, files: Any = None, **params: Any) -> str:
        """The description of a call that must be refused."""
        answer = self.answer(method, files, **params)
        body = answer.json()
        assert body["ok"] is False
        assert body["error_code"] == answer.status_code
        return str(body["description"])

    def updates(self, **params: Any) -> list[dict[str, Any]]:
        """What getUpdates brings."""
        found: list[dict[str, Any]] = self("getUpdates", **params)
        return found

    def download(self, file_path: str) -> requests.Response:
        """The answer to a download."""
        return self.session.get(f"{self.url}/file/bot{self.token}/{file_path}", timeout=10)


@pytest.fixture
def server() -> Iterator[Sandbox]:
    """A sandbox in which a minute takes a second."""
    with Sandbox(time_scale=60) as running:
        yield running


@pytest.fixture
def client(server: Sandbox) -> Iterator[SandboxClient]:
    """The control API of that sandbox."""
    with SandboxClient(server.url) as opened:
        yield opened


@pytest.fixture
def bot(server: Sandbox) -> Iterator[Caller]:
    """A bot of that sandbox."""
    caller = Caller(server.url)
    yield caller
    caller.session.close()


@pytest.fixture
def anna(client: SandboxClient, bot: Caller) -> User:
    """A person who has started the bot; her /start is already confirmed."""
    person = client.user()
    bot("getMe")
    [start] = person.say("/start")
    bot.updates(offset=start + 1)
    return person


def jpeg(width: int = 600, height: int = 400, colour: str = "teal") -> bytes:
    """A plain picture."""
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(buffer, "JPEG")
    return buffer.getvalue()


def keyboard(*buttons: tuple[str, str]) -> dict[str, Any]:
    """An inline keyboard with one row of callback buttons."""
    return {"inline_keyboard": [[{"text": text, "callback_data": data} for text, data in buttons]]}
