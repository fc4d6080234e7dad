"""The bot service's HTTP side: figures for the operator, health for the supervisor, Telegram's webhook and KIE's callbacks."""

import hmac
import json
import logging
import re
from collections.abc import Callable
from typing import Any

from flask import Flask, Response, abort, jsonify, request
from peewee import IntegrityError, PeeweeException

from neurocards import attempts, dispatch, exposition, inbox, jobs, monitoring, outbox, privileges
from neurocards.addresses import is_web_url
from neurocards.clients import telegram
from neurocards.config import Settings
from neurocards.db import db, in_a_line
from neurocards.models import Job

MAX_BODY = 1 << 20
WEBHOOK_PATH = "/telegram/webhook"
SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105  the header's name
NONCE = re.compile(r"[\w-]{1,64}", re.ASCII)
TASK_ID = re.compile(r"[\w.-]{1,200}", re.ASCII)

log = logging.getLogger(__name__)


class Web(Flask):
    """Flask, whose own log of an error would name the path, and so a nonce."""

    def log_exception(self, exc_info: Any) -> None:
        """Logs what failed and how."""
        log.error("%s failed", request.endpoint, exc_info=exc_info)


def create(settings: Settings, updates_came: Callable[[], object] = lambda: None) -> Flask:
    """The WSGI application. Bodies are limited to 1 MiB. `updates_came` is called when an update has been stored."""
    web = Web("neurocards", static_folder=None)
    web.config["MAX_CONTENT_LENGTH"] = MAX_BODY

    @web.get("/queue_stats")
    def queue_stats() -> Response:
        return jsonify(monitoring.queue_stats(settings.workers_configured))

    @web.get("/metrics")
    def metrics() -> Response:
        return Response(exposition.text(), content_type=exposition.CONTENT_TYPE)

    @web.get("/healthz")
    def healthz() -> Response:
        return jsonify(status="ok")

    @web.get("/readyz")
    def readyz() -> Response:
        privileges.check()
        return jsonify(status="ok")

    @web.post("/kie/callback/<nonce>")
    def kie_callback(nonce: str) -> Response:
        if NONCE.fullmatch(nonce):
            take_callback(nonce, _read(request.get_data()), settings.admins)
        return jsonify(status="ok")

    if settings.bot_mode == "webhook" and settings.webhook_secret_token:
        _take_updates(web, settings.webhook_secret_token.get_secret_value().encode(), updates_came)

    @web.errorhandler(PeeweeException)
    def database_away(error: PeeweeException) -> tuple[Response, int, dict[str, str]]:
        # Not the path: it may hold a nonce.
        log.warning("%s could not be answered: %s", request.endpoint, in_a_line(error))
        message = "PostgreSQL is not reachable or has no tables yet"
        return jsonify(status="error", message=message), 503, {"Retry-After": "1"}

    return web


def _take_updates(web: Web, secret: bytes, updates_came: Callable[[], object]) -> None:
    """Telegram's webhook: whoever knows the secret has an update stored, and is answered then; else Telegram sends it again."""

    @web.post(WEBHOOK_PATH)
    def telegram_update() -> Response:
        # Before a byte of the body is read.
        if not hmac.compare_digest(request.headers.get(SECRET_HEADER, "").encode(), secret):
            abort(403)
        update = _read(request.get_data())
        if not telegram.is_update(update):
            abort(400)
        inbox.store([update])
        updates_came()
        return jsonify(status="ok")


def _read(body: bytes | str) -> Any:
    """The body as JSON; None when it is none, or is nested only to hurt."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def take_callback(nonce: str, body: Any, admins: tuple[int, ...]) -> None:
    """A hint that a task has ended: its job is looked at now. The body is believed in one thing only, and only by a secret nonce:
    the id of a task whose creation we were not told of. A video that is there after its job's deadline is the operators' to hand over."""
    data = body.get("data") if isinstance(body, dict) else None
    fields = data if isinstance(data, dict) else {}
    task_id = fields.get("taskId") or fields.get("task_id")
    task_id = task_id if isinstance(task_id, str) and TASK_ID.fullmatch(task_id) else None
    with db:
        attempt = attempts.named(nonce)
        if attempt is None:
            return
        job_id = attempt.job_id
        # The job first, as everybody does who changes both: never the other way round.
        job = Job.select().where(Job.id == job_id).for_update().get()
        if task_id:
            _adopt(nonce, task_id)
        if attempt.state == "abandoned" and job.failure_subtype == "deadline" and fields.get("state") == "success":
            _alert_of_late(job, attempt.task_id or task_id, _result(fields), admins)
        due = jobs.call_back(job_id)
    if due:
        dispatch.send("check", [job_id])


def _alert_of_late(job: Job, task_id: str | None, url: str | None, admins: tuple[int, ...]) -> None:
    # By the hour: after an outage many come late.
    about = {"job": job.id, "user": job.user_id, "task": task_id, "url": url}
    known = {name: value for name, value in about.items() if value}
    outbox.alert(admins, f"late_result:{outbox.this_hour()}", **known)


def _result(fields: dict[str, Any]) -> str | None:
    """Where the video is, if the address is one that an operator may be shown."""
    packed = fields.get("resultJson")
    result = _read(packed) if isinstance(packed, str) else packed
    urls = result.get("resultUrls") if isinstance(result, dict) else None
    return next((url for url in urls if is_web_url(url)), None) if isinstance(urls, list) else None


def _adopt(nonce: str, task_id: str) -> None:
    try:
        with db.atomic():
            attempts.adopt(nonce, task_id)
    except IntegrityError:
        log.warning("a callback named a task that another attempt has")
