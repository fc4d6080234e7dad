"""How much one person may ask of the bot: a budget for each, spent before anything of an update is looked into.

Counted in the memory of the one process that handles updates; a restart forgives.
"""

from enum import Enum
from typing import Any

from limits import RateLimitItem, RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from neurocards import buttons, clock
from neurocards.inbox import lane_of

# Points in WINDOW seconds from the first: whoever has spent them and waits a minute is heard again. An order from photo to confirm
# costs about fifteen.
BUDGET, WINDOW = 60, 60.0
TAP, PICTURE, LAUNCH = 1, 3, 5
# «Заменить» takes the photo sent before: it is loaded and looked at as one that comes. «Файлом» loads a video and sends it.
_BUTTONS = {"run": LAUNCH, "file": LAUNCH, "replace": PICTURE, "video": PICTURE}


class Verdict(Enum):
    """What to do with an update."""

    ANSWER = "answer"
    SAY_SO = "say so"  # the first beyond the budget: it is told, once
    IGNORE = "ignore"


class Flood:
    """Judges updates. Albums are one picture, an order costs more than a tap; an update that is tried again costs nothing."""

    def __init__(self) -> None:
        seconds = max(1, round(clock.scaled(WINDOW)))
        # Of this kind nothing stays when its time is over; of the moving kind each name would, and these have no end.
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._budget: RateLimitItem = RateLimitItemPerSecond(BUDGET, seconds)
        self._once: RateLimitItem = RateLimitItemPerSecond(1, seconds)

    def judge(self, update: dict[str, Any]) -> Verdict:
        """Spends the sender's budget, or the group's. Whoever has no id is let through: there is nobody to limit. So is word of a
        block, which must not be missed, and costs nothing.
        """
        whose, group = str(lane_of(update)), _group(update)
        if whose == "0" or "my_chat_member" in update or not self._first("update", str(update.get("update_id"))):
            return Verdict.ANSWER
        whose = group or whose
        album = _album(update)
        if album and not self._first("album", f"{whose}:{album}"):
            # As the first of it was.
            return Verdict.ANSWER if self._is_new("refused", f"{whose}:{album}") else Verdict.IGNORE
        if self._limiter.hit(self._budget, "budget", whose, cost=_cost(update)):
            return Verdict.ANSWER
        if album:
            self._first("refused", f"{whose}:{album}")
        # A group is not told, nor can an edit be answered: that may not use up the one time.
        tellable = "callback_query" in update or ("message" in update and not group)
        return Verdict.SAY_SO if tellable and self._first("told", whose) else Verdict.IGNORE

    def _first(self, kind: str, name: str) -> bool:
        return bool(self._limiter.hit(self._once, kind, name[:200]))

    def _is_new(self, kind: str, name: str) -> bool:
        return bool(self._limiter.test(self._once, kind, name[:200]))


def _group(update: dict[str, Any]) -> str:
    """Names the group that the update comes from; empty for a private chat. What many say there is no one person's flood."""
    call = update.get("callback_query")
    around: dict[str, Any] = call if isinstance(call, dict) else update
    message = around.get("message") or around.get("edited_message")
    chat = message.get("chat") if isinstance(message, dict) else None
    return f"group {chat.get('id')}" if isinstance(chat, dict) and chat.get("type") != "private" else ""


def _album(update: dict[str, Any]) -> str:
    message = update.get("message")
    return str(message.get("media_group_id") or "") if isinstance(message, dict) else ""


def _cost(update: dict[str, Any]) -> int:
    message, call = update.get("message"), update.get("callback_query")
    if isinstance(call, dict):
        press = buttons.parse(str(call.get("data")))
        return _BUTTONS.get(press.action, TAP) if press else TAP
    picture = isinstance(message, dict) and (message.get("photo") or message.get("document"))
    return PICTURE if picture else TAP
