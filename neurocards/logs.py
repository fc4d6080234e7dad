"""Logs: one line a happening, readable on a terminal, JSON everywhere else, and no secret in either.

Redaction works on the finished text, tracebacks included, so it doesn't matter by which way a secret came in.

A line says on whose behalf it is: of the update that is being handled (`update_id`), and of the job that a worker is at (`job_id`,
`order_id`, `stage`). They are bound where that begins, and an update's id travels with the messages that it causes.
"""

import fcntl
import json
import logging
import re
import sys
import threading
from itertools import count
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import TracebackType
from typing import IO, Any, TextIO
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


class OwnFile(RotatingFileHandler):
    """A rotated file that one process writes: of two that rotate the same, one would go on writing into what the other put away.

    The name is that of the first of `name`, `name.2`, `name.3`, ... which no living process has locked; the system frees a dead one's.
    """

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.name_of_process, self._claim = _claimed(folder, name)
        path = folder / f"{self.name_of_process}.log"
        super().__init__(path, maxBytes=MAX_FILE_BYTES, backupCount=OLD_FILES, encoding="utf-8", delay=True)

    def close(self) -> None:
        """Closes the file, and leaves its name to others."""
        super().close()
        self._claim.close()


def _claimed(folder: Path, name: str) -> tuple[str, IO[str]]:
    for number in count(1):
        candidate = name if number == 1 else f"{name}.{number}"
        claim = (folder / f".{candidate}.lock").open("w")
        try:
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            claim.close()
        else:
            return candidate, claim
    raise AssertionError("unreachable: there is no last number")


def configure(process_name: str, log_dir: str | None, secrets: tuple[str, ...]) -> None:
    """Sets up logging for this process: standard output, and `<log_dir>/<process_name>.log` when there is a folder.

    Each process has a file of its own: the second of a name writes `<process_name>.2.log`, and is called that in its lines. May be called
    again; what was set up before is closed. Errors that nothing catches are logged too.
    """
    redactor = Redactor(secrets)
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
        old.close()
    file = OwnFile(Path(log_dir), process_name) if log_dir else None
    shared = _shared(file.name_of_process if file else process_name)
    root.addHandler(_to_stream(sys.stdout, redactor, shared))
    if file:
        file.setFormatter(_formatter(redactor, shared, for_people=False))
        root.addHandler(file)
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


def cause() -> dict[str, int]:
    """The update on whose behalf this thread works, for the messages that it sends."""
    bound = structlog.contextvars.get_contextvars()
    return {"update_id": bound["update_id"]} if "update_id" in bound else {}


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    logging.getLogger("neurocards").critical("an error nothing caught", exc_info=(kind, error, trace))


def _log_uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None and not issubclass(args.exc_type, SystemExit):
        _log_uncaught(args.exc_type, args.exc_value, args.exc_traceback)
