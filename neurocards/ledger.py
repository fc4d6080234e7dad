"""Credits. Entries are appended, never edited; every function here runs inside the caller's transaction.

The balance and its entries change together, and a balance only through a guarded UPDATE, never by read, subtract and save.
"""

from collections.abc import Sequence

from peewee import fn

from neurocards.errors import NotEnoughCredits
from neurocards.models import LedgerEntry, User


def balance(user_id: int) -> int:
    """Credits the user has now; 0 for someone unknown."""
    return User.select(User.credits).where(User.id == user_id).scalar() or 0


def grant(user_id: int, amount: int, reason: str, actor: str, key: str | None = None) -> bool:
    """Gives `amount` credits (negative takes back). With a `key` it happens once: False when it had happened already."""
    entry = {"user": user_id, "kind": "grant", "amount": amount, "reason": reason, "actor": actor, "key": key}
    written = LedgerEntry.insert(entry).on_conflict_ignore().returning(LedgerEntry.id).execute()
    if not list(written):
        return False
    User.update(credits=User.credits + amount).where(User.id == user_id).execute()
    return True


def debit(user_id: int, job_ids: Sequence[int], reason: str) -> None:
    """Takes one credit for each job. Raises NotEnoughCredits, and then nothing was taken."""
    price = len(job_ids)
    paid = User.update(credits=User.credits - price).where((User.id == user_id) & (User.credits >= price)).execute()
    if not paid:
        raise NotEnoughCredits(balance(user_id), price)
    LedgerEntry.insert_many(
        {"user": user_id, "job": job, "kind": "debit", "amount": -1, "reason": reason, "actor": f"user:{user_id}"}
        for job in job_ids
    ).execute()


def capture(job_id: int, actor: str) -> None:
    """Keeps what the job cost: it was delivered. The database refuses it beside a refund."""
    user_id = _debit_of(job_id).user_id
    LedgerEntry.insert(user=user_id, job=job_id, kind="capture", amount=0, reason="delivered", actor=actor).execute()


def refund(job_id: int, reason: str, actor: str) -> int:
    """Gives back what the job's debit took, whatever a video costs today. Returns the amount in credits."""
    entry = _debit_of(job_id)
    amount = -entry.amount
    LedgerEntry.insert(
        user=entry.user_id, job=job_id, kind="refund", amount=amount, reason=reason, actor=actor
    ).execute()
    User.update(credits=User.credits + amount).where(User.id == entry.user_id).execute()
    return amount


def _debit_of(job_id: int) -> LedgerEntry:
    return LedgerEntry.get((LedgerEntry.job == job_id) & (LedgerEntry.kind == "debit"))


def unexplained() -> list[int]:
    """Ids of users whose balance is not the sum of their entries. Always empty, or there is a fault."""
    total = fn.COALESCE(fn.SUM(LedgerEntry.amount), 0)
    rows = User.select(User.id).left_outer_join(LedgerEntry).group_by(User.id).having(User.credits != total)
    return [user.id for user in rows]
