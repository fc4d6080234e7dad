"""OpenAI's error answers by short names: what a test arms, and what the request checks raise."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Row:
    """One known error: HTTP status, and the type, code, param and message of its body."""

    status: int
    type: str
    code: str | None
    message: str
    param: str | None = None
    retry_after: str | None = None


class ApiError(Exception):
    """The request gets an error answer instead of a completion."""

    def __init__(self, row: Row, message: str | None = None, param: str | None = None) -> None:
        """Use `row`, with another message or param if given."""
        super().__init__(message or row.message)
        self.row = row
        self.message = message or row.message
        self.param = param or row.param

    def body(self) -> dict[str, Any]:
        """The JSON body."""
        error = {"message": self.message, "type": self.row.type, "param": self.param, "code": self.row.code}
        return {"error": error}


_BAD = "invalid_request_error"
_DOCS = "https://platform.openai.com/docs/guides/error-codes/api-errors"

ROWS: dict[str, Row] = {
    "invalid_api_key": Row(
        401,
        _BAD,
        "invalid_api_key",
        "Incorrect API key provided: sk-sandb****oxed. "
        "You can find your API key at https://platform.openai.com/account/api-keys.",
    ),
    "unsupported_country": Row(
        403,
        "request_forbidden",
        "unsupported_country_region_territory",
        "Country, region, or territory not supported",
    ),
    "model_blocked": Row(
        403,
        "permissions_error",
        "model_permission_blocked_project",
        "Project `proj_sandbox` does not have access to model `gpt-4o-mini`",
    ),
    "model_not_found": Row(
        404,
        _BAD,
        "model_not_found",
        "The model `gpt-nope` does not exist or you do not have access to it.",
    ),
    "rate_limit_requests": Row(
        429,
        "requests",
        "rate_limit_exceeded",
        "Rate limit reached for gpt-4o-mini in organization org-sandbox on requests per min (RPM): "
        "Limit 3, Used 3, Requested 1. Please try again in 20s.",
        retry_after="20",
    ),
    "rate_limit_tokens": Row(
        429,
        "tokens",
        "rate_limit_exceeded",
        "Rate limit reached for gpt-4o-mini in organization org-sandbox on tokens per min (TPM): "
        "Limit 200000, Used 199850, Requested 512. Please try again in 108ms.",
    ),
    "insufficient_quota": Row(
        429,
        "insufficient_quota",
        "insufficient_quota",
        "You exceeded your current quota, please check your plan and billing details. "
        f"For more information on this error, read the docs: {_DOCS}.",
    ),
    "credit_balance_exhausted": Row(
        429,
        "insufficient_quota",
        "credit_balance_exhausted",
        "You have no credits remaining. Add credits to continue using the API at "
        "https://platform.openai.com/settings/organization/billing/.",
    ),
    "slow_down": Row(
        429,
        "rate_limit_error",
        "slow_down",
        "Your request rate grew too quickly. Reduce it and increase it gradually.",
    ),
    "content_policy": Row(
        400,
        _BAD,
        "content_policy_violation",
        "Your input image may contain content that is not allowed by our safety system.",
    ),
    "invalid_image_url": Row(
        400,
        _BAD,
        "invalid_image_url",
        "Error while downloading the image. Upstream status code: 400.",
        "messages",
    ),
    "invalid_image_format": Row(
        400,
        _BAD,
        "invalid_image_format",
        "You uploaded an unsupported image. Please make sure your image has of one the following formats: "
        "['png', 'jpeg', 'gif', 'webp'].",
        "messages",
    ),
    "context_length": Row(
        400,
        _BAD,
        "context_length_exceeded",
        "This model's maximum context length is 128000 tokens. Please reduce the length of the messages.",
        "messages",
    ),
    "string_too_long": Row(
        400,
        _BAD,
        "string_above_max_length",
        "Invalid 'messages[0].content': string too long.",
        "messages[0].content",
    ),
    "unsupported_parameter": Row(
        400,
        _BAD,
        "unsupported_parameter",
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
        "max_tokens",
    ),
    "unsupported_value": Row(
        400,
        _BAD,
        "unsupported_value",
        "Unsupported value: 'temperature' does not support this value with this model. "
        "Only the default (1) value is supported.",
        "temperature",
    ),
    "server_error": Row(
        500,
        "server_error",
        None,
        "The server had an error while processing your request. Sorry about that!",
    ),
    "overloaded": Row(
        503,
        "service_unavailable_error",
        "server_is_overloaded",
        "The engine is currently overloaded, please try again later",
    ),
    # Raised by the request checks; the exact code of each is not on record.
    "missing_parameter": Row(400, _BAD, "missing_required_parameter", "Missing required parameter."),
    "invalid_type": Row(400, _BAD, "invalid_type", "Invalid type."),
    "invalid_value": Row(400, _BAD, "invalid_value", "Invalid value."),
    "unknown_parameter": Row(400, _BAD, "unknown_parameter", "Unknown parameter."),
    "no_api_key": Row(
        401,
        _BAD,
        None,
        "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth "
        "(i.e. Authorization: Bearer YOUR_KEY).",
    ),
}
