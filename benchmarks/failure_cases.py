"""Which failures `benchmarks.failures` plays, and what has to become of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

ANSWER, POLLED, CALLBACK, DEAF = "answer", "polled", "callback", "answer, no callbacks"
# How long a doubtful answer is waited for (product seconds).
AWAITED = {ANSWER: 600.0, DEAF: 60.0}
# A code for texts of which the sample has none.
CODES = {"USER_ERROR": 422, "BILLING": 402, "RATE_LIMIT": 429, "TEMPORARY": 500, "CONFIGURATION": 422, "UNKNOWN": 501}
# Subtypes that the customer is given words of their own for.
EXPLAINED = {
    "USER_ERROR": ("person", "sexual", "copyright", "moderation", "image_format", "image_size", "prompt"),
    "TEMPORARY": ("maintenance", "image_unreachable"),
}


@dataclass(frozen=True)
class Rule:
    """What has to become of an order: attempts made and counted, the state of a struck key, the pause between attempts
    (product seconds), and what the operator is told.
    """

    tries: int
    counted: int
    key: str = "healthy"
    pause: tuple[float, float] = (0.0, 0.0)
    alerts: tuple[str, ...] = ()


# An attempt is given back when the order moves to another key or model; the last one is not, since nothing follows it.
LASTING = {
    "USER_ERROR": Rule(1, 1),
    "BILLING": Rule(3, 1, "quarantined", alerts=("billing", *3 * ("key_quarantined",))),
    "RATE_LIMIT": Rule(3, 3, "cooling", (60.0, 120.0)),
    "TEMPORARY": Rule(3, 3, pause=(30.0, 60.0)),
    "CONFIGURATION": Rule(3, 1, alerts=("configuration", "model_fallback")),
    "UNKNOWN": Rule(2, 2, pause=(30.0, 60.0), alerts=("unknown_failure",)),
}
ONCE = {
    "BILLING": Rule(2, 1, "quarantined", alerts=("key_quarantined",)),
    "CONFIGURATION": Rule(2, 1, alerts=("model_fallback",)),
}
ALERTS = {kind for rules in (LASTING, ONCE) for rule in rules.values() for kind in rule.alerts}


@dataclass(frozen=True)
class Case:
    """A text of the sample, in one way. `lasting`: every attempt is struck, and not only the first."""

    row: dict[str, Any]
    way: str
    lasting: bool = True

    @property
    def category(self) -> str:
        """The category that the sample gives the text."""
        return str(self.row["category"])

    @property
    def rule(self) -> Rule:
        """What is to become of the order."""
        return (LASTING if self.lasting else ONCE)[self.category]

    @property
    def doubtful(self) -> bool:
        """Whether the text leaves open, where it arrives, whether the task was made."""
        return self.row["subtype"] == "ambiguous_submit" and self.way in AWAITED

    @property
    def subtype(self) -> str:
        """What is to stand in the job's row: a doubtful answer has become a lost one by then."""
        if self.row["subtype"] == "ambiguous_submit":
            return "lost_reply" if self.doubtful else "provider"
        return str(self.row["subtype"])

    @property
    def why(self) -> str:
        """The text that explains it to the customer."""
        if self.subtype in EXPLAINED.get(self.category, ()):
            return self.subtype
        return "user" if self.category == "USER_ERROR" else self.category.lower()

    @property
    def code(self) -> int:
        """The body's code as the answer to createTask."""
        digits = "".join(filter(str.isdigit, self.row["fail_code"] or ""))
        return int(self.row["body_code"] or digits or CODES[self.category])

    def __str__(self) -> str:
        """One line for the table of deviations."""
        return f"{self.category} | {self.way}{'' if self.lasting else ', once'} | {self.row['text'][:60]}"


def cases(rows: Sequence[dict[str, Any]]) -> list[Case]:
    """Every text in every way that a system with callbacks can meet it."""
    lasting = [Case(row, way) for row in rows for way in (ANSWER, POLLED, CALLBACK)]
    return lasting + [Case(case.row, case.way, lasting=False) for case in lasting if case.category in ONCE]
