"""How KIE's answers look on the wire, and the journaling of every call: shared by all its routes."""

import time
import uuid
from typing import Any

from flask import Blueprint, Response, g, jsonify, request

from sandbox.kie.accounts import Key
from sandbox.kie.models import Refused
from sandbox.kie.plans import ANSWERS, note_of
from sandbox.kie.provider import Kie
from sandbox.transport import caller_of, route_of

_CLOUDFLARE = {"Server": "cloudflare", "CF-Cache-Status": "DYNAMIC"}


def attach(routes: Blueprint, kie: Kie) -> None:
    """Make a blueprint turn away what Cloudflare would, and journal every call."""

    @routes.before_request
    def open_call() -> Response | None:
        g.started, g.asked, g.told, g.note = time.time(), {}, {}, ""
        # Cloudflare judges before KIE does: neither key nor body has been looked at.
        agent = request.headers.get("User-Agent", "")
        if agent and not agent.startswith("Python-urllib"):
            return None
        g.told = {"body": "error code: 1010"}
        return Response("error code: 1010", 403, mimetype="text/plain")

    @routes.after_request
    def close_call(response: Response) -> Response:
        response.headers.update({**_CLOUDFLARE, "CF-Ray": f"{uuid.uuid4().hex[:16]}-AMS"})
        kie.world.journal.record(
            "kie",
            route_of(request.path)[1],
            caller=caller_of(request.environ),
            request=g.asked,
            status=response.status_code,
            response=g.told,
            note=g.note,
            started=g.started,
        )
        return response


def told(body: dict[str, Any], status: int = 200) -> Response:
    """A JSON answer, remembered for the journal."""
    g.told = body
    response = jsonify(body)
    response.status_code = status
    # With a charset and in this spelling, as recorded.
    response.headers["Content-Type"] = "application/json;charset=UTF-8"
    return response


def success(data: Any) -> Response:
    """KIE's envelope around good news."""
    return told({"code": 200, "msg": "success", "data": data})


def refused(code: int, msg: str, status: int = 200) -> Response:
    """KIE's envelope around bad news; the HTTP status stays 200 except where it is known not to."""
    return told({"code": code, "msg": msg, "data": None}, status)


def asked(body: object) -> None:
    """What the journal shows as the request; anything but an object is shown as {"body": ...}."""
    g.asked = body if isinstance(body, dict) else {"body": body}


def noted(note: str) -> None:
    """Add to the journal's note on this call."""
    g.note = "; ".join(part for part in (g.note, note) if part)


def bearer_key(kie: Kie) -> Key:
    """The caller's key. Raises Refused (401) when there is none or it is no good."""
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    key = kie.accounts.key(secret.strip(), kie.settings.any_key) if scheme == "Bearer" else None
    if key is None or key.state == "401":
        raise Refused(401, "Authentication failed")
    return key


def json_body() -> dict[str, Any]:
    """The request's JSON object. Raises Refused for anything else."""
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        raise Refused(422, "The request body must be a JSON object")
    return body


class Armed(Refused):
    """An armed `code` fault: the answer that a test ordered."""

    def __init__(self, params: dict[str, Any]) -> None:
        """Take code, msg and http_status from the fault's params."""
        super().__init__(
            int(params.get("code", 500)), str(params.get("msg", "Internal Error, Please try again later."))
        )
        self.status = int(params.get("http_status", 200))


def raise_armed(kie: Kie, **context: object) -> None:
    """Raise the armed `code` fault of this endpoint, if there is one."""
    endpoint = route_of(request.path)[1]
    context = {"caller": caller_of(request.environ), **context}
    if fault := kie.world.faults.take("kie", endpoint, kinds=ANSWERS, **context):
        noted(note_of(fault))
        raise Armed(fault.params)
