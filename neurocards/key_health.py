"""How a provider key fares: well, resting after a 429, or in quarantine until a probe finds it well.

A probe sees an account's credit and not whether a video can be made: a key that was let in again and fails again has its strikes still,
and waits twice as long for the next. They are forgotten when the provider takes a task, or by an operator.

By fingerprint, never by the key itself; all within the caller's transaction.
"""

from datetime import datetime

from peewee import SQL, Expression, fn

from neurocards import clock
from neurocards.models import NOW, ApiKey

# After a 429, and before the next look at a quarantined key (seconds): growing, at most half an hour.
COOLDOWN = 10.0
PROBE_EVERY = 60.0
PROBE_AT_MOST = 1800.0
# More make no difference to the pause, and POWER has an end.
MOST_STRIKES = 10
# KIE's credits, half a cent each: the cheapest video there is (Grok's ten seconds, Veo lite). With less a key can make none.
VIDEO_CREDITS = 30.0
# An operator's quarantine is for an operator to end: no probe is due in a lifetime.
UNTIL_RELEASED = 100 * 365 * 86_400.0


def cool(print_: str, seconds: float | None) -> None:
    """Rests a key after a 429, at least the window; a rest is only ever extended."""
    until = clock.after(max(COOLDOWN, seconds or 0.0))
    changes = ApiKey.update(
        state="cooling", reason="rate limit", until=fn.GREATEST(fn.COALESCE(ApiKey.until, NOW), until)
    )
    changes.where((ApiKey.fingerprint == print_) & (ApiKey.state != "quarantined")).execute()


def quarantine(print_: str, reason: str) -> bool:
    """Takes a key out of use until a probe finds it well. True when it was not out already."""
    changes = ApiKey.update(state="quarantined", reason=reason[:200], until=_probe_after(ApiKey.strikes))
    return bool(changes.where((ApiKey.fingerprint == print_) & (ApiKey.state != "quarantined")).execute())


def lock_out(print_: str, reason: str) -> bool:
    """An operator's quarantine: no probe ends it. False when there is no such key."""
    changes = ApiKey.update(state="quarantined", reason=reason[:200], until=clock.in_real(UNTIL_RELEASED), strikes=0)
    return bool(changes.where(ApiKey.fingerprint == print_).execute())


def release(print_: str) -> bool:
    """Puts a key back to work, whatever was the matter with it. False when there is no such key."""
    changes = ApiKey.update(state="healthy", reason="", until=None, strikes=0)
    return bool(changes.where(ApiKey.fingerprint == print_).execute())


def readmit(print_: str, until: datetime) -> bool:
    """What a probe does with a key that it found well, if the row is still as its lease left it: an operator may have been there since."""
    changes = ApiKey.update(state="healthy", reason="", until=None)
    leased = (ApiKey.state == "quarantined") & (ApiKey.until == until)
    return bool(changes.where((ApiKey.fingerprint == print_) & leased).execute())


def took_a_task(print_: str) -> None:
    """The provider made a task with the key: whatever was the matter with it is over."""
    ApiKey.update(strikes=0).where((ApiKey.fingerprint == print_) & (ApiKey.strikes > 0)).execute()


def note_credit(print_: str, credit: float) -> None:
    """What the provider said the key's account has."""
    ApiKey.update(credit=credit, credit_at=NOW).where(ApiKey.fingerprint == print_).execute()


def put_off_probe(due: Expression) -> tuple[str, datetime] | None:
    """The fingerprint of one quarantined key for which `due` holds and a probe's time has come, and its moved `until`: the lease."""
    ready = ApiKey.select(ApiKey.fingerprint).where((ApiKey.state == "quarantined") & (ApiKey.until <= NOW) & due)
    strikes = fn.LEAST(ApiKey.strikes, MOST_STRIKES - 1) + 1
    one = ApiKey.fingerprint.in_(ready.limit(1).for_update("FOR UPDATE SKIP LOCKED"))
    put_off = ApiKey.update(until=_probe_after(strikes), strikes=strikes).where(one)
    found = next(iter(put_off.returning(ApiKey.fingerprint, ApiKey.until).execute()), None)
    return (found.fingerprint, found.until) if found else None


def _probe_after(strikes: Expression) -> Expression:
    pause = clock.scaled(1.0) * fn.LEAST(PROBE_AT_MOST, PROBE_EVERY * fn.POWER(2, fn.LEAST(strikes, MOST_STRIKES)))
    return NOW + pause * SQL("interval '1 second'")
