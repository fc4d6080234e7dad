"""Telegram's failures: who can't be written to any more, what to wait for, and what is our own fault."""

from neurocards.classifiers import classifier
from neurocards.classifiers.phrases import Rule, first_match, rule
from neurocards.errors import Failure, ProviderError

RULES: tuple[Rule, ...] = (
    rule(
        "no answer",
        "TEMPORARY",
        "provider",
        r"^no (?:connection|answer)\b|timed? ?out|connection (?:aborted|reset|refused|error|closed)",
    ),
    rule("deactivated", "UNREACHABLE", "deactivated", r"user (?:is )?deactivated"),
    rule(
        "blocked", "UNREACHABLE", "blocked", r"bot was (?:blocked|kicked)|user is blocked|can't initiate conversation"
    ),
    rule(
        "no such chat", "UNREACHABLE", "not_found", r"(?:chat|user) not found|peer id invalid|chat (?:was )?deactivated"
    ),
    rule(
        "no such message",
        "UNKNOWN",
        "message_gone",
        r"message (?:to \w+ )?(?:not found|can't be edited)|message id invalid|quer(?:y|ies).{0,20} too old|query id (?:is )?invalid",
    ),
    rule("nothing to change", "HARMLESS", "not_modified", r"message (?:is )?not modified"),
    rule("flood", "RATE_LIMIT", "", r"too many requests|retry after \d"),
    rule("our text", "CONFIGURATION", "validation", r"can't parse|(?:message|caption) (?:is )?too long|text is empty"),
    rule("other poller", "CONFIGURATION", "conflict", r"terminated by other|webhook is active"),
    rule("file", "TEMPORARY", "bad_result", r"file is too big|entity too large|wrong (?:file|type)|must be non empty"),
)

STATUSES: dict[int, tuple[str, str]] = {
    401: ("CONFIGURATION", "bad_token"),
    403: ("UNREACHABLE", "blocked"),
    404: ("CONFIGURATION", "bad_token"),
    409: ("CONFIGURATION", "conflict"),
    413: ("TEMPORARY", "bad_result"),
    429: ("RATE_LIMIT", ""),
}


@classifier("telegram")
def telegram(error: ProviderError) -> Failure | None:
    """What Telegram's error means. An unanswered message may have arrived: a lost reply. Not so when a 5xx answered: what
    failed there is sent again with patience, or an outage of minutes would cost the video."""
    if error.ambiguous and (error.http_status or 0) < 500:
        return Failure("TEMPORARY", "no answer to a message", "lost_reply")
    if decided := first_match(RULES, error.text):
        return decided.failure()
    status = error.http_status
    if status is None:
        return None
    if status in STATUSES:
        return Failure(STATUSES[status][0], f"HTTP {status}", STATUSES[status][1])
    if status >= 500:
        return Failure("TEMPORARY", f"HTTP {status}", "provider")
    return Failure("CONFIGURATION", f"HTTP {status}", "validation")
