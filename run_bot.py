"""The bot service: takes updates, keeps them, answers; and serves the operator's figures over HTTP. It generates nothing."""

import logging
import os
import signal
import sys
import threading
from contextlib import suppress
from functools import partial
from typing import Any

import dramatiq
import telebot
import waitress

import handlers
from neurocards import clock, db, dispatch, logs, outbox, privileges, web
from neurocards.clients import telegram
from neurocards.config import Settings, load_or_exit
from neurocards.errors import ProviderError
from neurocards.intake import Lanes, Poller
from neurocards.leadership import POLLER, Lock

log = logging.getLogger("neurocards.bot")

# A process told to stop is gone within ten seconds.
GRACE = 7.0


def main() -> None:
    """Starts the service and blocks until SIGTERM or SIGINT."""
    settings = load_or_exit(Settings)
    if settings.bot_mode == "webhook":
        sys.exit("BOT_MODE is webhook, which this version does not serve yet: it should be polling")
    logs.configure("bot", settings.log_dir, settings.secrets())
    clock.set_scale(settings.time_scale)
    db.connect(settings.database_url.get_secret_value(), pool_size=12)
    dramatiq.set_broker(dispatch.make_broker(settings.redis_url.get_secret_value(), []))
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    serve(settings)
    run(settings, stop)


def serve(settings: Settings) -> None:
    """Answers /queue_stats and the rest on PORT, from threads of its own."""
    server = waitress.create_server(web.create(settings), host="0.0.0.0", port=settings.port, threads=4)  # noqa: S104  a container's port
    threading.Thread(target=server.run, name="http", daemon=True).start()
    log.info("http on port %s", server.effective_port)


def run(settings: Settings, stop: threading.Event) -> None:
    """Polls until `stop` is set, then finishes what is being handled."""
    url = settings.database_url.get_secret_value()
    db.wait_until_ready(privileges.check, url, patience=lambda: not stop.is_set())
    bot = telegram.connect(settings.bot_token.get_secret_value(), settings.telegram_api_url)
    handlers.register(bot, handlers.Context(settings))
    lanes = Lanes(partial(handle, bot), partial(sorry, bot, settings))
    poller = Poller(lambda offset, wait: telegram.get_updates(bot, offset, wait), lanes, Lock(POLLER).held)
    threading.Thread(target=introduce, args=(bot,), name="commands", daemon=True).start()
    threading.Thread(target=poller.run, name="poller", daemon=True).start()
    # A signal may reach another thread than this one: without a timeout the main thread could sleep through it.
    while not stop.wait(0.5):
        pass
    poller.stop()
    lanes.stop(GRACE)
    # A lane that hangs in a download would hold the interpreter's own exit up; what it was at is still in the inbox.
    logging.shutdown()
    os._exit(0)


def handle(bot: telebot.TeleBot, update: dict[str, Any]) -> None:
    """Runs the handlers on one update. Telegram's failures leave as ProviderError; an update telebot can't read raises what it may."""
    telegram.translated(bot.process_new_updates, [telebot.types.Update.de_json(update)])


def sorry(bot: telebot.TeleBot, settings: Settings, update: dict[str, Any], reason: str) -> None:
    """Tells the person and the operators of an update that was set aside. Must not fail: the lane goes on after it."""
    handlers.apologise(bot, update)
    # Without the database the alert is lost; the log has the whole story.
    with suppress(*db.Unreachable), db.db:
        outbox.alert(settings.admins, "inbox_set_aside", update=update["update_id"], text=reason)


def introduce(bot: telebot.TeleBot) -> None:
    """Takes off a webhook that an earlier run may have left, and sets the menu of commands; if that fails it is only logged."""
    try:
        telegram.translated(bot.delete_webhook)
        telegram.translated(bot.set_my_commands, handlers.commands("ru"))
        telegram.translated(bot.set_my_commands, handlers.commands("en"), language_code="en")
    except ProviderError as error:
        log.warning("the menu of commands was not set: %s", error)


if __name__ == "__main__":
    main()
