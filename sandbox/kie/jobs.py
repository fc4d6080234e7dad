"""KIE's main API: tasks, records, credit, models and download links."""

from urllib.parse import urlsplit

from flask import Blueprint, Response, request

from sandbox.kie import wire
from sandbox.kie.models import Refused
from sandbox.kie.pictures import PREFIX
from sandbox.kie.plans import HIDINGS, LIES, note_of
from sandbox.kie.provider import TOO_OFTEN, Kie, task_context

RECORD_UNKNOWN = "recordInfo is null"


def add_routes(routes: Blueprint, kie: Kie) -> None:
    """Add the main API to a blueprint."""

    @routes.errorhandler(Refused)
    def refuse(refusal: Refused) -> Response:
        return wire.refused(refusal.code, refusal.msg, getattr(refusal, "status", 200))

    routes.add_url_rule("/api/v1/jobs/createTask", "createTask", lambda: create_task(kie), methods=["POST"])
    routes.add_url_rule("/api/v1/jobs/recordInfo", "recordInfo", lambda: record_info(kie))
    routes.add_url_rule("/api/v1/chat/credit", "credit", lambda: credit(kie))
    routes.add_url_rule("/api/v1/models", "models", lambda: models(kie))
    routes.add_url_rule("/api/v1/common/download-url", "download-url", lambda: download_url(kie), methods=["POST"])


def create_task(kie: Kie) -> Response:
    """Authenticate, limit, check, charge, and start a task: in KIE's order."""
    # Journaled before the key is looked at, so that a refused call can still be told from another.
    wire.asked(request.get_json(silent=True))
    key = wire.bearer_key(kie)
    body = wire.json_body()
    wire.raise_armed(kie, model=body.get("model"), account=key.account.name)
    if not kie.admit_create(key):
        return wire.refused(429, TOO_OFTEN, kie.settings.limit_http_status)
    kie.world.clock.sleep(kie.settings.create_seconds)
    task, note = kie.create(key, body)
    wire.noted(note)
    # An error after the task was made: what a client must not answer by simply sending again.
    if lie := kie.world.faults.take("kie", "createTask", kinds=LIES, **task_context(key, task.model, task.photo)):
        wire.noted(f"{note_of(lie)}, made {task.id}")
        raise wire.Armed(lie.params)
    return wire.success({"taskId": task.id, "recordId": task.id})


def record_info(kie: Kie) -> Response:
    """One task's record, within the key's polling limit."""
    task_id = request.args.get("taskId", "")
    wire.asked({"taskId": task_id})
    key = wire.bearer_key(kie)
    wire.raise_armed(kie, task=task_id)
    if not kie.admit_poll(key):
        return wire.refused(429, TOO_OFTEN, kie.settings.limit_http_status)
    if not task_id:
        return wire.refused(400, "taskId parameter is required")
    task = kie.tasks.poll(task_id, key.account)
    hidden = kie.world.faults.take("kie", "recordInfo", kinds=HIDINGS, task=task_id, caller=key.fingerprint)
    if task is None or hidden:
        return wire.refused(422, RECORD_UNKNOWN)
    return wire.success(task.record(kie.world.clock, kie.settings))


def credit(kie: Kie) -> Response:
    """The account's balance; 433 for a capped key, 0 for one that is out of money."""
    key = wire.bearer_key(kie)
    wire.raise_armed(kie, account=key.account.name)
    if key.state == "433":
        return wire.refused(433, "Daily quota reached")
    return wire.success(0.0 if key.state == "402" else round(key.account.credits, 2))


def models(kie: Kie) -> Response:
    """The model ids served now."""
    wire.bearer_key(kie)
    wire.raise_armed(kie)
    return wire.success([{"model": name} for name in kie.models()])


def download_url(kie: Kie) -> Response:
    """A temporary link to a result; any other address is refused."""
    wire.asked(request.get_json(silent=True))
    wire.bearer_key(kie)
    body = wire.json_body()
    wire.raise_armed(kie)
    address = urlsplit(str(body.get("url", "")))
    if not address.path.startswith(PREFIX) or not kie.files.find(address.path.removeprefix(PREFIX)):
        return wire.refused(422, "url is wrong")
    return wire.success(f"{kie.world.url}{address.path}?download=1")
