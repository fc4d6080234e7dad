"""Telegram, through pyTelegramBotAPI with its transport replaced.

Left to itself the library puts every parameter into the URL, lets the token into exceptions, and repeats uploads with
files that are already read to their end. `Sender` is the one place where calls leave, so pacing and waiting live there.
"""

import json
import logging
import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote

from telebot import TeleBot, apihelper
from telebot.apihelper import ApiTelegramException
from telebot.types import InlineKeyboardButton, InlineKeyboardMarkup

from neurocards.errors import BadPhoto, ProviderError
from neurocards.media import Video
from neurocards.transport import Answer, Call, TooLarge, TooSlow, exchange, keepable, patiently, receive

log = logging.getLogger(__name__)

ALLOWED_UPDATES = ("message", "edited_message", "callback_query", "my_chat_member")
SENDS_PER_SECOND = 25
# Deliveries side by side; each is one short insert.
WEBHOOK_CONNECTIONS = 40
# A dialogue can wait this long for Telegram's flood control; whoever must wait longer is told so, and plans for it.
MAX_FLOOD_WAIT = 5
# Whatever is longer is a mistake (seconds): a year.
LONGEST_FLOOD_WAIT = 366 * 86400
MAX_ANSWER_BYTES = 16 * 1024 * 1024

_SENDING = re.compile(r"(send(?!ChatAction)|edit|copy|forward)")
_REPEATABLE = re.compile(r"(get|answerCallbackQuery|editMessage|setMy|setWebhook|deleteWebhook)")
_PREVIEWED = ("sendMessage", "editMessageText")

Fields = dict[str, Any]
Rows = Sequence[Sequence[tuple[str, str]]]


@dataclass(frozen=True)
class Sent:
    """A delivered video: where it is in the chat, and Telegram's own name for the file."""

    message_id: int
    file_id: str


class Pace:
    """A token bucket: `rate` passes a second, as many at once after a quiet second. One for a process, thread-safe."""

    def __init__(self, rate: float) -> None:
        self._step = 1 / rate
        self._lock = threading.Lock()
        self._next = 0.0

    def wait(self) -> None:
        """Sleeps until it is one's turn."""
        with self._lock:
            now = time.monotonic()
            self._next = max(self._next, now - 1) + self._step
            delay = self._next - now
        if delay > 0:
            time.sleep(delay)


class Sender:
    """Posts the library's calls as bodies. Installed as `apihelper.CUSTOM_REQUEST_SENDER`.

    Refusals of 4xx go back to the library, which raises ApiTelegramException. No answer, a 5xx, or an answer that is
    not Telegram's raises ProviderError; for a message it is ambiguous, and what could double a message isn't repeated.
    """

    def __init__(self) -> None:
        self._pace = Pace(SENDS_PER_SECOND)

    def __call__(self, _method: str, url: str, params: Fields | None, files: Fields | None, **_: Any) -> Answer:
        """Makes one call of the library. Its timeouts and proxies are ours to decide."""
        name = url.rpartition("/")[2]
        fields = _fields(name, params or {})
        once = not _REPEATABLE.match(name)
        call = Call("telegram", name, "POST", url, _seconds(name, fields), limit=MAX_ANSWER_BYTES, once=once)
        return self._ask(call, fields, files) if once else patiently(lambda: self._ask(call, fields, files))

    def _ask(self, call: Call, fields: Fields, files: Fields | None) -> Answer:
        patience = float(MAX_FLOOD_WAIT)
        while True:
            if _SENDING.match(call.channel):
                self._pace.wait()
            answer = _checked(call, exchange(call, data=fields, files=_rewound(files)))
            pause = _retry_after(answer.json_object())
            if answer.status_code != 429 or pause is None or pause > patience:
                return answer
            pause = max(pause, 1.0)
            log.warning("Telegram asks %s to wait %g s", call.channel, pause)
            patience -= pause
            time.sleep(pause)


def _fields(name: str, params: Fields) -> Fields:
    """The form to post: booleans in Telegram's spelling, and no link previews unless asked for."""
    fields = {key: json.dumps(value) if isinstance(value, bool) else value for key, value in params.items()}
    if name in _PREVIEWED:
        fields.setdefault("link_preview_options", '{"is_disabled": true}')
    return fields


def _seconds(name: str, fields: Fields) -> float:
    if name == "getUpdates":
        return float(fields.get("timeout", 0)) + 10
    return 120 if name == "sendVideo" else 30


def _rewound(files: Fields | None) -> Fields | None:
    for value in (files or {}).values():
        content = value[1] if isinstance(value, tuple) else value
        if hasattr(content, "seek"):
            content.seek(0)
    return files


def _checked(call: Call, answer: Answer) -> Answer:
    body = answer.json_object()
    if _is_telegrams(body) and answer.status_code < 500:
        return answer
    text = str(body.get("description") or "an answer that is not Telegram's")[:500]
    raise ProviderError("telegram", call.channel, text, http_status=answer.status_code, ambiguous=call.once)


def _is_telegrams(body: Fields) -> bool:
    """Whether the library can read it: a result, or a refusal with its code and words."""
    if body.get("ok") is True:
        return "result" in body
    code = body.get("error_code")
    return (
        body.get("ok") is False
        and isinstance(code, int)
        and 300 <= code < 600
        and isinstance(body.get("description"), str)
    )


def _retry_after(body: Fields) -> float | None:
    parameters = body.get("parameters")
    seconds = parameters.get("retry_after") if isinstance(parameters, dict) else None
    return float(seconds) if isinstance(seconds, int | float) and 0 <= seconds <= LONGEST_FLOOD_WAIT else None


def connect(token: str, api_url: str, **options: Any) -> TeleBot:
    """A bot that speaks to `api_url` through our sender and has no threads. `options` are passed on to TeleBot.

    The library keeps the address and the sender in its module: one bot a process.
    """
    apihelper.API_URL = f"{api_url}/bot{{0}}/{{1}}"
    apihelper.FILE_URL = f"{api_url}/file/bot{{0}}/{{1}}"
    apihelper.CUSTOM_REQUEST_SENDER = Sender()
    # The library prints to stderr by itself, past our log and its redaction.
    logging.getLogger("TeleBot").handlers.clear()
    return TeleBot(token, parse_mode="HTML", threaded=False, allow_sending_without_reply=True, **options)


def keyboard(rows: Rows) -> InlineKeyboardMarkup | None:
    """Buttons of (label, callback data) under a message; None when there are none."""
    if not rows:
        return None
    buttons = [[InlineKeyboardButton(label, callback_data=data) for label, data in row] for row in rows]
    return InlineKeyboardMarkup(buttons)


class Telegram:
    """What workers say: videos, texts and edits. A failure is a ProviderError whose channel is the method's name."""

    def __init__(self, bot: TeleBot) -> None:
        self._token: str = bot.token

    def send_video(self, chat_id: int, path: Path, video: Video, caption: str, buttons: Rows) -> Sent:
        """Uploads a video with its geometry and thumbnail, without which Telegram shows a grey square."""
        with path.open("rb") as file:
            sent = translated(
                apihelper.send_video,
                self._token,
                chat_id,
                ("neurocards.mp4", file, "video/mp4"),
                duration=max(1, round(video.duration)),
                width=video.width,
                height=video.height,
                thumbnail=("thumbnail.jpg", BytesIO(video.thumbnail), "image/jpeg"),
                supports_streaming=True,
                caption=caption,
                parse_mode="HTML",
                reply_markup=keyboard(buttons),
            )
        message_id = _message_id(sent, "sendVideo")
        # A clip without sound comes back as an animation.
        media = sent.get("video") or sent.get("animation") or sent.get("document")
        return Sent(message_id, str(media.get("file_id", "")) if isinstance(media, dict) else "")

    def send_text(self, chat_id: int, text: str, buttons: Rows) -> int:
        """Sends an HTML text; returns the message's id."""
        markup = keyboard(buttons)
        sent = translated(apihelper.send_message, self._token, chat_id, text, reply_markup=markup, parse_mode="HTML")
        return _message_id(sent, "sendMessage")

    def edit_text(self, chat_id: int, message_id: int, text: str, buttons: Rows) -> None:
        """Replaces a message's text and buttons. That it says so already is as good."""
        try:
            translated(
                apihelper.edit_message_text,
                self._token,
                text,
                chat_id,
                message_id,
                parse_mode="HTML",
                reply_markup=keyboard(buttons),
            )
        except ProviderError as error:
            if "message is not modified" not in error.text:
                raise


def _message_id(sent: Any, method: str) -> int:
    """The id of a sent message. A result without one raises ProviderError: nobody knows whether it was sent."""
    number = sent.get("message_id") if isinstance(sent, dict) else None
    if isinstance(number, int) and abs(number) < 2**63:
        return number
    raise ProviderError("telegram", method, "an answer that is not Telegram's", http_status=200, ambiguous=True)


def get_updates(bot: TeleBot, offset: int, timeout: int) -> list[dict[str, Any]]:
    """The raw updates from `offset` on, after at most `timeout` seconds. Raises ProviderError.

    Raw, because one that the library can't parse must not stop the others.
    """
    allowed = list(ALLOWED_UPDATES)
    updates = translated(
        apihelper.get_updates, bot.token, offset=offset, allowed_updates=allowed, long_polling_timeout=timeout
    )
    return [update for update in updates if is_update(update)] if isinstance(updates, list) else []


def is_update(update: object) -> bool:
    """Whether it can be kept: what has no id that fits a bigint would keep its whole batch from it."""
    update_id = update.get("update_id") if isinstance(update, dict) else None
    return type(update_id) is int and 0 <= update_id < 2**63


def set_webhook(bot: TeleBot, url: str, secret: str) -> None:
    """Has updates sent to `url`, with `secret` in their header; those that wait at Telegram come too. Raises ProviderError."""
    allowed = list(ALLOWED_UPDATES)
    translated(bot.set_webhook, url, allowed_updates=allowed, secret_token=secret, max_connections=WEBHOOK_CONNECTIONS)


def delete_webhook(bot: TeleBot) -> None:
    """Has updates kept for polling; none is lost. Raises ProviderError."""
    translated(bot.delete_webhook)


def download_file(bot: TeleBot, file_id: str, limit_bytes: int) -> bytes:
    """A file that a person sent, read as it comes. Raises BadPhoto: 'too_big', or 'unreachable' whatever the cause."""
    try:
        file = translated(apihelper.get_file, bot.token, file_id)
        file = file if isinstance(file, dict) else {}
        size = file.get("file_size")
        if isinstance(size, int) and size > limit_bytes:
            raise TooLarge
        url = apihelper.FILE_URL.format(bot.token, quote(str(file.get("file_path"))))
        return patiently(lambda: _download(url, limit_bytes))
    except TooLarge:
        raise BadPhoto("too_big") from None
    except (ProviderError, TooSlow) as error:
        log.warning("a photo could not be downloaded: %s", error)
        raise BadPhoto("too_big" if "too big" in str(error) else "unreachable") from None


def _download(url: str, limit_bytes: int) -> bytes:
    call = Call("telegram", "file", "GET", url, total=60, limit=limit_bytes)
    body = BytesIO()
    head = receive(call, body.write, wanted=lambda head: head.status_code == 200)
    if head.status_code != 200:
        raise ProviderError("telegram", "file", "the file is not there", http_status=head.status_code)
    return body.getvalue()


def translated(ask: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Calls the library; its refusals become ProviderErrors. What else can go wrong is one already."""
    try:
        return ask(*args, **kwargs)
    except ApiTelegramException as error:
        failure = ProviderError(
            "telegram",
            error.function_name,
            keepable(str(error.description)[:500]),
            http_status=error.error_code,
            retry_after=_retry_after(error.result_json),
        )
    raise failure
