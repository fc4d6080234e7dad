"""What is looked at when an order has ended: the ledger, the attempts, the chat, and what KIE was asked for."""

from collections.abc import Iterable
from typing import Any

from neurocards.texts import say
from sandbox.client import ChatMessage, SandboxClient
from sandbox.customer import Customer
from tests.acceptance.conftest import Query, eventually


def the_job(rows: Query, anna: Customer) -> dict[str, Any]:
    """The customer's newest job."""
    return rows("SELECT * FROM jobs WHERE user_id = %s ORDER BY id DESC LIMIT 1", anna.user.id)[0]


def attempts(rows: Query, job: dict[str, Any]) -> list[dict]:
    """What was asked of KIE for the job, in order."""
    return rows("SELECT * FROM provider_attempts WHERE job_id = %s ORDER BY n", job["id"])


def money(rows: Query, job: dict[str, Any]) -> list[str]:
    """The kinds of the job's ledger entries, in order."""
    return [row["kind"] for row in rows("SELECT kind FROM ledger_entries WHERE job_id = %s ORDER BY id", job["id"])]


def videos(anna: Customer) -> list[ChatMessage]:
    """The videos in the customer's chat."""
    return [shown for shown in anna.user.chat() if shown.from_bot and shown.kind == "video"]


def told(anna: Customer, why: str, patience: float = 30.0) -> ChatMessage:
    """The notice of a failure for the reason `why`, as soon as it is there."""
    return anna.user.wait(lambda shown: say(f"why-{why}", "ru") in shown.text, patience)


def assert_delivered(rows: Query, anna: Customer) -> dict[str, Any]:
    """Waits until the newest order is done: its video came once, and its credit was kept. Returns the job."""
    eventually(lambda: the_job(rows, anna)["finished_at"], 45)
    job = the_job(rows, anna)
    assert (job["status"], money(rows, job)) == ("done", ["debit", "capture"])
    assert len([shown for shown in videos(anna) if f"№{job['order_id']} " in shown.text]) == 1
    return job


def assert_refunded(rows: Query, anna: Customer, why: str, credits: int = 5) -> dict[str, Any]:
    """Waits for the notice: the job failed, the credit is back, and it was told once and in Russian. Returns the job."""
    notice = told(anna, why)
    assert "Кредит вернулся" in notice.text
    job = the_job(rows, anna)
    assert (job["status"], money(rows, job)) == ("failed", ["debit", "refund"])
    assert rows("SELECT credits FROM users WHERE id = %s", anna.user.id) == [{"credits": credits}]
    assert sum(say(f"why-{why}", "ru") in shown.text for shown in anna.user.chat()) == 1
    assert not videos(anna)
    return job


def assert_balanced(rows: Query) -> None:
    """Every balance is the sum of its entries; every job has one debit and is settled once, exactly when it has ended."""
    assert rows("""
        SELECT u.id FROM users u LEFT JOIN ledger_entries e ON e.user_id = u.id
        GROUP BY u.id HAVING u.credits <> coalesce(sum(e.amount), 0)""") == []  # fmt: skip
    assert (
        rows("""
        SELECT j.id, j.status FROM jobs j LEFT JOIN ledger_entries e ON e.job_id = j.id
        GROUP BY j.id HAVING count(*) FILTER (WHERE e.kind = 'debit') <> 1
            OR count(*) FILTER (WHERE e.kind = 'capture') <> (j.status = 'done')::int
            OR count(*) FILTER (WHERE e.kind = 'refund') <> (j.status IN ('failed', 'cancelled'))::int""")
        == []
    )


def creates(client: SandboxClient, after: int = 0) -> list[dict]:
    """The calls that asked KIE for a video, from the journal."""
    return client.journal(after=after, service="kie", endpoint="createTask")


def assert_asked_once_each(entries: Iterable[dict]) -> None:
    """No attempt was sent twice: each request carries a nonce of its own."""
    nonces = [entry["request"]["callBackUrl"] for entry in entries]
    assert len(set(nonces)) == len(nonces)


def now(client: SandboxClient) -> int:
    """The number of the journal's newest entry."""
    entries = client.journal()
    return entries[-1]["n"] if entries else 0
