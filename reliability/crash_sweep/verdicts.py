"""Was anything lost, doubled or left unsaid? A run that was killed is compared with the promises, and with the run that was not."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from reliability.crash_sweep.failpoints import AFTER, Step
from reliability.crash_sweep.settling import task_of

Entry = dict[str, Any]

SETTLEMENT = {"done": "capture", "failed": "refund", "cancelled": "refund"}
# The two windows of `docs/why.md`: open from when the request may have left until its result is committed.
WINDOWS = {"http send POST createTask": "create", "http send POST sendVideo": "send"}
_SAYING = ("sendMessage", "editMessageText", "sendVideo")
_SAME = ("orders", "credits", "drafts", "keys_out", "credit_low")
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
        return [entry for entry in calls if task_of(entry)]

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


def violations(outcome: Outcome, ends: Sequence[str], whole: Outcome | None, varying: str = "$^") -> list[str]:
    """The promises a run broke, duplicates apart; `whole` is the run that nobody killed, and its end is what must come out.

    What matches `varying` may be told in other words.
    """
    books = outcome.books
    found = [f"audit: {broken}" for broken in books["audit"]]
    if books["rounds"] is None:
        found.append("did not settle")
    found += _money(books["jobs"], ends)
    found += [f"not told: {key} ({error})" for key, error in books["untold"]]
    found += [f"told of a failure that was none: {key}" for (key,) in books["told_wrongly"]]
    found += [f"set aside: update {update}: {error}" for update, _, error in books["inbox"] if error]
    calls = Counter(entry["request"].get("callBackUrl") for entry in outcome.creates)
    found += [f"the attempt {url} made {times} tasks" for url, times in calls.items() if url and times > 1]
    return found + (_differences(outcome, whole, varying) if whole else [])


def _money(jobs: Sequence[Sequence[Any]], ends: Sequence[str]) -> list[str]:
    ended = [status for _, status, *_ in jobs]
    found = [] if sorted(ended) == sorted(ends) else [f"jobs ended as {ended}, not as {list(ends)}"]
    for job, status, _category, kinds, _order in jobs:
        if kinds != ["debit", SETTLEMENT.get(status, "")]:
            found.append(f"job {job} is {status} with {kinds}")
    return found


def _differences(outcome: Outcome, whole: Outcome, varying: str) -> list[str]:
    said, expected_texts = ({re.sub(varying, "", text) for text in run.said} for run in (outcome, whole))
    found = [f"never said: {text!r}" for text in sorted(expected_texts - said)]
    books, expected = outcome.books, whole.books
    differing = [what for what in _SAME if books[what] != expected[what]]
    found += [f"{what}: {books[what]}, and without a crash {expected[what]}" for what in differing]
    if len(books["inbox"]) != len(expected["inbox"]):
        found.append(f"{len(books['inbox'])} updates kept of {len(expected['inbox'])}")
    return found


def duplicates(
    steps: Sequence[Step], outcome: Outcome, whole: Outcome, callbacks: bool
) -> tuple[dict[str, int], list[str]]:
    """Tasks and videos beyond those of the run that nobody killed, and what of that can't be excused.

    One more is excused when the run was killed in the window; a task only when no callback could bring its id home.
    """
    doubled = {kind: max(0, count - whole.made[kind]) for kind, count in outcome.made.items()}
    opened = window(steps)
    excused = {"create": int(opened == "create" and not callbacks), "send": int(opened == "send")}
    unexpected = [
        f"{count} more of '{kind}', where {excused[kind]} could be: the window was {opened or 'closed'}"
        for kind, count in doubled.items()
        if count > excused[kind]
    ]
    return doubled, unexpected
