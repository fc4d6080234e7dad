"""KIE's accounts and API keys: whose credits a task costs and whose limits it counts against."""

import threading
import time
import zlib
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from sandbox.journal import fingerprint

DEFAULT_ACCOUNT = "default"
DEFAULT_CREDITS = 1_000_000.0
CREATE_WINDOW_SECONDS = 10.0
POLL_WINDOW_SECONDS = 1.0
KEY_STATES = ("ok", "401", "402", "433")


class Window:
    """How many calls fell into the last `seconds` by the provider's own clock, and the most that ever did."""

    def __init__(self) -> None:
        """Start empty."""
        self._times: deque[float] = deque()
        self.highest = 0

    def admit(self, limit: int, seconds: float) -> bool:
        """Count a call unless `limit` (0 = none) calls are in the window already; True when it was counted."""
        # The provider's clock, not the callers': what counts is when a call arrived here.
        now = time.monotonic()
        while self._times and self._times[0] <= now - seconds:
            self._times.popleft()
        if limit and len(self._times) >= limit:
            return False
        self._times.append(now)
        self.highest = max(self.highest, len(self._times))
        return True


@dataclass
class Account:
    """One paying customer of KIE. `number` stands in the paths of its uploaded files."""

    name: str
    credits: float = DEFAULT_CREDITS
    creates: int = 0
    refused_429: int = 0
    admitted: Window = field(default_factory=Window)
    attempted: Window = field(default_factory=Window)

    @property
    def number(self) -> int:
        """A made-up account number, the same each time."""
        return 100_000 + zlib.crc32(self.name.encode()) % 900_000


@dataclass
class Key:
    """One API key; only its fingerprint is kept. `state` other than "ok" is the code that calls are refused with."""

    fingerprint: str
    account: Account
    state: str = "ok"
    polls: Window = field(default_factory=Window)


class Accounts:
    """Every account and key that was configured or seen. Thread-safe."""

    def __init__(self) -> None:
        """Start with no account; the first unknown key opens the default one."""
        self._lock = threading.Lock()
        self._accounts: dict[str, Account] = {}
        self._keys: dict[str, Key] = {}

    def key(self, secret: str, any_key: bool) -> Key | None:
        """The key a caller presents; an unknown one joins the default account when `any_key`, else None."""
        mark = fingerprint(secret)
        with self._lock:
            if mark not in self._keys and any_key and secret:
                self._keys[mark] = Key(mark, self._account(DEFAULT_ACCOUNT))
            return self._keys.get(mark)

    def configure(self, secret: str, wanted: dict[str, Any]) -> None:
        """Set a key's `account`, `state` and the account's `credits`. Raises ValueError for anything else."""
        if unknown := wanted.keys() - {"account", "state", "credits"}:
            raise ValueError(f"unknown key settings: {sorted(unknown)}")
        if wanted.get("state", "ok") not in KEY_STATES:
            raise ValueError(f"state must be one of {KEY_STATES}")
        mark = fingerprint(secret)
        with self._lock:
            known = self._keys.get(mark)
            name = str(wanted.get("account") or (known.account.name if known else DEFAULT_ACCOUNT))
            account = self._account(name)
            if "credits" in wanted:
                account.credits = float(wanted["credits"])
            key = self._keys.setdefault(mark, Key(mark, account))
            key.account, key.state = account, wanted.get("state", key.state)

    def _account(self, name: str) -> Account:
        return self._accounts.setdefault(name, Account(name))

    def set_credits(self, name: str, amount: float) -> None:
        """Set an account's balance; opens the account when there is none of that name."""
        with self._lock:
            self._account(name).credits = float(amount)

    def admit_create(self, account: Account, limit: int, seconds: float) -> bool:
        """Count a createTask call; False when the account had `limit` of them in the last `seconds` of real time."""
        with self._lock:
            # Refused calls are remembered apart, so that a test sees the rate that was tried.
            account.attempted.admit(0, seconds)
            admitted = account.admitted.admit(limit, seconds)
            account.refused_429 += not admitted
            return admitted

    def admit_poll(self, key: Key, limit: int, seconds: float) -> bool:
        """Count a recordInfo call; False when the key had `limit` of them in the last `seconds` of real time."""
        with self._lock:
            return key.polls.admit(limit, seconds)

    def debit(self, account: Account, amount: float) -> bool:
        """Take `amount` credits for a task; False, and nothing taken, when the balance is too low."""
        with self._lock:
            if account.credits < amount:
                return False
            account.credits -= amount
            account.creates += 1
            return True

    def credit(self, account: Account, amount: float) -> None:
        """Give `amount` credits back."""
        with self._lock:
            account.credits += amount

    def report(self) -> dict[str, Any]:
        """What the accounts lived through, by name."""
        with self._lock:
            return {name: self._account_report(account) for name, account in self._accounts.items()}

    def _account_report(self, account: Account) -> dict[str, Any]:
        keys = [key for key in self._keys.values() if key.account is account]
        return {
            "credits": account.credits,
            "creates": account.creates,
            "refused_429": account.refused_429,
            "max_creates_in_window": account.admitted.highest,
            "max_attempts_in_window": account.attempted.highest,
            "keys": {key.fingerprint: {"state": key.state, "max_polls_in_window": key.polls.highest} for key in keys},
        }
