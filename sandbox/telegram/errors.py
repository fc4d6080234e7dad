"""What the Bot API answers when it refuses a call."""

from typing import Any


class ApiError(Exception):
    """A refusal: `code` is both the HTTP status and `error_code`; `description` is Telegram's own wording.

    `retry_after` (seconds, 0 = none) goes into `parameters` and into the Retry-After header.
    """

    def __init__(self, code: int, description: str, retry_after: int = 0) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.retry_after = retry_after

    def answer(self) -> dict[str, Any]:
        """The JSON body of the refusal."""
        body: dict[str, Any] = {"ok": False, "error_code": self.code, "description": self.description}
        if self.retry_after:
            body["parameters"] = {"retry_after": self.retry_after}
        return body


def bad_request(why: str) -> ApiError:
    """400: the call itself is wrong. Like Telegram, lowers the first letter of `why` unless it is a CONSTANT."""
    shouted = len(why) > 1 and (why[1] == "_" or why[1].isupper())
    return ApiError(400, f"Bad Request: {why if shouted else why[:1].lower() + why[1:]}")


def forbidden(why: str) -> ApiError:
    """403: this user can't be written to."""
    return ApiError(403, f"Forbidden: {why}")


def conflict(why: str) -> ApiError:
    """409: another way of receiving updates is in use."""
    return ApiError(409, f"Conflict: {why}")


def flood(seconds: int) -> ApiError:
    """429: come back in `seconds`."""
    return ApiError(429, f"Too Many Requests: retry after {seconds}", seconds)


def not_found(why: str = "") -> ApiError:
    """404: no such method or file."""
    return ApiError(404, f"Not Found: {why}" if why else "Not Found")
