"""What can go wrong in a stage, as the classifiers would name it, and where the job may be then: a table written from the
specification and not from the policies, so that the two can disagree."""

from dataclasses import dataclass

from neurocards.errors import Failure

States = frozenset[str]


@dataclass(frozen=True)
class Trouble:
    """`ends` has the states a job may be in after the failure, by the stage that failed; other stages don't meet it."""

    failure: Failure
    ends: dict[str, States]


def _after(**ends: str) -> dict[str, States]:
    return {stage: frozenset(states.split()) for stage, states in ends.items()}


_RETRIED = {"submit": "submit failed", "render": "submit failed"}

TROUBLES = {
    "busy": Trouble(
        Failure("TEMPORARY", "a rule", "provider", "kie", "busy"), _after(script="script submit", **_RETRIED)
    ),
    "maintenance": Trouble(Failure("TEMPORARY", "a rule", "maintenance", "kie", "back soon"), _after(**_RETRIED)),
    "too_many": Trouble(
        Failure("RATE_LIMIT", "a rule", "", "kie", "slow down"), _after(script="script submit", **_RETRIED)
    ),
    "faces": Trouble(
        Failure("USER_ERROR", "a rule", "person", "kie", "faces"),
        _after(script="failed", submit="failed", render="failed"),
    ),
    "bad_file": Trouble(
        Failure("USER_ERROR", "a rule", "image_size", "openai", "image too large"), _after(script="submit")
    ),
    "no_credit": Trouble(
        Failure("BILLING", "a rule", "", "kie", "no credit"), _after(submit="submit", render="submit")
    ),
    "bad_model": Trouble(Failure("CONFIGURATION", "a rule", "", "kie", "no such model"), _after(**_RETRIED)),
    "who_knows": Trouble(
        Failure("UNKNOWN", "a rule", "", "", "?"), _after(script="script submit", deliver="deliver failed", **_RETRIED)
    ),
    "no_callback": Trouble(
        Failure("TEMPORARY", "a rule", "lost_reply", "kie", "no answer"), _after(render="submit failed")
    ),
    "telegram_stumbles": Trouble(
        Failure("TEMPORARY", "a rule", "provider", "telegram", "502"), _after(deliver="deliver")
    ),
    "unanswered_video": Trouble(
        Failure("TEMPORARY", "a rule", "lost_reply", "telegram", "no answer"), _after(deliver="deliver done")
    ),
    "not_a_video": Trouble(
        Failure("TEMPORARY", "a rule", "bad_result", "telegram", "too large"), _after(deliver="submit failed")
    ),
    "blocked": Trouble(Failure("UNREACHABLE", "a rule", "", "telegram", "blocked"), _after(deliver="done")),
}
# An answer that was lost after KIE was asked is waited for; one lost before is a plain retry.
LOST = Trouble(
    Failure("TEMPORARY", "a rule", "ambiguous_submit", "kie", "no answer: timed out"), _after(submit="submit failed")
)
