"""Every failure text of the sample, in each way it can reach us: what becomes of the order, the money, the key, and who is told.

python -m benchmarks.failures [which: 1 is every text, 9 every ninth]

One order at a time, each by a customer of its own, and struck until it ends. A text arrives as createTask's answer, in a failed
record that polling finds (its callback is lost), or in one that a callback announces. BILLING and CONFIGURATION are run twice:
struck at every attempt, and at the first only. Before each order the database is told that an hour has passed, so that no
order pays for the retries of another.
"""

import html
import json
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from rich.progress import Progress

from benchmarks.crowd import alone, many_accounts, query, report, until
from benchmarks.failure_cases import ALERTS, ANSWER, AWAITED, CALLBACK, DEAF, LASTING, POLLED, Case, cases
from neurocards.texts import say
from sandbox.client import SandboxClient
from sandbox.customer import Customer
from sandbox.local import ROOT, Local

TIME_SCALE = 100.0
# How much later than its pause a retry may begin (real seconds): the sweep's tick is 0.1 s, then a message must be taken up.
LATE = 0.5
PATIENCE = 60.0
OPERATOR = 424242
CREDITS = 2
SAMPLE = ROOT / "tests" / "data" / "kie_failures.json"
KEYS = "one:key-1,one:key-2,two:key-3"
MODELS = ("bytedance/seedance-1.5-pro", "kling-3.0/video", "bytedance/seedance-2-fast")
SETTINGS = {
    "KIE_API_KEY": KEYS,
    "KIE_MODEL": MODELS[0],
    "KIE_FALLBACK_MODELS": ",".join(MODELS[1:]),
    "ADMIN_IDS": str(OPERATOR),
    "WELCOME_CREDITS": str(CREDITS),
}


@dataclass(frozen=True)
class Attempt:
    """A row of provider_attempts. `pause` since the attempt before and `lasted` are in product seconds."""

    key: str
    model: str
    state: str
    pause: float | None
    lasted: float


@dataclass(frozen=True)
class Seen:
    """What an order left behind: its row, money, attempts, the verdicts on them, the keys' states, journal and chat."""

    status: str
    category: str
    subtype: str
    counted: int
    credits: int
    money: list[str]
    verdicts: list[str]
    attempts: list[Attempt]
    keys: dict[str, str]
    entries: list[dict[str, Any]]
    chat: list[str]

    def calls(self, endpoint: str) -> int:
        """How often KIE was called at `endpoint`, or called us."""
        return sum(entry["service"] == "kie" and entry["endpoint"] == endpoint for entry in self.entries)

    def told_operator(self) -> list[str]:
        """The messages that went to the operator."""
        sent = [entry["request"] for entry in self.entries if entry["endpoint"] == "sendMessage"]
        return [request["text"] for request in sent if str(request.get("chat_id")) == str(OPERATOR)]


FRESH = (
    """UPDATE provider_attempts SET started_at = started_at - interval '1 hour', finished_at = finished_at - interval '1 hour'
       WHERE finished_at IS NOT NULL RETURNING 1""",
    # Nor is a key asked for its credit meanwhile, which the cases of BILLING forge.
    """UPDATE api_keys SET state = 'healthy', until = NULL, reason = '', strikes = 0, credit_at = now() + interval '1 hour'
       RETURNING 1""",
    "DELETE FROM outbox WHERE kind = 'alert' RETURNING 1",
    "DELETE FROM pauses RETURNING 1",
)
ENDED = """
    SELECT NOT EXISTS (SELECT 1 FROM jobs WHERE finished_at IS NULL)
       AND NOT EXISTS (SELECT 1 FROM outbox WHERE kind <> 'card' AND sent_at IS NULL AND error IS NULL)"""
JOB = """
    SELECT j.status, coalesce(j.failure_category, ''), coalesce(j.failure_subtype, ''), j.render_attempts, u.credits,
           ARRAY(SELECT kind FROM ledger_entries WHERE job_id = j.id ORDER BY id),
           ARRAY(SELECT split_part(reason, ':', 1) FROM job_events WHERE job_id = j.id AND reason ~ '^[A-Z_]+:' ORDER BY id)
    FROM jobs j JOIN users u ON u.id = j.user_id ORDER BY j.id DESC LIMIT 1"""
TRIED = """
    SELECT key, model, state, extract(epoch FROM started_at - lag(finished_at) OVER (ORDER BY n))::float,
           extract(epoch FROM finished_at - started_at)::float
    FROM provider_attempts WHERE job_id = (SELECT max(id) FROM jobs) ORDER BY n"""
UNBALANCED = """
    SELECT (SELECT count(*) FROM (
                SELECT 1 FROM users u LEFT JOIN ledger_entries e ON e.user_id = u.id
                GROUP BY u.id HAVING u.credits <> coalesce(sum(e.amount), 0)) people)
         + (SELECT count(*) FROM (
                SELECT 1 FROM jobs j LEFT JOIN ledger_entries e ON e.job_id = j.id
                GROUP BY j.id HAVING count(*) FILTER (WHERE e.kind = 'debit') <> 1
                    OR count(*) FILTER (WHERE e.kind = 'capture') <> (j.status = 'done')::int
                    OR count(*) FILTER (WHERE e.kind = 'refund') <> (j.status IN ('failed', 'cancelled'))::int) jobs)"""


@contextmanager
def system(**settings: str) -> Iterator[tuple[Local, SandboxClient]]:
    """A system whose operator has said hello: nobody else may be written to."""
    folder = Path(tempfile.mkdtemp(prefix="neurocards-bench-"))
    with Local(folder, time_scale=TIME_SCALE, prepared_video=True, settings={**SETTINGS, **settings}) as local:
        with SandboxClient(local.sandbox.url) as client:
            many_accounts(client, KEYS)
            Customer(client.user(id=OPERATOR)).say("/start")
            yield local, client


def strike(client: SandboxClient, case: Case) -> None:
    """Arms the case's fault. A probe must not find a key well that the text says is not."""
    times = -1 if case.lasting else 1
    if case.way in AWAITED:
        client.fault("kie", "createTask", "code", times=times, code=case.code, msg=case.row["text"])
    else:
        code = (case.row["fail_code"] or str(case.code)).rstrip("?")
        client.fault("kie", "createTask", "fail", times=times, failCode=code, failMsg=case.row["text"], seconds=20)
    if case.way == POLLED:
        client.fault("kie", "createTask", "callback_lost", times=-1)
    if case.category == "BILLING":
        client.fault("kie", "credit", "code", times=-1, code=401, msg="Authentication failed")


def run(local: Local, client: SandboxClient, case: Case, after: int) -> Seen:
    """One order under the case's fault, from its first word to its end. `after` is the journal's newest entry before it."""
    database = local.environment["DATABASE_URL"]
    for statement in FRESH:
        query(database, statement)
    strike(client, case)
    try:
        anna = Customer(client.user(), patience=PATIENCE)
        anna.order()
        wait_for_end(database)
        return look(client, anna, database, after)
    finally:
        client.clear_faults()
        wait_for_end(database)


def wait_for_end(database: str) -> None:
    """Until every order has ended and been told of. One that does not is a deviation: it is looked at as it stands."""
    with suppress(TimeoutError):
        until(lambda: query(database, ENDED)[0][0], "the order's end", PATIENCE, every=0.05)


def look(client: SandboxClient, anna: Customer, database: str, after: int) -> Seen:
    """Reads what the newest order left behind."""
    attempts = [
        Attempt(key, model, state, pause and pause * TIME_SCALE, (lasted or 0.0) * TIME_SCALE)
        for key, model, state, pause, lasted in query(database, TRIED)
    ]
    keys = dict(query(database, "SELECT fingerprint, state FROM api_keys"))
    chat = [shown.text for shown in anna.user.chat() if shown.from_bot]
    facts: tuple[Any, ...] = (*query(database, JOB)[0], attempts, keys, client.journal(after=after), chat)
    return Seen(*facts)


Check = tuple[str, object, object]  # what is looked at, what was found, what is right


def deviations(case: Case, seen: Seen) -> list[str]:
    """What is not as specified, in words."""
    checks = [
        *of_the_order(case, seen),
        *of_the_attempts(case, seen),
        *of_the_keys(case, seen),
        *of_the_words(case, seen),
    ]
    return [f"{name}: {found!r}, should be {right!r}" for name, found, right in checks if found != right]


def of_the_order(case: Case, seen: Seen) -> Iterator[Check]:
    """Its status, the reason in its row, and the money."""
    yield "status", seen.status, "failed" if case.lasting else "done"
    yield "row", (seen.category, seen.subtype), (case.category, case.subtype) if case.lasting else ("", "")
    yield "verdicts", seen.verdicts, [case.category] * (case.rule.tries if case.lasting else 1)
    yield "money", seen.money, ["debit", "refund" if case.lasting else "capture"]
    yield "balance", seen.credits, CREDITS if case.lasting else CREDITS - 1


def of_the_attempts(case: Case, seen: Seen) -> Iterator[Check]:
    """How many there were, by our books and by KIE's, and when."""
    rule, attempts = case.rule, seen.attempts
    yield "attempts", len(attempts), rule.tries
    yield "counted", seen.counted, rule.counted
    yield "createTask", seen.calls("createTask"), len(attempts)
    yield "uploads", seen.calls("file-stream-upload"), rule.tries if case.subtype == "image_unreachable" else 1
    yield "pauses outside", outside(pauses(seen), *rule.pause), []
    if case.doubtful:
        yield "waits outside", outside([attempt.lasted for attempt in attempts], *2 * (AWAITED[case.way],)), []
    heard = {POLLED: 0, CALLBACK: rule.tries, ANSWER: int(not case.lasting), DEAF: 0}
    yield "callbacks", seen.calls("callback"), heard[case.way]


def of_the_keys(case: Case, seen: Seen) -> Iterator[Check]:
    """Who was blamed, where the next attempt went."""
    struck = {attempt.key for attempt in seen.attempts if attempt.state == "failed"}
    yield "keys", seen.keys, {key: case.rule.key if key in struck else "healthy" for key in seen.keys}
    if case.rule.key != "healthy":
        yield "same key again", any(one.key == two.key for one, two in pairwise(seen.attempts)), False
    models = MODELS if case.category == "CONFIGURATION" else MODELS[:1] * case.rule.tries
    yield "models", [attempt.model for attempt in seen.attempts], list(models[: case.rule.tries])


def of_the_words(case: Case, seen: Seen) -> Iterator[Check]:
    """What the customer and the operator were told."""
    notices = [text for text in seen.chat if say(f"why-{case.why}", "ru") in text]
    yield "notices", len(notices), int(case.lasting)
    for notice in notices:
        yield "credit told", say("failure-money", "ru", balance=CREDITS) in notice, True
        yield "support told", "Обратитесь в тех. поддержку: @kirbudilov" in notice, case.category == "BILLING"
    yield "vendor's words shown", any(case.row["text"] in text for text in seen.chat), False
    told = seen.told_operator()
    kinds = [next((kind for kind in ALERTS if text.startswith(say(f"alert-{kind}", "ru"))), text[:40]) for text in told]
    yield "alerts", sorted(kinds), sorted(case.rule.alerts)
    yield "raw text told", all(html.escape(case.row["text"], quote=False) in text for text in told), True


def pauses(seen: Seen) -> list[float]:
    """Product seconds from the end of each attempt to the beginning of the next."""
    return [attempt.pause for attempt in seen.attempts if attempt.pause is not None]


def outside(seconds: Iterable[float], low: float, high: float) -> list[float]:
    """Those that are too short, or longer than the sweep's lateness explains."""
    return [round(value, 1) for value in seconds if not low <= value <= high + LATE * TIME_SCALE]


Outcome = tuple[Case, Seen, list[str]]


def run_all(local: Local, client: SandboxClient, chosen: Sequence[Case]) -> list[Outcome]:
    """Runs the cases one after another and prints each that deviates at once."""
    outcomes = []
    with Progress(transient=True) as progress:
        task = progress.add_task("orders", total=len(chosen))
        after = max((entry["n"] for entry in client.journal()), default=0)
        for case in chosen:
            seen = run(local, client, case, after)
            after = max((entry["n"] for entry in seen.entries), default=after)
            found = deviations(case, seen)
            outcomes.append((case, seen, found))
            for words in found:
                progress.console.print(f"{case} | {words}", markup=False, highlight=False, soft_wrap=True)
            progress.advance(task)
    return outcomes


def of_category(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Runs, those as specified, and the pauses of retries in product seconds."""
    measured = [round(seconds, 1) for _, seen, _ in outcomes for seconds in pauses(seen)]
    spread = {"min": min(measured), "median": statistics.median(measured), "max": max(measured)} if measured else {}
    right = sum(not found for _, _, found in outcomes)
    kinds = Counter(words.partition(":")[0] for _, _, found in outcomes for words in found)
    return {
        "runs": len(outcomes),
        "as_specified": right,
        "deviating": len(outcomes) - right,
        "deviations": dict(kinds),
        "retries": len(measured),
        "pause_s": spread,
    }


def main(step: int = 1) -> None:
    """Runs every `step`-th text of the sample and prints the figures."""
    alone()
    rows = json.loads(SAMPLE.read_text(encoding="utf-8"))[::step]
    with system() as (local, client):
        outcomes = run_all(local, client, cases(rows))
        unbalanced = query(local.environment["DATABASE_URL"], UNBALANCED)[0][0]
    doubtful = [Case(row, DEAF) for row in rows if row["subtype"] == "ambiguous_submit"]
    if doubtful:
        with system(PUBLIC_BASE_URL="") as (local, client):
            outcomes += run_all(local, client, doubtful)
            unbalanced += query(local.environment["DATABASE_URL"], UNBALANCED)[0][0]
    report(
        time_scale=TIME_SCALE,
        texts=len(rows),
        late_allowed_s=LATE * TIME_SCALE,
        runs=len(outcomes),
        as_specified=sum(not found for _, _, found in outcomes),
        unbalanced=unbalanced,
        categories={name: of_category([one for one in outcomes if one[0].category == name]) for name in LASTING},
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
