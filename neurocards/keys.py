"""The key pool, in PostgreSQL: which provider key may make the next task, and when.

KIE admits 20 creates in 10 seconds for an account, whatever its number of keys, and rejects the rest: the limit is kept here, by
the database's clock, under a lock on the account's row, so that all processes share one truth that survives restarts. Waiting for
the window costs nothing; a 429 is prevented and not discovered. Rows hold fingerprints only. All functions that take part in a
caller's transaction say so; the secrets stay in this process's memory.
"""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from peewee import JOIN, SQL, Expression, ModelSelect, fn

from neurocards import clock, key_health
from neurocards.attempts import LIVE
from neurocards.db import db
from neurocards.errors import ProviderError
from neurocards.models import Account, ApiKey, ProviderAttempt

WINDOW = 10.0
CREATES_A_WINDOW = 20
# Requests don't arrive as evenly as they leave: real seconds added to the window so that the far end never counts 21.
GUARD = 0.25
# KIE answers ten queries a second for each key.
POLL_WINDOW, POLLS_A_WINDOW, POLL_GUARD = 1.0, 9, 0.1
CREDIT_EVERY = 600.0
EVERYBODY = 1000


@dataclass(frozen=True)
class Lease:
    """Leave to make one task now, with this key."""

    fingerprint: str
    key: str


@dataclass(frozen=True)
class Probe:
    """Leave to look at a quarantined key; `until` is what the row then says, unless somebody changed it meanwhile."""

    fingerprint: str
    key: str
    until: datetime


@dataclass(frozen=True)
class Wait:
    """No room now; there may be in `seconds` of the product's time."""

    seconds: float
    reason: str


def fingerprint(key: str) -> str:
    """What stands for a key in rows, logs and metrics."""
    return hashlib.sha256(key.encode()).hexdigest()[:8]


class KeyPool:
    """The configured keys of this process and their shared state. `pairs` are (account, key)."""

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        self._secrets = {fingerprint(key): key for _, key in pairs}
        self._accounts = {fingerprint(key): account for account, key in pairs}
        self._enrolled = False
        self._asked: dict[str, float] = {}

    def enrol(self) -> None:
        """Makes the rows of the configured keys and marks those that are configured no more; once in a process."""
        if self._enrolled:
            return
        with db:
            Account.insert_many(
                {"name": name} for name in sorted(set(self._accounts.values()))
            ).on_conflict_ignore().execute()
            # In one order, as whoever else locks several keys: two processes must not wait for each other.
            for print_, account in sorted(self._accounts.items()):
                row = {"fingerprint": print_, "account": account, "configured": True}
                ApiKey.insert(row).on_conflict(
                    conflict_target=[ApiKey.fingerprint], update={"account": account, "configured": True}
                ).execute()
            ApiKey.update(configured=False).where(ApiKey.fingerprint.not_in(list(self._secrets))).execute()
        self._enrolled = True

    def seers(self, print_: str) -> list[str]:
        """The keys that see the tasks of the one behind a fingerprint: that key itself, then the others of its account.

        Raises ProviderError (BILLING by its status) when none of them is configured any more.
        """
        account = self._accounts.get(print_) or self._former_account(print_)
        seers = sorted(
            (seer for seer in self._accounts if self._accounts[seer] == account), key=lambda seer: seer != print_
        )
        if not seers:
            raise ProviderError("kie", "keys", f"key {print_} is no longer configured", http_status=401)
        return [self._secrets[seer] for seer in seers]

    def _former_account(self, print_: str) -> str | None:
        with db:
            row = ApiKey.get_or_none(ApiKey.fingerprint == print_)
        return row.account_id if row else None

    def any_usable(self) -> Lease:
        """A key for calls outside the limit of creates (an upload); one that rests only when no other is left.

        Raises ProviderError when all are quarantined.
        """
        rested_first = (ApiKey.until.asc(nulls="FIRST"), ApiKey.last_used_at.asc(nulls="FIRST"))
        with db:
            key = self._in_use().order_by(*rested_first).first()
        if key is None:
            raise no_key_left()
        return self._lease(key.fingerprint)

    def acquire(self) -> Lease | Wait:
        """A lease if some account has room, within the caller's transaction. Raises ProviderError when no key is left."""
        accounts = {row.name: row for row in Account.select().order_by(Account.name).for_update()}
        now = _clock()
        usable = self._usable(now)
        if not usable:
            return self._wait_for_cooling(now)
        fills = {name: [at for at in row.creates if at > now - _window()] for name, row in accounts.items()}
        free = [key for key in usable if len(fills[key.account_id]) < CREATES_A_WINDOW]
        if not free:
            oldest = min(min(fills[key.account_id]) for key in usable)
            return Wait(clock.unscaled((oldest + _window() - now).total_seconds()), "window full")
        best = min(free, key=lambda key: (key.in_flight, len(fills[key.account_id])))
        # A key that was quarantined or sent to rest since it was read must stay so.
        still = (ApiKey.fingerprint == best.fingerprint) & _well(now)
        if not ApiKey.update(last_used_at=now, state="healthy", until=None, reason="").where(still).execute():
            return Wait(1.0, "the key has just failed")
        Account.update(creates=[*fills[best.account_id], now]).where(Account.name == best.account_id).execute()
        return self._lease(best.fingerprint)

    def room(self) -> int:
        """How many jobs are worth waking for a create: as many as all windows admit now. With no key left any number,
        since each has to hear of it. Within the caller's transaction."""
        if not self.has_usable():
            return EVERYBODY
        now = _clock()
        usable = {key.account_id for key in self._usable(now)}
        accounts = Account.select().where(Account.name.in_(list(usable)))
        return sum(CREATES_A_WINDOW - sum(at > now - _window() for at in row.creates) for row in accounts)

    def has_usable(self) -> bool:
        """Whether an order that lost its key can go on with another, now or after a cooldown; within the caller's transaction."""
        return self._in_use().exists()

    def _in_use(self) -> ModelSelect:
        mine = ApiKey.fingerprint.in_(list(self._secrets))
        return ApiKey.select().where(mine & (ApiKey.state != "quarantined"))

    def lease_probe(self) -> Probe | None:
        """One quarantined key of ours whose time for a look has come: one probe in the whole fleet."""
        with db:
            found = key_health.put_off_probe(ApiKey.fingerprint.in_(list(self._secrets)))
        return Probe(found[0], self._secrets[found[0]], found[1]) if found else None

    def lease_credit_look(self) -> Lease | None:
        """One key in use that has not said its credit in a while. Only the leader looks, so it is enough that this process knows
        whom it has asked, answered or not."""
        now, pause = time.monotonic(), clock.scaled(CREDIT_EVERY)
        self._asked = {print_: at for print_, at in self._asked.items() if at > now - pause}
        stale = ApiKey.credit_at.is_null() | (ApiKey.credit_at < clock.after(-CREDIT_EVERY))
        with db:
            due = self._in_use().where(stale & ApiKey.fingerprint.not_in(list(self._asked)))
            key = due.order_by(ApiKey.credit_at.asc(nulls="FIRST")).first()
        if key is None:
            return None
        self._asked[key.fingerprint] = now
        return self._lease(key.fingerprint)

    def admit_polls(self, print_: str, wanted: int) -> int:
        """How many of the `wanted` queries the key may make now; within the caller's transaction, under a lock on its row."""
        row = ApiKey.select().where(ApiKey.fingerprint == print_).for_update().get_or_none()
        if row is None:
            return wanted
        now = _clock()
        recent = [at for at in row.polls if at > now - timedelta(seconds=clock.scaled(POLL_WINDOW) + POLL_GUARD)]
        admitted = max(0, min(wanted, POLLS_A_WINDOW - len(recent)))
        ApiKey.update(polls=[*recent, *[now] * admitted]).where(ApiKey.fingerprint == print_).execute()
        return admitted

    def _lease(self, print_: str) -> Lease:
        return Lease(print_, self._secrets[print_])

    def _usable(self, now: datetime) -> list[ApiKey]:
        flying = (ProviderAttempt.key == ApiKey.fingerprint) & ProviderAttempt.state.in_(LIVE)
        return list(
            ApiKey.select(ApiKey, fn.COUNT(ProviderAttempt.id).alias("in_flight"))
            .join(ProviderAttempt, JOIN.LEFT_OUTER, on=flying)
            .where(ApiKey.fingerprint.in_(list(self._secrets)))
            .where(_well(now))
            .group_by(ApiKey.fingerprint)
            .order_by(SQL("in_flight"), ApiKey.last_used_at.asc(nulls="FIRST"))
        )

    def _wait_for_cooling(self, now: datetime) -> Wait:
        cooling = ApiKey.select(fn.MIN(ApiKey.until)).where(
            (ApiKey.state == "cooling") & ApiKey.fingerprint.in_(list(self._secrets))
        )
        until = cooling.scalar()
        if until is None:
            raise no_key_left()
        return Wait(clock.unscaled((until - now).total_seconds()), "keys are cooling down")


@dataclass(frozen=True)
class KeyRow:
    """A key as the operator sees it. `window` counts its account's creates in the window; `locked`: until an operator releases it."""

    fingerprint: str
    account: str
    configured: bool
    state: str
    reason: str
    until: datetime | None
    locked: bool
    window: int
    in_flight: int
    credit: float | None
    credit_at: datetime | None


def overview() -> list[KeyRow]:
    """Every key there ever was, the configured ones first; within the caller's transaction."""
    now = _clock()
    flying = (ProviderAttempt.key == ApiKey.fingerprint) & ProviderAttempt.state.in_(LIVE)
    rows = (
        ApiKey.select(ApiKey, Account, fn.COUNT(ProviderAttempt.id).alias("in_flight"))
        .join(Account)
        .switch(ApiKey)
        .join(ProviderAttempt, JOIN.LEFT_OUTER, on=flying)
        .group_by(ApiKey.fingerprint, Account.name)
        .order_by(ApiKey.configured.desc(), ApiKey.account, ApiKey.fingerprint)
    )
    return [_key_row(row, now) for row in rows]


def _key_row(row: ApiKey, now: datetime) -> KeyRow:
    return KeyRow(
        fingerprint=row.fingerprint,
        account=row.account_id,
        configured=row.configured,
        state=row.state,
        reason=row.reason,
        until=row.until,
        locked=row.until is not None and row.until - now > timedelta(seconds=key_health.UNTIL_RELEASED / 2),
        window=sum(at > now - _window() for at in row.account.creates),
        in_flight=row.in_flight,
        credit=None if row.credit is None else float(row.credit),
        credit_at=row.credit_at,
    )


def _well(now: datetime) -> Expression:
    return (ApiKey.state == "healthy") | ((ApiKey.state == "cooling") & (ApiKey.until <= now))


def no_key_left() -> ProviderError:
    """The failure of an order when every key is quarantined: BILLING by its text."""
    return ProviderError("kie", "keys", "no healthy api key is left", http_status=401)


def _window() -> timedelta:
    return timedelta(seconds=clock.scaled(WINDOW) + GUARD)


def _clock() -> datetime:
    return db.execute_sql("SELECT clock_timestamp()").fetchone()[0]
