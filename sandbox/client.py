"""A person in front of the sandbox, as code: what the demo and the tests use to talk to the bot.

with SandboxClient("http://127.0.0.1:9101") as sandbox:
    anna = sandbox.user()
    anna.say("/start")
    menu = anna.wait("Привет")
    anna.tap(menu, "Снять видео")
"""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import requests

Json = dict[str, Any]

_CALL_SECONDS = 60.0
_POLL_SECONDS = 25.0


class SandboxRefused(RuntimeError):
    """The control API refused a call; the text is its reason."""


@dataclass(frozen=True)
class ChatMessage:
    """One message as it stands in the chat now. `buttons` are rows of (label, callback data or URL)."""

    id: int
    from_bot: bool
    text: str
    kind: str
    buttons: list[list[tuple[str, str]]]
    media: Json | None
    edited: bool
    date: int
    view: Json = field(repr=False)

    @property
    def labels(self) -> list[str]:
        """The labels of all buttons, row by row."""
        return [label for row in self.buttons for label, _ in row]

    def __str__(self) -> str:
        """One readable line or more: who, what, and the buttons."""
        who = "бот" if self.from_bot else "   я"
        kind = "" if self.kind == "text" else f"[{self.kind}] "
        buttons = "".join(f"\n       [ {' ] [ '.join(label for label, _ in row)} ]" for row in self.buttons)
        edited = " (изменено)" if self.edited else ""
        return f"{who} {self.id}: {kind}{self.text}{edited}{buttons}"


def _message(view: Json) -> ChatMessage:
    rows = [
        [(button["text"], button.get("callback_data") or button.get("url") or "") for button in row]
        for row in view["buttons"]
    ]
    fields = {name: view[name] for name in ("id", "from_bot", "text", "kind", "media", "edited", "date")}
    return ChatMessage(**fields, buttons=rows, view=view)


class SandboxClient:
    """The control API of one sandbox. Thread-safe; close it, or use it as a context manager."""

    def __init__(self, url: str) -> None:
        """Talk to the sandbox at `url`, such as http://127.0.0.1:9101."""
        self.url = url.rstrip("/")
        self._local = threading.local()
        self._sessions: list[requests.Session] = []

    def call(self, verb: str, path: str, timeout: float = _CALL_SECONDS, **arguments: Any) -> Any:
        """One HTTP call below the sandbox's URL and its JSON answer. Raises SandboxRefused for an error status."""
        answer = self._session().request(verb, self.url + path, timeout=timeout, **arguments)
        if not answer.ok:
            raise SandboxRefused(f"{verb} {path}: {answer.status_code} {answer.text[:500]}")
        return answer.json()

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = requests.Session()
            # A proxy of the environment must not stand between us and this machine.
            session.trust_env = False
            self._sessions.append(session)
        return session

    def user(
        self,
        id: int | None = None,  # noqa: A002 - what Telegram calls it
        first_name: str = "Анна",
        language_code: str = "ru",
        username: str = "",
    ) -> "User":
        """A new person, or the one with this id."""
        body = {"id": id, "first_name": first_name, "language_code": language_code, "username": username}
        return User(self, self.call("POST", "/sandbox/telegram/users", json=body)["id"])

    def journal(
        self, after: int = 0, service: str | None = None, endpoint: str | None = None, wait: float = 0.0
    ) -> list[Json]:
        """Journal entries numbered above `after`; waits up to `wait` seconds for the first."""
        given = {"after": after, "service": service, "endpoint": endpoint, "wait": wait}
        entries: list[Json] = self.call("GET", "/sandbox/journal", timeout=_CALL_SECONDS + wait, params=given)[
            "entries"
        ]
        return entries

    def fault(self, service: str, endpoint: str, kind: str, *, times: int = 1, after: int = 0, **params: Any) -> int:
        """Arm a fault and return its id. `match` among the params narrows it; the others are the kind's own."""
        match = params.pop("match", {})
        body = {"service": service, "endpoint": endpoint, "kind": kind, "times": times, "after": after}
        return int(self.call("POST", "/sandbox/faults", json={**body, "match": match, "params": params})["id"])

    def clear_faults(self) -> None:
        """Disarm everything."""
        self.call("DELETE", "/sandbox/faults")

    def time_scale(self, value: float) -> None:
        """Divide every delay of the sandbox by `value` from now on."""
        self.call("PUT", "/sandbox/time_scale", json={"time_scale": value})

    def settings(self, **changes: Any) -> Json:
        """Change the Telegram settings (tokens, rate_limit, callback_answer_seconds, callback_lifetime_seconds)."""
        answer: Json = self.call("PUT", "/sandbox/telegram/settings", json=changes)
        return answer

    def raw_update(self, update: Json) -> int:
        """Put any JSON object into the bot's queue as an update; its update_id."""
        return int(self.call("POST", "/sandbox/telegram/updates", json={"update": update})["update_ids"][0])

    def redeliver(self, update_id: int) -> None:
        """Hand an update out once more, even though the bot confirmed it."""
        self.call("POST", f"/sandbox/telegram/updates/{update_id}/redeliver")

    def kie(self, verb: str, path: str, **body: Any) -> Any:
        """A call to KIE's control API, below /sandbox/kie/."""
        where = f"/sandbox/kie/{path.lstrip('/')}"
        return self.call(verb, where, params=body) if verb == "GET" else self.call(verb, where, json=body)

    def close(self) -> None:
        """Close the connections of every thread."""
        while self._sessions:
            self._sessions.pop().close()

    def __enter__(self) -> "SandboxClient":
        """Nothing to open: connections are made when needed."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()


class User:
    """One person with a private chat. Every action returns the ids of the updates it made."""

    def __init__(self, client: SandboxClient, user_id: int) -> None:
        """Act as the person with this id."""
        self.client = client
        self.id = user_id
        self._path = f"/sandbox/telegram/chats/{user_id}"
        self._last_action = 0
        self.last_message_ids: list[int] = []

    def _act(self, what: str, **arguments: Any) -> list[int]:
        done = self.client.call("POST", f"{self._path}/{what}", **arguments)
        self._last_action = done["event"] or self._last_action
        self.last_message_ids = done["message_ids"]
        update_ids: list[int] = done["update_ids"]
        return update_ids

    def say(self, text: str) -> list[int]:
        """Send a text."""
        return self._act("text", json={"text": text})

    def photo(self, photo: bytes | Path, caption: str | None = None) -> list[int]:
        """Send a picture as a photo: recompressed to at most 1280 pixels, as Telegram's apps do."""
        return self._act("photo", files={"photo": _file(photo, "photo.jpg")}, data={"caption": caption or ""})

    def document(
        self,
        document: bytes | Path,
        filename: str = "file.bin",
        mime: str = "application/octet-stream",
        caption: str | None = None,
        declared_size: int | None = None,
    ) -> list[int]:
        """Send a file as it is. With `declared_size` (bytes) there is no content: for files too big to be real."""
        if declared_size:
            body = {"filename": filename, "mime": mime, "caption": caption or "", "declared_size": declared_size}
            return self._act("document", json=body)
        name, data = _file(document, filename)
        return self._act("document", files={"document": (name, data, mime)}, data={"caption": caption or ""})

    def video(self, video: bytes | Path, caption: str | None = None) -> list[int]:
        """Send a video."""
        return self._act("video", files={"video": _file(video, "video.mp4")}, data={"caption": caption or ""})

    def album(self, photos: Iterable[bytes | Path], caption: str | None = None) -> list[int]:
        """Send 2 to 10 photos together: as many updates, one media_group_id."""
        files = [("photo", _file(photo, f"photo{number}.jpg")) for number, photo in enumerate(photos)]
        return self._act("album", files=files, data={"caption": caption or ""})

    def sticker(self) -> list[int]:
        """Send a sticker."""
        return self._act("sticker", json={})

    def voice(self) -> list[int]:
        """Send a voice message."""
        return self._act("voice", json={})

    def location(self) -> list[int]:
        """Send a place."""
        return self._act("location", json={})

    def edit(self, message_id: int, text: str) -> list[int]:
        """Change one of one's own messages."""
        return self._act("edit", json={"message_id": message_id, "text": text})

    def tap(
        self,
        message: ChatMessage | int,
        label: str = "",
        *,
        data: str | None = None,
        forged: bool = False,
        from_user: int | None = None,
    ) -> list[int]:
        """Press the button whose label contains `label`, or the one with this callback `data`.

        `forged` sends data the message doesn't have; `from_user` presses in another person's name. Raises LookupError
        when the label fits no button, or several.
        """
        message_id = message if isinstance(message, int) else message.id
        chosen = data if data is not None else _data_of(self._now(message_id), label)
        body = {"message_id": message_id, "data": chosen, "forged": forged, "from_user": from_user}
        return self._act("tap", json=body)

    def _now(self, message_id: int) -> ChatMessage:
        found = next((message for message in self.chat() if message.id == message_id), None)
        if found is None:
            raise LookupError(f"message {message_id} is not in the chat (any more)")
        return found

    def block(self) -> list[int]:
        """Block the bot."""
        return self._act("block", json={})

    def unblock(self) -> list[int]:
        """Unblock the bot."""
        return self._act("unblock", json={})

    def raw(self, update: Json) -> list[int]:
        """Put any JSON object into the bot's queue as an update."""
        return [self.client.raw_update(update)]

    def chat(self) -> list[ChatMessage]:
        """The messages visible now, oldest first."""
        return [_message(view) for view in self._messages()["messages"]]

    def _messages(self) -> Json:
        answer: Json = self.client.call("GET", f"{self._path}/messages")
        return answer

    def events(self, after: int = 0, wait: float = 0.0) -> list[Json]:
        """What happened in the chat after event number `after`; waits up to `wait` seconds for the first event."""
        given = {"after": after, "wait": wait}
        answer = self.client.call("GET", self._path, timeout=_CALL_SECONDS + wait, params=given)
        events: list[Json] = answer["events"]
        return events

    def wait(
        self, wanted: str | Callable[[ChatMessage], Any], timeout: float = 10.0, *, fresh: bool = False
    ) -> ChatMessage:
        """The newest message that satisfies `wanted` (a predicate, or a part of the text), as soon as there is one.

        `fresh` counts only messages that came or changed after this user's last action. Raises TimeoutError, showing
        the whole chat, after `timeout` seconds.
        """
        fits = (lambda message: wanted in message.text) if isinstance(wanted, str) else wanted
        deadline = time.monotonic() + timeout
        while True:
            # Events first, messages second: a change that is known of is shown, and one that isn't ends the wait below.
            known = self.events(self._last_action) if fresh else []
            state = self._messages()
            shown = [_message(view) for view in state["messages"]]
            changed = {event["message"]["id"] for event in known if event["kind"] in ("message", "edit")}
            candidates = [message for message in shown if message.id in changed] if fresh else shown
            found = next((message for message in reversed(candidates) if fits(message)), None)
            if found:
                return found
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"no such message within {timeout} s; the chat:\n" + "\n".join(map(str, shown)))
            seen = state["last"] if not fresh else known[-1]["n"] if known else self._last_action
            self.events(seen, min(left, _POLL_SECONDS))

    def download(self, file_id: str) -> bytes:
        """The bytes of a file shown in the chat. Raises HTTPError when there are none."""
        session = self.client._session()
        answer = session.get(f"{self.client.url}/sandbox/telegram/files/{file_id}", timeout=_CALL_SECONDS)
        answer.raise_for_status()
        return answer.content

    def latencies(self) -> list[float | None]:
        """For each message or tap of this user: seconds from its update being available to the first visible answer.

        An answer is a message, an edit or a shown callback answer whose request came in before the user's next action;
        None when there was none.
        """
        found: list[float | None] = []
        asked = 0.0
        for event in self.events():
            if event["kind"] in ("user_message", "user_edit", "tap"):
                asked = event["at"]
                found.append(None)
            elif found and found[-1] is None and _visible(event):
                found[-1] = event["at"] - asked
        return found


def _visible(event: Json) -> bool:
    return event["kind"] in ("message", "edit") or (event["kind"] == "callback_answer" and bool(event["text"]))


def _file(source: bytes | Path, name: str) -> tuple[str, bytes]:
    return (source.name, source.read_bytes()) if isinstance(source, Path) else (name, source)


def _data_of(message: ChatMessage, label: str) -> str:
    buttons = [(text, data) for row in message.buttons for text, data in row]
    exact = [data for text, data in buttons if text == label]
    fitting = exact or [data for text, data in buttons if label.lower() in text.lower()]
    if len(fitting) != 1:
        raise LookupError(f"{len(fitting)} buttons fit {label!r}; there are {message.labels}")
    return fitting[0]
