"""Logs: one line a happening, readable on a terminal, JSON everywhere else, and no secret in either.

Redaction works on the finished text, tracebacks included, so it doesn't matter by which way a secret came in.
"""

import json
import logging
import re
import sys
import threading
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO
from urllib.parse import quote

import structlog
from structlog.stdlib import ProcessorFormatter

MAX_FILE_BYTES = 10 * 1024 * 1024
OLD_FILES = 5

HIDDEN = "[hidden]"
# Hiding every "k" because a key is called that would leave nothing to read.
MIN_SECRET = 4
# What is a secret by its look: bot tokens (also inside URLs), bearer keys, OpenAI keys, passwords in addresses.
SECRETS = r"\d{6,}(?::|%3A)[\w-]{30,}|(?<=Bearer )[^\s\"',]+|\bsk-[\w-]{16,}|(?<=://)[^\s/:@\"']*:[^\s/@\"']+(?=@)"

LEVELS = {
    "urllib3": logging.ERROR,
    "requests": logging.WARNING,
    "TeleBot": logging.WARNING,
    "apscheduler": logging.ERROR,  # a tick that is skipped because the one before still runs is no news
    "stamina": logging.WARNING,
    "PIL": logging.WARNING,
    "libav": logging.ERROR,
    "dramatiq": logging.INFO,
    "waitress": logging.INFO,
}


class Redactor:
    """Replaces secrets in a text: those given, in each spelling a log may have for them, and those that look like one."""

    def __init__(self, secrets: tuple[str, ...]) -> None:
        known = [secret for secret in secrets if len(secret) >= MIN_SECRET]
        spelled = {form for secret in known for form in (secret, quote(secret, safe=""), json.dumps(secret)[1:-1])}
        patterns = [re.escape(form) for form in sorted(spelled, key=len, reverse=True)]
        self._pattern = re.compile("|".join([*patterns, SECRETS]), re.IGNORECASE)

    def __call__(self, text: str) -> str:
        """The text without them."""
        return self._pattern.sub(HIDDEN, text)


class RedactingFormatter(ProcessorFormatter):
    """Renders a record and hides what must not be in it."""

    def __init__(self, redactor: Redactor, **options: Any) -> None:
        super().__init__(**options)
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        """The finished line."""
        return self._redactor(super().format(record))


def configure(process_name: str, log_dir: str | None, secrets: tuple[str, ...]) -> None:
    """Sets up logging for this process: standard output, and `<log_dir>/<process_name>.log` when there is a folder.

    May be called again; what was set up before is closed. Errors that nothing catches are logged too.
    """
    redactor = Redactor(secrets)
    shared = _shared(process_name)
    handlers: list[logging.Handler] = [_to_stream(sys.stdout, redactor, shared)]
    if log_dir:
        handlers.append(_to_file(Path(log_dir) / f"{process_name}.log", redactor, shared))
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
        old.close()
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(logging.INFO)
    for name, level in LEVELS.items():
        logging.getLogger(name).setLevel(level)
    logging.captureWarnings(True)
    # A record that can't be formatted would otherwise be printed as it is.
    logging.raiseExceptions = False
    _configure_structlog(shared)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


def _shared(process_name: str) -> list[Any]:
    """What every record is given, whether it came through structlog or not."""
    return [
        structlog.contextvars.merge_contextvars,
        lambda _logger, _method, event: {**event, "process": process_name},
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _configure_structlog(shared: list[Any]) -> None:
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def _formatter(redactor: Redactor, shared: list[Any], for_people: bool) -> RedactingFormatter:
    render: list[Any] = (
        [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
        if for_people
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
    )
    processors = [ProcessorFormatter.remove_processors_meta, *render]
    return RedactingFormatter(redactor, foreign_pre_chain=shared, processors=processors)


def _to_stream(stream: TextIO, redactor: Redactor, shared: list[Any]) -> logging.Handler:
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_formatter(redactor, shared, for_people=stream.isatty()))
    return handler


def _to_file(path: Path, redactor: Redactor, shared: list[Any]) -> logging.Handler:
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = RotatingFileHandler(path, maxBytes=MAX_FILE_BYTES, backupCount=OLD_FILES, encoding="utf-8", delay=True)
    handler.setFormatter(_formatter(redactor, shared, for_people=False))
    return handler


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    logging.getLogger("neurocards").critical("an error nothing caught", exc_info=(kind, error, trace))


def _log_uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None and not issubclass(args.exc_type, SystemExit):
        _log_uncaught(args.exc_type, args.exc_value, args.exc_traceback)
