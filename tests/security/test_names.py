"""Names that come from outside, of files and of people, never become part of a path: what is written to disk has names of our own.

An audit hook of the interpreter sees each file that this process opens, makes, moves or removes, and each program it starts.
"""

import re
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from neurocards import media
from neurocards.clients.kie import Kie, TaskRecord
from neurocards.clients.kie import _record as record
from neurocards.db import db
from neurocards.errors import BadVideo, ProviderError
from neurocards.models import Photo
from sandbox.client import SandboxClient
from sandbox.customer import PHOTO
from sandbox.server import Sandbox
from tests.security.internet import pretended
from tests.security.test_buttons import Bot, bot, client

__all__ = ["bot", "client"]

MARK = "evil-name"
NAMES = (
    f"../../../../tmp/{MARK}.jpg", f"..\\..\\{MARK}.jpg", f"/etc/{MARK}.jpg", f"C:\\{MARK}.jpg", f"{MARK}\u0000.jpg",
    f"{MARK}.jpg\u0000.sh", f"{MARK}\n.jpg", f"{MARK}.jpg/..", f"~/{MARK}.jpg", f"$(touch {MARK}).jpg", f"`touch {MARK}`.jpg",
    f"; touch {MARK}; .jpg", f"|{MARK}.jpg", f"-rf {MARK}.jpg", f"file:///{MARK}.jpg", f"{MARK}\u202egpj.jpg",
    f"{MARK}⁄．．／x.jpg", f"{MARK}.jpg" + "x" * 999, f"{MARK}%2e%2e%2f.jpg", f"CON.{MARK}.jpg", f"{MARK}:stream.jpg",
    f"<b>{MARK}</b>.jpg", f"{{{MARK}}}.jpg", f"%s%n{MARK}.jpg",
)  # fmt: skip
_WATCHED = ("open", "os.", "shutil.", "subprocess.", "tempfile.", "pathlib.", "glob.")

_watchers: list[list[str]] = []


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if _watchers and event.startswith(_WATCHED):
        _watchers[-1].append(f"{event} {arguments!r}")


# It can't be taken off again: outside of the fixture it does nothing.
sys.addaudithook(_watch)


@pytest.fixture
def touched() -> Iterator[list[str]]:
    """What was done with files and programs; after the test nothing of it may have an outsider's name."""
    _watchers.append([])
    yield _watchers[-1]
    assert [line for line in _watchers.pop() if MARK in line] == []


def test_the_hook_sees_what_is_opened(tmp_path, touched):
    (tmp_path / MARK).write_text("x")
    assert any(MARK in line for line in touched)
    touched.clear()


def test_names_of_documents_and_people(bot: Bot, client: SandboxClient, touched):
    user = client.user(first_name=f"../{MARK}\u0000")
    bot.hello(user)
    picture = PHOTO.read_bytes()
    # (A form can't carry all of them; Telegram's JSON can: below.)
    for number, name in enumerate(name for name in NAMES if "\u0000" not in name):
        # When a photo comes as a file with such a name
        user.document(picture, name, "image/jpeg", caption=name[:100])
        bot.answer()
        user.say("/cancel")
        bot.answer()
        # Then it is taken as the picture that it is
        with db:
            assert Photo.select().count() == number + 1
    assert touched


def test_names_in_updates_that_no_app_would_send(bot: Bot, client: SandboxClient, touched):
    user = client.user()
    bot.hello(user)
    for number, name in enumerate(NAMES):
        document = {
            "file_id": name.encode("utf-8", "replace").decode()[:100],
            "file_unique_id": name[:10],
            "file_name": name,
            "mime_type": name,
        }
        person = {"id": user.id, "is_bot": False, "first_name": name, "username": name, "language_code": name}
        message = {
            "message_id": 10_000 + number,
            "date": 1,
            "chat": {"id": user.id, "type": "private"},
            "from": person,
            "document": document,
        }
        # When everything that has a name has such a one, Then the bot answers, and no file of that name is touched
        user.raw({"message": message})
        bot.answer()
        assert user.chat()[-1].from_bot
    assert touched


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_names_in_results(monkeypatch, tmp_path, touched, name):
    """The worker downloads to a name of its own in a folder of its own."""
    url = f"http://cdn.example/{name}"
    # Given a task whose result has such a name
    found: TaskRecord = record({"state": "success", "resultJson": {"resultUrls": [url]}})
    with pretended(monkeypatch, {"cdn.example": ["93.184.216.34"]}, answer=b"x") as internet:
        if found.result_url is None:
            assert internet.connected == []
            return
        # When it is fetched
        path = tmp_path / "video.mp4"
        try:
            media.fetch_result(found.result_url, path, seconds=5)
            media.probe_video(path)
        except (ProviderError, BadVideo):
            pass
    # Then there is the file we named, or none
    assert {entry.name for entry in tmp_path.iterdir()} <= {"video.mp4"}


def test_an_upload_has_a_name_of_ours():
    # When a photo is put where KIE can read it, Then its name is made here, whatever the customer called it
    with Sandbox() as sandbox:
        url = Kie(sandbox.url, sandbox.url).upload("a-key", PHOTO.read_bytes())
    assert re.fullmatch(r"[0-9a-f]{32}\.jpg", url.rpartition("/")[2])
