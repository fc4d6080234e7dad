"""How much one person may ask of the bot: a budget for each, spent before anything of an update is looked into.

Counted in the memory of the one process that handles updates; a restart forgives.
"""

from enum import Enum
from typing import Any

from limits import RateLimitItem, RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter, MovingWindowRateLimiter

from neurocards import buttons, clock
from neurocards.inbox import lane_of

# Points in WINDOW seconds. An order from photo to confirm costs about fifteen.
BUDGET, WINDOW = 60, 60.0
TAP, PICTURE, LAUNCH = 1, 3, 5
# «Заменить» takes the photo sent before: it is loaded and looked at as one that comes.
_BUTTONS = {"run": LAUNCH, "replace": PICTURE}


class Verdict(Enum):
    """What to do with an update."""

    ANSWER = "answer"
    SAY_SO = "say so"  # the first beyond the budget: it is told, once
    IGNORE = "ignore"


class Flood:
    """Judges updates. Albums are one picture, an order costs more than a tap; an update that is tried again costs nothing."""

    def __init__(self) -> None:
        seconds = max(1, round(clock.scaled(WINDOW)))
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        # Of the fixed kind nothing stays when its time is over; of the moving kind each name would, and these have no end.
        self._seen = FixedWindowRateLimiter(MemoryStorage())
        self._budget: RateLimitItem = RateLimitItemPerSecond(BUDGET, seconds)
        self._once: RateLimitItem = RateLimitItemPerSecond(1, seconds)

    def judge(self, update: dict[str, Any]) -> Verdict:
        """Spends the sender's budget. Whoever has no id is let through: there is nobody to limit."""
        person = str(lane_of(update))
        if person == "0" or not self._first("update", str(update.get("update_id"))):
            return Verdict.ANSWER
        album = _album(update)
        if album and not self._first("album", f"{person}:{album}"):
            # As the first of it was.
            return Verdict.ANSWER if self._is_new("refused", f"{person}:{album}") else Verdict.IGNORE
        if self._limiter.hit(self._budget, "person", person, cost=_cost(update)):
            return Verdict.ANSWER
        if album:
            self._first("refused", f"{person}:{album}")
        return Verdict.SAY_SO if self._first("told", person) else Verdict.IGNORE

    def _first(self, kind: str, name: str) -> bool:
        return bool(self._seen.hit(self._once, kind, name[:200]))

    def _is_new(self, kind: str, name: str) -> bool:
        return bool(self._seen.test(self._once, kind, name[:200]))


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
