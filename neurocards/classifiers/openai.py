"""OpenAI's failures. Its codes are precise, so they decide before the words; KIE's chat models speak only in words."""

from neurocards.classifiers import classifier
from neurocards.classifiers.phrases import Rule, first_match, rule
from neurocards.errors import Failure, ProviderError

CODES: dict[str, tuple[str, str]] = {
    "refusal": ("USER_ERROR", "moderation"),
    "content_filter": ("USER_ERROR", "moderation"),
    "content_policy_violation": ("USER_ERROR", "moderation"),
    "moderation_blocked": ("USER_ERROR", "moderation"),
    "invalid_api_key": ("BILLING", "bad_key"),
    "account_deactivated": ("BILLING", "bad_key"),
    "insufficient_quota": ("BILLING", "no_credit"),
    "credit_balance_exhausted": ("BILLING", "no_credit"),
    "billing_hard_limit_reached": ("BILLING", "no_credit"),
    "billing_not_active": ("BILLING", "no_credit"),
    "rate_limit_exceeded": ("RATE_LIMIT", ""),
    "rate_limit_error": ("RATE_LIMIT", ""),
    "slow_down": ("RATE_LIMIT", ""),
    "unsupported_country_region_territory": ("CONFIGURATION", "region"),
    "model_not_found": ("CONFIGURATION", "model_unknown"),
    "model_permission_blocked_project": ("CONFIGURATION", "model_unknown"),
    "invalid_image_format": ("USER_ERROR", "image_format"),
    "image_parse_error": ("USER_ERROR", "image_format"),
    "image_too_large": ("USER_ERROR", "image_size"),
    "image_too_small": ("USER_ERROR", "image_size"),
    "invalid_image_url": ("TEMPORARY", "image_unreachable"),
    "server_is_overloaded": ("TEMPORARY", "provider"),
    "server_error": ("TEMPORARY", "provider"),
    "empty": ("TEMPORARY", "bad_result"),
    "length": ("TEMPORARY", "bad_result"),
}

STATUSES: dict[int, tuple[str, str]] = {
    401: ("BILLING", "bad_key"),
    402: ("BILLING", "no_credit"),
    403: ("CONFIGURATION", "region"),
    404: ("CONFIGURATION", "model_unknown"),
    408: ("TEMPORARY", "provider"),
    409: ("TEMPORARY", "provider"),
    429: ("RATE_LIMIT", ""),
}

RULES: tuple[Rule, ...] = (
    rule("our transport", "TEMPORARY", "provider", r"^no (?:connection|answer)\b|^an answer that is not"),
    rule(
        "no credit",
        "BILLING",
        "no_credit",
        r"exceeded your (?:current )?quota|insufficient (?:quota|credit|balance)",
        r"credits? (?:insufficient|remaining)|top up|billing",
    ),
    rule(
        "key refused",
        "BILLING",
        "bad_key",
        r"(?:incorrect|invalid) api ?key|unauthori[sz]ed|authentication failed",
        r"\b(?:account|organi[sz]ation|project)\b.{0,20}\b(?:deactivated|suspended|disabled|archived)",
    ),
    rule("rate limit", "RATE_LIMIT", "", r"rate limit|too many requests|call frequency|slow down"),
    rule(
        "model gone",
        "CONFIGURATION",
        "model_unknown",
        r"\bmodel\b.{0,60}(?:not (?:exist|supported|found)|deprecated)|access to (?:the )?model",
    ),
    rule("safety", "USER_ERROR", "moderation", r"safety system|content policy|content management policy|usage polic"),
    rule("image out of reach", "TEMPORARY", "image_unreachable", r"(?:timeout|error) while downloading"),
    rule("image format", "USER_ERROR", "image_format", r"unsupported image|valid image|image (?:format|data)\b"),
    rule("image size", "USER_ERROR", "image_size", r"\bimages? (?:is |are )?too (?:large|big|small)|image size"),
    rule("maintenance", "TEMPORARY", "maintenance", r"mainten|maintain(?:ed|ing)"),
    rule(
        "trouble",
        "TEMPORARY",
        "provider",
        r"overloaded|server (?:had an )?(?:error|exception)|unavailable|timed? ?out",
        r"connection (?:aborted|reset|refused|error|closed)|without response|disconnected",
    ),
)


@classifier("openai")
def openai(error: ProviderError) -> Failure | None:
    """What OpenAI's error means. A fault in our request is the operator's, even when a user's words caused it."""
    if known := CODES.get(error.fail_code or ""):
        return Failure(known[0], f"code {error.fail_code}", known[1])
    if decided := first_match(RULES, error.text):
        return decided.failure()
    status = error.http_status
    if status is None or status < 400:
        return None
    if status in STATUSES:
        return Failure(STATUSES[status][0], f"HTTP {status}", STATUSES[status][1])
    if status < 500:
        return Failure("CONFIGURATION", f"HTTP {status}", "validation")
    return Failure("TEMPORARY", f"HTTP {status}", "provider")
