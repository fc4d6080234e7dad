"""The Telegram faults a test can arm over `/sandbox/faults` (service "telegram"), beside the transport kinds.

`endpoint` is the method's name, "file" for downloads, "*" for any. `match` may name `chat_id`, `caller` (the token's
fingerprint) and `method` (GET or POST). A refusal is answered before the call does anything.
"""

from collections.abc import Callable
from typing import Any

from sandbox.faults import Fault
from sandbox.telegram.errors import ApiError, bad_request, conflict, flood, forbidden, not_found
from sandbox.telegram.updates import TERMINATED

SERVICE = "telegram"
# Not a refusal: getUpdates answers as usual, and the next call hands the same updates out again, confirmed or not.
DUPLICATE = "duplicate_update"

_NOT_MODIFIED = (
    "message is not modified: specified new message content and reply markup are exactly the same as a current content"
    " and reply markup of the message"
)

REFUSALS: dict[str, Callable[[dict[str, Any]], ApiError]] = {
    # kind: what is answered; params
    "blocked": lambda _: forbidden("bot was blocked by the user"),
    "deactivated": lambda _: forbidden("user is deactivated"),
    "not_started": lambda _: forbidden("bot can't initiate conversation with a user"),
    "flood": lambda params: flood(int(params.get("retry_after", 5))),  # retry_after: seconds
    "chat_not_found": lambda _: bad_request("chat not found"),
    "not_modified": lambda _: bad_request(_NOT_MODIFIED),
    "cant_parse": lambda _: bad_request('can\'t parse entities: Unsupported start tag "x" at byte offset 0'),
    "message_not_found": lambda _: bad_request("message to edit not found"),
    "cant_edit": lambda _: bad_request("message can't be edited"),
    "query_too_old": lambda _: bad_request("query is too old and response timeout expired or query ID is invalid"),
    "file_too_big": lambda _: bad_request("file is too big"),
    "file_unavailable": lambda _: bad_request("wrong file_id or the file is temporarily unavailable"),
    "wrong_file_id": lambda _: bad_request("wrong file identifier/HTTP URL specified"),
    "photo_refused": lambda _: bad_request("IMAGE_PROCESS_FAILED"),
    "too_large": lambda _: ApiError(413, "Request Entity Too Large"),
    "unauthorized": lambda _: ApiError(401, "Unauthorized"),
    "conflict": lambda _: conflict(TERMINATED),
    "not_found": lambda _: not_found(),
    "internal": lambda _: ApiError(500, "Internal Server Error"),
    "bad_gateway": lambda _: ApiError(502, "Bad Gateway"),
    # params: code, description, retry_after
    "error": lambda params: ApiError(
        int(params.get("code", 400)),
        str(params.get("description", "Bad Request")),
        int(params.get("retry_after", 0)),
    ),
}

KINDS = frozenset({*REFUSALS, DUPLICATE})


def refusal(fault: Fault) -> ApiError | None:
    """What an armed fault answers instead of the method; None when the method still runs."""
    make = REFUSALS.get(fault.kind)
    return make(fault.params) if make else None
