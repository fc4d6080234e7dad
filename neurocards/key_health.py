"""How a provider key fares: well, resting after a 429, or in quarantine until a probe finds it well.

By fingerprint, never by the key itself; all within the caller's transaction.
"""

from peewee import SQL, Expression, fn

from neurocards import clock
from neurocards.models import NOW, ApiKey

# After a 429, and before the next look at a quarantined key (seconds): growing, at most half an hour.
COOLDOWN = 10.0
PROBE_EVERY = 60.0
PROBE_AT_MOST = 1800.0
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
    changes = ApiKey.update(state="quarantined", reason=reason[:200], until=clock.after(PROBE_EVERY), strikes=0)
    return bool(changes.where((ApiKey.fingerprint == print_) & (ApiKey.state != "quarantined")).execute())


def lock_out(print_: str, reason: str) -> bool:
    """An operator's quarantine: no probe ends it. False when there is no such key."""
    changes = ApiKey.update(state="quarantined", reason=reason[:200], until=clock.in_real(UNTIL_RELEASED), strikes=0)
    return bool(changes.where(ApiKey.fingerprint == print_).execute())


def release(print_: str) -> bool:
    """Puts a key back to work, whatever was the matter with it. False when there is no such key."""
    changes = ApiKey.update(state="healthy", reason="", until=None, strikes=0)
    return bool(changes.where(ApiKey.fingerprint == print_).execute())


def note_credit(print_: str, credit: float) -> None:
    """What the provider said the key's account has."""
    ApiKey.update(credit=credit, credit_at=NOW).where(ApiKey.fingerprint == print_).execute()


def put_off_probe(due: Expression) -> str | None:
    """The fingerprint of one quarantined key for which `due` holds and a probe's time has come; the moved `until` is the lease."""
    pause = clock.scaled(1.0) * fn.LEAST(PROBE_AT_MOST, PROBE_EVERY * fn.POWER(2, ApiKey.strikes + 1))
    ready = ApiKey.select(ApiKey.fingerprint).where((ApiKey.state == "quarantined") & (ApiKey.until <= NOW) & due)
    later = {"until": NOW + pause * SQL("interval '1 second'"), "strikes": ApiKey.strikes + 1}
    one = ApiKey.fingerprint.in_(ready.limit(1).for_update("FOR UPDATE SKIP LOCKED"))
    found = next(iter(ApiKey.update(later).where(one).returning(ApiKey.fingerprint).execute()), None)
    return found.fingerprint if found else None
