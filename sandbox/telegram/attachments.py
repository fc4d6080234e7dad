"""The fields and files of a control call, sent as a form or as JSON with base64."""

import base64
import mimetypes
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from flask import Request, abort
from werkzeug.datastructures import FileStorage

from sandbox.control import json_object, refusal
from sandbox.telegram.errors import ApiError
from sandbox.telegram.files import Blob, FileStore, Media
from sandbox.telegram.media import MediaFactory, Upload
from sandbox.telegram.multipart import read_multipart

Json = dict[str, Any]

_MOST_BYTES = 100 * 1024 * 1024  # above what the server lets in
_UNKNOWN = "application/octet-stream"


class NoAttachment(ValueError):
    """The request should carry a file and doesn't."""


class Submission:
    """What one control call brought."""

    def __init__(self, request: Request) -> None:
        """Read the whole body; answers 400 or 413 when it can't be read."""
        self.fields: Json = {}
        self._files: list[FileStorage] = []
        if request.mimetype != "multipart/form-data":
            self.fields = json_object()
            return
        try:
            values, self._files = read_multipart(request)
        except ApiError as wrong:
            abort(refusal(wrong.description, wrong.code))
        self.fields.update(values)

    def text(self, name: str) -> str:
        """A field as text, empty when absent."""
        return str(self.fields.get(name) or "")

    def uploads(self, files: FileStore, kind: str) -> list[Upload]:
        """The files sent under `kind`: real ones, base64, or only a declared size.

        Raises NoAttachment without any, ValueError for bad base64.
        """
        if self._files:
            found = [
                _upload(files.keep(file.stream, _MOST_BYTES), file.filename or "", file.mimetype)
                for file in self._wanted(kind)
            ]
        elif self.fields.get(kind):
            given = self.fields[kind]
            texts = given if isinstance(given, list) else [given]
            found = [self._named(files.keep_bytes(base64.b64decode(str(text), validate=True))) for text in texts]
        else:
            size = int(self.fields.get("declared_size") or 0)
            found = [self._named(files.declare(size))] if size > 0 else []
        if not found:
            raise NoAttachment(f"there is no {kind} in the request")
        return found

    def _wanted(self, kind: str) -> Iterator[FileStorage]:
        for file in self._files:
            with closing(file):
                if file.name == kind:
                    yield file

    def _named(self, blob: Blob) -> Upload:
        return _upload(blob, self.text("filename"), self.text("mime"))


def _upload(blob: Blob, name: str, mime: str) -> Upload:
    return Upload(blob, mime or mimetypes.guess_type(name)[0] or _UNKNOWN, name or "file")


def media_of(factory: MediaFactory, kind: str, upload: Upload) -> Media:
    """What a person's app sends of a picked file. Raises BadPicture for a photo that isn't one."""
    if kind == "photo":
        return factory.photo(upload.blob)
    return factory.video(upload) if kind == "video" else factory.document(upload)
