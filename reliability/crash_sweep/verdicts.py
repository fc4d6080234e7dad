"""Was anything lost, doubled or left unsaid? A run that was killed is compared with the promises, and with the run that was not."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from reliability.crash_sweep.failpoints import AFTER, Step

Entry = dict[str, Any]

SETTLEMENT = {"done": "capture", "failed": "refund", "cancelled": "refund"}
# The two windows of `docs/why.md`: open from when the request may have left until its result is committed.
WINDOWS = {"http send POST createTask": "create", "http send POST sendVideo": "send"}
_SAYING = ("sendMessage", "editMessageText", "sendVideo")
_NUMBERS = re.compile(r"\d+")


@dataclass(frozen=True)
class Outcome:
    """What a run came to: the books once nothing was open, and the vendors' journal of its time."""

    books: dict[str, Any]
    journal: Sequence[Entry]

    @cached_property
    def creates(self) -> list[Entry]:
        """The calls that made a task."""
        calls = [entry for entry in self.journal if entry["endpoint"] == "createTask" and entry["status"] == 200]
        return [entry for entry in calls if (entry["response"].get("data") or {}).get("taskId")]

    @property
    def made(self) -> dict[str, int]:
        """How many tasks were made and videos sent."""
        sent = [entry for entry in self.journal if entry["endpoint"] == "sendVideo" and entry["status"] == 200]
        return {"create": len(self.creates), "send": len(sent)}

    @property
    def said(self) -> set[str]:
        """What stands in the chats in the end of what was said in this time, with numbers masked."""
        last: dict[tuple[str, Any], str] = {}
        for entry in self.journal:
            request, result = entry["request"], entry["response"].get("result")
            stands = entry["status"] == 200 or "not modified" in str(entry["response"].get("description"))
            if entry["endpoint"] not in _SAYING or not stands:
                continue
            message = request.get("message_id") or (result.get("message_id") if isinstance(result, dict) else None)
            last[str(request["chat_id"]), str(message)] = str(request.get("text") or request.get("caption"))
        return {f"{chat}: {_NUMBERS.sub('#', text)}" for (chat, _), text in last.items()}


def window(steps: Sequence[Step]) -> str | None:
    """Which window was open where the run was killed: 'create', 'send' or none."""
    opened = None
    for step in steps:
        if step.side == AFTER:
            opened = next((kind for start, kind in WINDOWS.items() if step.name.startswith(start)), opened)
            opened = None if step.name.startswith("sql COMMIT") else opened
    return opened


def violations(outcome: Outcome, ends: Sequence[str], whole: Outcome | None, unheard: str = "") -> list[str]:
    """The promises a run broke, duplicates apart; `whole` is the run that nobody killed. Whoever is `unheard` need not be told the same."""
    books = outcome.books
    found = [f"audit: {broken}" for broken in books["audit"]]
    if books["rounds"] is None:
        found.append("did not settle")
    found += _money(books["jobs"], ends)
    found += [f"not told: {key} ({error})" for key, error in books["untold"]]
    found += [f"set aside: update {update}: {error}" for update, _, error in books["inbox"] if error]
    calls = Counter(entry["request"].get("callBackUrl") for entry in outcome.creates)
    found += [f"the attempt {url} made {times} tasks" for url, times in calls.items() if url and times > 1]
    return found + (_differences(outcome, whole, unheard) if whole else [])


def _money(jobs: Sequence[Sequence[Any]], ends: Sequence[str]) -> list[str]:
    ended = [status for _, status, *_ in jobs]
    found = [] if sorted(ended) == sorted(ends) else [f"jobs ended as {ended}, not as {list(ends)}"]
    for job, status, _category, kinds, _order in jobs:
        if kinds != ["debit", SETTLEMENT.get(status, "")]:
            found.append(f"job {job} is {status} with {kinds}")
    return found


def _differences(outcome: Outcome, whole: Outcome, unheard: str) -> list[str]:
    missing = sorted(text for text in whole.said - outcome.said if text.partition(":")[0] != unheard)
    found = [f"never said: {text!r}" for text in missing]
    books, expected = outcome.books, whole.books
    differing = [what for what in ("orders", "credits", "drafts") if books[what] != expected[what]]
    found += [f"{what}: {books[what]}, and without a crash {expected[what]}" for what in differing]
    if len(books["keys_out"]) > len(expected["keys_out"]):
        found.append(f"keys out of use: {books['keys_out']}, and without a crash {expected['keys_out']}")
    if len(books["inbox"]) != len(expected["inbox"]):
        found.append(f"{len(books['inbox'])} updates kept of {len(expected['inbox'])}")
    return found


def extra(outcome: Outcome, whole: Outcome) -> dict[str, int]:
    """Tasks and videos beyond those of the run that nobody killed."""
    return {kind: max(0, count - whole.made[kind]) for kind, count in outcome.made.items()}
