"""Multipart bodies, read by Telegram's rules.

Libraries write the name of a file in different ways: quoted, bare, with letters that HTTP doesn't allow there. Telegram cuts
the header at `;` and `=` and takes what it finds; the general parser of the web framework would lose such files.
"""

from contextlib import ExitStack
from tempfile import SpooledTemporaryFile
from typing import IO, cast

from flask import Request
from werkzeug.datastructures import FileStorage, Headers
from werkzeug.http import dump_options_header
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, NeedData

from sandbox.telegram.errors import ApiError, bad_request

_CHUNK = 1 << 18
_MAX_VALUES_BYTES = 1 << 20
_IN_MEMORY_BYTES = 1 << 20


class _Decoder(MultipartDecoder):
    """Rewrites each part's Content-Disposition into the form the framework understands."""

    def _parse_headers(self, data: bytes | bytearray) -> Headers:
        headers = super()._parse_headers(data)
        given = headers.get("Content-Disposition", "")
        if not given.startswith("form-data;"):
            raise bad_request("expected form-data content disposition")
        options = disposition(given)
        if not options.get("name"):
            raise bad_request("field name in multipart/form-data not found")
        headers["Content-Disposition"] = dump_options_header("form-data", options)
        return headers


def disposition(header: str) -> dict[str, str]:
    """`name` and `filename` of a Content-Disposition, with or without quotes; everything else is skipped."""
    pairs = (part.partition("=") for part in header.removeprefix("form-data;").split(";"))
    values = {key.strip(): _unquoted(value.strip()) for key, _, value in pairs}
    # A file stays a file without a name; the framework would take it for a text.
    defaults = {"name": "", "filename": "file"}
    return {key: values[key] or default for key, default in defaults.items() if key in values}


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value.startswith('"') and value.endswith('"') else value


class _Form:
    """Collects the parts as the decoder brings them; `opened` gets every temporary file."""

    def __init__(self, opened: ExitStack) -> None:
        self.values: dict[str, str] = {}
        self.files: list[FileStorage] = []
        self._opened = opened
        self._target: IO[bytes] | None = None
        self._name = ""
        self._value = bytearray()
        self._left = _MAX_VALUES_BYTES

    def take(self, event: object) -> None:
        if isinstance(event, File):
            target = SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES)  # noqa: SIM115 - closed with `opened`
            self._target = cast(IO[bytes], self._opened.enter_context(target))
            self.files.append(FileStorage(self._target, event.filename, event.name, headers=event.headers))
        elif isinstance(event, Field):
            self._target, self._name, self._value = None, event.name, bytearray()
        elif isinstance(event, Data):
            self._take_data(event)

    def _take_data(self, event: Data) -> None:
        if self._target is not None:
            self._target.write(event.data)
            if not event.more_data:
                self._target.seek(0)
            return
        self._left -= len(event.data)
        if self._left < 0:
            raise ApiError(413, "Request Entity Too Large: too much parameters in form data")
        self._value += event.data
        if not event.more_data:
            self.values[self._name] = self._value.decode("utf-8", "replace")


def read_multipart(request: Request) -> tuple[dict[str, str], list[FileStorage]]:
    """The values and files of a multipart body; the caller closes the files. Raises ApiError 400 or 413."""
    boundary = request.mimetype_params.get("boundary", "")
    decoder = _Decoder(boundary.encode("latin-1", "replace"))
    with ExitStack() as opened:
        form = _Form(opened)
        try:
            while not isinstance(event := decoder.next_event(), Epilogue):
                if isinstance(event, NeedData):
                    decoder.receive_data(request.stream.read(_CHUNK) or None)
                form.take(event)
        except ValueError:
            raise bad_request("can't parse form data") from None
        # Only now do the files outlive this call.
        opened.pop_all()
        return form.values, form.files
