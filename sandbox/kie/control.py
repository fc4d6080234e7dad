"""The control API of the KIE stand-in, under `/sandbox/kie`: keys, accounts, settings and tasks."""

from typing import Any

from flask import Blueprint, Response, jsonify, request

from sandbox.control import MAX_WAIT_SECONDS, json_object, refusal
from sandbox.kie.provider import Kie
from sandbox.kie.tasks import Task


def blueprint(kie: Kie) -> Blueprint:
    """The control routes of one KIE."""
    routes = Blueprint("kie-control", __name__, url_prefix="/sandbox/kie")
    _add_accounts(routes, kie)
    _add_settings(routes, kie)
    _add_tasks(routes, kie)
    return routes


def _add_accounts(routes: Blueprint, kie: Kie) -> None:
    @routes.get("/accounts")
    def accounts() -> Response:
        return jsonify({"accounts": kie.accounts.report()})

    @routes.put("/keys")
    def configure_keys() -> Response:
        try:
            # Keys come as names here and leave as fingerprints: the control API is not journaled.
            for secret, wanted in json_object().items():
                kie.accounts.configure(secret, wanted)
        except (TypeError, ValueError, AttributeError) as wrong:
            return refusal(str(wrong))
        return accounts()

    @routes.put("/credits")
    def set_credits() -> Response:
        try:
            for name, amount in json_object().items():
                kie.accounts.set_credits(name, amount)
        except (TypeError, ValueError) as wrong:
            return refusal(str(wrong))
        return accounts()


def _add_settings(routes: Blueprint, kie: Kie) -> None:
    @routes.get("/settings")
    def settings() -> Response:
        return jsonify(kie.settings.shown())

    @routes.put("/settings")
    def change_settings() -> Response:
        try:
            kie.settings.change(json_object())
        except ValueError as wrong:
            return refusal(str(wrong))
        return settings()


def _add_tasks(routes: Blueprint, kie: Kie) -> None:
    @routes.get("/tasks")
    def tasks() -> Response:
        account = request.args.get("account")
        chosen = [task for task in kie.tasks.all() if account in (None, task.account.name)]
        return jsonify({"tasks": [_shown(kie, task) for task in chosen]})

    @routes.get("/tasks/<task_id>")
    def task(task_id: str) -> Response:
        found = kie.tasks.find(task_id)
        if found is None:
            return refusal("no such task", 404)
        kie.tasks.wait(found, min(request.args.get("wait", 0.0, float), MAX_WAIT_SECONDS))
        return jsonify(_shown(kie, found))

    @routes.post("/tasks/<task_id>/finish")
    def finish(task_id: str) -> Response:
        task, wanted = kie.tasks.find(task_id), json_object()
        if task is None:
            return refusal("no such task", 404)
        if wanted.get("state", "success") == "fail":
            task.plan.fail(wanted.get("failCode", "500"), wanted.get("failMsg", "Internal server error"))
        else:
            task.plan.ending = "success"
        kie.end(task)
        return jsonify(_shown(kie, task))


def _shown(kie: Kie, task: Task) -> dict[str, Any]:
    return {
        **task.record(kie.world.clock, kie.settings),
        "account": task.account.name,
        "caller": task.caller,
        "input": task.given,
        "callBackUrl": task.callback_url,
        "credits": 0 if task.state == "fail" else task.cost,
        "polls": task.polls,
        "photo": task.photo.digest[:8] if task.photo else "",
        "resultUrls": task.result_urls,
    }
