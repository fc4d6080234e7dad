"""Telegram's numbers, and the optional pacing that turns haste into 429.

A number that Telegram doesn't publish says so.
"""

import math
import threading

from sandbox.clock import Clock
from sandbox.telegram.errors import flood

MAX_TEXT_UNITS = 4096  # UTF-16 code units, after entity parsing
MAX_CAPTION_UNITS = 1024
MAX_ALERT_UNITS = 200
MAX_RAW_TEXT_BYTES = 32_768  # before entity parsing
MAX_CALLBACK_DATA_BYTES = 64
MAX_COPY_TEXT_UNITS = 256

MAX_UPLOAD_BYTES = 50 * 1024 * 1024
MAX_DOWNLOAD_BYTES = 20 * 1024 * 1024
MAX_PHOTO_BYTES = 10 * 1024 * 1024
MAX_PHOTO_SIDES = 10_000  # width + height
MAX_PHOTO_RATIO = 20
MAX_THUMBNAIL_BYTES = 200_000
MAX_THUMBNAIL_SIDE = 320
MAX_URL_PHOTO_BYTES = 5 * 1024 * 1024
MAX_URL_FILE_BYTES = 20 * 1024 * 1024
UNPROBED_VIDEO_BYTES = 10 * 1024 * 1024  # measured, unpublished: above it Telegram stores 320x320 unless told

MAX_ALBUM = 10
MAX_POLL_SECONDS = 50
MAX_BATCH = 100
FILE_LINK_SECONDS = 3600.0  # the least Telegram promises
MESSAGE_LIFETIME_SECONDS = 24 * 3600.0
CALLBACK_LIFETIME_SECONDS = 150.0
CALLBACK_ANSWER_SECONDS = 15.0  # unpublished; people report seconds
DELETE_WINDOW_SECONDS = 48 * 3600.0


class Pacer:
    """Optional flood control: ~1 message a second in a chat after a small burst, ~30 a second for the bot.

    Off until `configure(True)`. A chat or bot that is too fast is refused until its window ends; the refusal names
    whole seconds of the imitated Telegram, and the window itself is divided by the sandbox's `time_scale`.
    """

    def __init__(self, clock: Clock) -> None:
        """Start switched off."""
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: dict[str, tuple[float, float]] = {}
        self.configure(False)

    def configure(
        self, enabled: bool, chat_per_second: float = 1.0, chat_burst: float = 5.0, bot_per_second: float = 30.0
    ) -> None:
        """Switch on or off and forget what was counted; rates are messages a second, edits included."""
        with self._lock:
            self.enabled = enabled
            self._chat = (chat_per_second, chat_burst)
            self._bot = (bot_per_second, bot_per_second)
            self._buckets.clear()

    def admit(self, bot: str, chat: str) -> None:
        """Count one message or edit; raises ApiError 429 when `chat` or `bot` is too fast."""
        if not self.enabled:
            return
        with self._lock:
            now = self._clock.now()
            for key, (rate, burst) in ((f"{bot}:{chat}", self._chat), (bot, self._bot)):
                self._spend(key, now, rate * self._clock.time_scale, burst)

    def _spend(self, key: str, now: float, rate: float, burst: float) -> None:
        tokens, at = self._buckets.get(key, (burst, now))
        tokens = min(burst, tokens + (now - at) * rate)
        if tokens < 1:
            raise flood(math.ceil((1 - tokens) / rate * self._clock.time_scale) or 1)
        self._buckets[key] = (tokens - 1, now)
