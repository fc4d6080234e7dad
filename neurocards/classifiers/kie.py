"""KIE's failures. The text decides before any code: KIE sends validation, lack of credit and real faults alike as 500."""

import re

from neurocards.classifiers import classifier
from neurocards.classifiers.kie_rules import RULES
from neurocards.classifiers.phrases import first_match, normalise
from neurocards.errors import Failure, ProviderError

# In answer to the creation of a task, these leave open whether it was made.
UNCLEAR = frozenset({"no answer in time", "unexpected error"})
GONE = frozenset({403, 404, 410})
CREATING = frozenset({"createTask", "http client"})
# Words of a connection that broke after the request may have left; one that was never made ("refused") is a certain no.
SILENCE = re.compile(
    r"read timed out|read timeout|connection (?:was |is )?(?:aborted|reset|closed|lost|broken)|without response"
    r"|remote end closed|broken pipe|incomplete read|protocol error|server disconnected|\beconnreset|socket hang up|\beof\b"
)

CODES: dict[int, tuple[str, str]] = {
    401: ("BILLING", "bad_key"),
    402: ("BILLING", "no_credit"),
    403: ("BILLING", "bad_key"),
    404: ("CONFIGURATION", "model_unknown"),
    408: ("TEMPORARY", "provider"),
    429: ("RATE_LIMIT", ""),
    430: ("RATE_LIMIT", ""),
    433: ("BILLING", "key_cap"),
    451: ("TEMPORARY", "image_unreachable"),
    455: ("TEMPORARY", "maintenance"),
    501: ("UNKNOWN", "generic"),
    505: ("CONFIGURATION", "model_unknown"),
}


@classifier("kie")
def kie(error: ProviderError) -> Failure | None:
    """What KIE's error means: by its words, then by the words of its fail code, then by a code."""
    if error.ambiguous or _unanswered(error):
        return Failure("TEMPORARY", "no clear answer to createTask", "ambiguous_submit")
    if error.channel == "result":
        # Only a file that is gone takes a new task; whatever else is in the way of fetching it may pass.
        return Failure("TEMPORARY", "result not to be had", "bad_result" if error.http_status in GONE else "provider")
    page = error.text.lstrip().startswith("<")
    decided = None if page else first_match(RULES, error.text) or first_match(RULES, error.fail_code or "")
    if decided is None:
        return _by_code(error)
    if decided.name in UNCLEAR and error.channel in CREATING:
        return Failure("TEMPORARY", decided.name, "ambiguous_submit")
    return decided.failure()


def _unanswered(error: ProviderError) -> bool:
    """Whether createTask was asked and nothing that came back is KIE's word: silence, a gateway's page, half an answer."""
    if error.channel not in CREATING or error.body_code is not None:
        return False
    gateway = (error.http_status or 0) >= 500 or (
        error.http_status == 200 and error.text.lstrip().startswith(("{", "<"))
    )
    return gateway or (error.http_status is None and bool(SILENCE.search(normalise(error.text))))


def _by_code(error: ProviderError) -> Failure | None:
    code = next((code for code in _codes(error) if code not in (None, 200)), None)
    if code is None:
        return None
    if error.channel == "createTask" and code == 500 and not normalise(error.text):
        return Failure("TEMPORARY", "a bare 500", "ambiguous_submit")
    if code == 403 and error.body_code is None:
        # Not KIE's word on a key: the guard before it turned us away.
        return Failure("TEMPORARY", "HTTP 403", "provider")
    if known := CODES.get(code):
        return Failure(known[0], f"code {code}", known[1])
    if code >= 500:
        return Failure("TEMPORARY", f"code {code}", "provider")
    # A task that failed with 400 and words we don't know may be the user's doing or ours.
    return None if error.channel == "record" else Failure("CONFIGURATION", f"code {code}", "validation")


def _codes(error: ProviderError) -> tuple[int | None, int | None, int | None]:
    """Body, task and HTTP: the nearer to the failure, the more it knows."""
    fail_code = error.fail_code or ""
    return error.body_code, int(fail_code) if fail_code.isdecimal() and len(fail_code) < 6 else None, error.http_status
