"""The control API under `/sandbox`: health, time scale, journal and faults. The services add their own parts."""

from dataclasses import fields
from typing import Any

from flask import Blueprint, Response, abort, jsonify, request

from sandbox.faults import Fault
from sandbox.world import World

MAX_WAIT_SECONDS = 60.0
_FAULT_FIELDS = {field.name for field in fields(Fault)}


def json_object() -> dict[str, Any]:
    """The request's JSON object; answers 400 when the body is anything else."""
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        abort(refusal("the body must be a JSON object"))
    return body


def refusal(why: str, status: int = 400) -> Response:
    """The control API's error answer."""
    response = jsonify({"error": why})
    response.status_code = status
    return response


def blueprint(world: World) -> Blueprint:
    """The routes every service shares."""
    routes = Blueprint("control", __name__, url_prefix="/sandbox")
    _add_clock(routes, world)
    _add_journal(routes, world)
    _add_faults(routes, world)
    return routes


def _add_clock(routes: Blueprint, world: World) -> None:
    @routes.get("/health")
    def health() -> Response:
        return jsonify({"status": "ok", "prepared_video": world.prepared_video, "time_scale": world.clock.time_scale})

    @routes.get("/time_scale")
    def read_time_scale() -> Response:
        return jsonify({"time_scale": world.clock.time_scale})

    @routes.put("/time_scale")
    def set_time_scale() -> Response:
        try:
            world.clock.time_scale = float(json_object()["time_scale"])
        except (KeyError, TypeError, ValueError):
            return refusal('send {"time_scale": a number above 0 and at most 1000000}')
        return read_time_scale()


def _add_journal(routes: Blueprint, world: World) -> None:
    @routes.get("/journal")
    def journal() -> Response:
        after = request.args.get("after", 0, int)
        service, endpoint = request.args.get("service"), request.args.get("endpoint")
        wait = min(request.args.get("wait", 0.0, float), MAX_WAIT_SECONDS)
        return jsonify({"entries": world.journal.wait(after, wait, service, endpoint)})


def _add_faults(routes: Blueprint, world: World) -> None:
    @routes.get("/faults")
    def active() -> Response:
        return jsonify({"faults": world.faults.active()})

    @routes.post("/faults")
    def arm() -> Response:
        body = json_object()
        # A misspelt field would arm something else than the test means.
        if unknown := body.keys() - _FAULT_FIELDS:
            return refusal(f"unknown fields: {sorted(unknown)}")
        try:
            return jsonify({"id": world.faults.add(Fault(**body))})
        except (TypeError, ValueError) as wrong:
            return refusal(str(wrong))

    @routes.delete("/faults")
    def clear() -> Response:
        world.faults.clear()
        return active()

    @routes.delete("/faults/<int:number>")
    def disarm(number: int) -> Response:
        return active() if world.faults.remove(number) else refusal("no such fault is armed", 404)
