"""Bot API methods by which a bot receives: getUpdates, the webhook, and files."""

import re
from typing import Any

from sandbox.telegram.call import Call
from sandbox.telegram.errors import bad_request, flood
from sandbox.telegram.input_files import is_loopback
from sandbox.telegram.limits import MAX_BATCH, MAX_POLL_SECONDS
from sandbox.telegram.updates import TERMINATED_BY_WEBHOOK
from sandbox.telegram.webhook import Webhook, WebhookSettings

Json = dict[str, Any]

_SECRET = re.compile(r"[A-Za-z0-9_-]*")
_MAX_SECRET = 256
_MAX_CONNECTIONS = 100
_SET_AGAIN_SECONDS = 1.0


def _remember_allowed(call: Call) -> None:
    """An absent list keeps the previous one; one that can't be read, or is empty, means the default kinds."""
    if call.params.given("allowed_updates"):
        kinds = call.params.parsed("allowed_updates", "allowed_updates")
        call.bot.updates.allow(kinds if isinstance(kinds, list) else [])


def get_updates(call: Call) -> list[Json]:
    """getUpdates, with long polling up to 50 real seconds."""
    _remember_allowed(call)
    params, queue = call.params, call.bot.updates
    offset = params.number("offset")
    seconds = float(params.number("timeout", 0, 0, MAX_POLL_SECONDS))
    return queue.poll(offset, params.number("limit", MAX_BATCH, 1, MAX_BATCH), seconds)


def set_webhook(call: Call) -> bool:
    """setWebhook; an empty URL removes it. Only this machine's own addresses are accepted, and http is fine here."""
    url = call.params.text("url")
    if not url:
        return delete_webhook(call)
    secret = call.params.text("secret_token")
    if len(secret) > _MAX_SECRET:
        raise bad_request("secret token is too long")
    if not _SECRET.fullmatch(secret):
        raise bad_request("secret token contains unallowed characters")
    if not is_loopback(url):
        raise bad_request("bad webhook: the sandbox delivers to loopback addresses only")
    _not_too_often(call)
    _end_webhook(call)
    _remember_allowed(call)
    queue = call.bot.updates
    if call.params.flag("drop_pending_updates"):
        queue.clear()
    connections = call.params.number("max_connections", 40, 1, _MAX_CONNECTIONS)
    # Polls end before deliveries begin: no update goes both ways.
    with queue.changed:
        queue.webhook_active = True
        queue.end_poll(TERMINATED_BY_WEBHOOK)
    call.bot.webhook = Webhook(WebhookSettings(url, secret, connections), queue, call.telegram.world.clock)
    return True


def _not_too_often(call: Call) -> None:
    with call.telegram.lock:
        now = call.telegram.now()
        if now < call.bot.webhook_allowed_at:
            raise flood(1)
        call.bot.webhook_allowed_at = now + call.telegram.world.clock.scaled(_SET_AGAIN_SECONDS)


def _end_webhook(call: Call) -> None:
    webhook, call.bot.webhook = call.bot.webhook, None
    if webhook:
        webhook.stop()
    with call.bot.updates.changed:
        call.bot.updates.webhook_active = False


def delete_webhook(call: Call) -> bool:
    """deleteWebhook; what wasn't delivered can be polled."""
    _end_webhook(call)
    if call.params.flag("drop_pending_updates"):
        call.bot.updates.clear()
    return True


def get_webhook_info(call: Call) -> Json:
    """getWebhookInfo."""
    webhook, queue = call.bot.webhook, call.bot.updates
    info: Json = {"url": "", "has_custom_certificate": False, "pending_update_count": len(queue)}
    if webhook:
        settings = webhook.settings
        info |= {"url": settings.url, "max_connections": settings.max_connections, "ip_address": "127.0.0.1"}
        if settings.last_error_date:
            info["last_error_date"] = settings.last_error_date
            info["last_error_message"] = settings.last_error_message
    if queue.allowed:
        info["allowed_updates"] = queue.allowed
    return info


def get_file(call: Call) -> Json:
    """getFile: prepares a download of at most 20 MB."""
    stored = call.telegram.files.link(call.bot.index, call.params.text("file_id"))
    return {
        "file_id": stored.file_id,
        "file_unique_id": stored.file_unique_id,
        "file_size": stored.blob.size,
        "file_path": stored.file_path,
    }
