"""The bot service: takes updates, keeps them, answers; and serves the operator's figures over HTTP. It generates nothing."""

import errno
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
from flask import Flask
from peewee import PeeweeException
from pydantic import SecretStr

import handlers
from neurocards import clock, db, dispatch, logs, outbox, privileges, samples, web
from neurocards.clients import telegram
from neurocards.config import Settings, load_or_exit
from neurocards.errors import ProviderError
from neurocards.flood import Flood, Verdict
from neurocards.inbox import lane_of
from neurocards.intake import Intake, Poller, Receiver
from neurocards.lanes import Lanes
from neurocards.leadership import HANDLER, Lock

log = logging.getLogger("neurocards.bot")

# A process told to stop is gone within ten seconds.
GRACE = 7.0
LAST_FIGURES = 2.0


def main() -> None:
    """Starts the service and blocks until SIGTERM or SIGINT."""
    settings = load_or_exit(Settings)
    logs.configure("bot", settings.log_dir, settings.secrets())
    clock.set_scale(settings.time_scale)
    db.connect(settings.database_url.get_secret_value(), pool_size=12)
    dramatiq.set_broker(dispatch.make_broker(settings.redis_url.get_secret_value(), []))
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    news = threading.Event()
    serve(settings, news)
    run(settings, news, stop)


def serve(settings: Settings, news: threading.Event) -> None:
    """Answers /queue_stats and the rest on PORT, from threads of its own; `news` is set when the webhook has stored an update."""
    server = _listening(
        web.create(settings, news.set),
        settings.port,
        threads=8,
        # Strangers who open connections and say nothing must not shut the others out: many are let in, and none for long.
        connection_limit=1000,
        channel_timeout=30,
        asyncore_use_poll=True,
        # The server itself reads a body before the application sees its headers.
        max_request_body_size=web.MAX_BODY,
    )
    threading.Thread(target=server.run, name="http", daemon=True).start()
    log.info("http on port %s", server.effective_port)


def _listening(application: Flask, port: int, **options: Any) -> Any:
    try:
        return waitress.create_server(application, host="0.0.0.0", port=port, **options)  # noqa: S104  a container's port
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        sys.stderr.write(f"PORT {port} is taken: another bot runs here, or choose another PORT ({error.strerror})\n")
        raise SystemExit(2) from None


def run(settings: Settings, news: threading.Event, stop: threading.Event) -> None:
    """Takes updates until `stop` is set, then finishes what is being handled."""
    url = settings.database_url.get_secret_value()
    db.wait_until_ready(privileges.check, url, patience=lambda: not stop.is_set())
    bot = telegram.connect(settings.bot_token.get_secret_value(), settings.telegram_api_url)
    handlers.register(bot, handlers.Context(settings))
    lanes = Lanes(partial(admit, Flood(), bot), partial(sorry, bot, settings))
    intake = make_intake(settings, bot, lanes, news)
    threading.Thread(target=introduce, args=(bot, settings.admins), name="commands", daemon=True).start()
    threading.Thread(target=intake.run, name="intake", daemon=True).start()
    threading.Thread(target=count, args=(stop,), name="metrics", daemon=True).start()
    # A signal may reach another thread than this one: without a timeout the main thread could sleep through it.
    while not stop.wait(0.5):
        pass
    intake.stop()
    lanes.stop(GRACE)
    last = threading.Thread(target=put_away, args=(lanes,), daemon=True)
    last.start()
    # A host that doesn't answer is not waited for.
    last.join(LAST_FIGURES)
    # A lane that hangs in a download would hold the interpreter's own exit up; what it was at is still in the inbox.
    logging.shutdown()
    os._exit(0)


def put_away(lanes: Lanes) -> None:
    """What the next start should know of this one."""
    with suppress(*db.Unreachable):
        lanes.let_go()
    save_figures()


def count(stop: threading.Event) -> None:
    """Adds this process's figures to those of all, until `stop` is set."""
    while not stop.wait(samples.SAVE_EVERY):
        save_figures()


def save_figures() -> None:
    """Adds what is new; while the database is away it stays for the next time."""
    try:
        samples.of_this_process.save()
    except PeeweeException as error:
        log.warning("figures wait for PostgreSQL: %s", db.in_a_line(error))
    except Exception:
        # The thread's edge: the figures of one bad moment must not end those of all later ones.
        log.exception("figures could not be saved")


def make_intake(settings: Settings, bot: telebot.TeleBot, lanes: Lanes, news: threading.Event) -> Intake:
    """How updates come in BOT_MODE. Telegram is told of a change of the mode only once no other process handles updates."""
    may_handle = Lock(HANDLER).held
    if settings.bot_mode == "polling":
        fetch = partial(telegram.get_updates, bot)
        return Poller(fetch, lanes, may_handle, partial(take_webhook_off, bot), partial(tell_of_conflict, settings))
    # Both are there in this mode: the settings see to it.
    url, secret = settings.public_base_url or "", settings.webhook_secret_token or SecretStr("")
    register = partial(telegram.set_webhook, bot, url + web.WEBHOOK_PATH, secret.get_secret_value())
    return Receiver(news, lanes, may_handle, register)


def take_webhook_off(bot: telebot.TeleBot) -> None:
    """Has updates kept for polling. The address they went to is logged: another program may wait for them there."""
    with suppress(ProviderError):  # a log line is not worth the polling
        known = telegram.translated(telebot.apihelper.get_webhook_info, bot.token)
        if isinstance(known, dict) and known.get("url"):
            log.warning("updates were sent to %s: that webhook is taken off, this bot polls", known["url"])
    telegram.delete_webhook(bot)


def tell_of_conflict(settings: Settings) -> None:
    """Tells the operators that another program takes updates away."""
    with db.db:
        outbox.alert(settings.admins, "token_shared")


def admit(flood: Flood, bot: telebot.TeleBot, update: dict[str, Any]) -> str:
    """Handles the update unless its sender asks for too much; then that is said, once. Returns what it counts as."""
    verdict = flood.judge(update)
    if verdict is Verdict.ANSWER:
        return handle(bot, update)
    if verdict is Verdict.SAY_SO:
        log.warning("person %s asks for too much", lane_of(update))
    handlers.slow_down(bot, update, silently=verdict is Verdict.IGNORE)
    return "refused"


def handle(bot: telebot.TeleBot, update: dict[str, Any]) -> str:
    """Runs the handlers on one update. Telegram's failures leave as ProviderError; an update telebot can't read raises what it may."""
    telegram.translated(bot.process_new_updates, [telebot.types.Update.de_json(update)])
    return "answered"


def sorry(bot: telebot.TeleBot, settings: Settings, update: dict[str, Any], reason: str) -> None:
    """Tells the person and the operators of an update that was set aside. Must not fail: the lane goes on after it."""
    handlers.apologise(bot, update)
    # Without the database the alert is lost; the log has the whole story.
    with suppress(*db.Unreachable), db.db:
        about = {"update": update["update_id"], "user": lane_of(update), "text": reason}
        outbox.alert(settings.admins, f"inbox_set_aside:{reason.partition(':')[0][:80]}", **about)


def introduce(bot: telebot.TeleBot, admins: tuple[int, ...]) -> None:
    """Sets the menu of commands, and that of each operator; if that fails it is only logged: /admin sets an operator's once more."""
    _set_menu(bot, handlers.commands("ru"))
    _set_menu(bot, handlers.commands("en"), language_code="en")
    for admin in admins:
        _set_menu(bot, handlers.operators_commands("ru"), scope=telebot.types.BotCommandScopeChat(admin))


def _set_menu(bot: telebot.TeleBot, commands: list[telebot.types.BotCommand], **whose: Any) -> None:
    try:
        telegram.translated(bot.set_my_commands, commands, **whose)
    except ProviderError as error:
        log.warning("a menu of commands was not set: %s", error)


if __name__ == "__main__":
    main()
