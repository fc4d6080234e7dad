"""The files and fields of a control call, sent as a form or as JSON with base64."""

import base64
import mimetypes
from typing import Any

from flask import request

from sandbox.control import json_object
from sandbox.telegram.files import Blob, FileStore, Media
from sandbox.telegram.media import MediaFactory, Upload

Json = dict[str, Any]

_MOST_BYTES = 100 * 1024 * 1024  # above what the server lets in
_UNKNOWN = "application/octet-stream"


class NoAttachment(ValueError):
    """The request should carry a file and doesn't."""


def fields() -> Json:
    """The plain fields of this request."""
    return json_object() if request.is_json else request.form.to_dict()


def attachments(files: FileStore, kind: str) -> list[Upload]:
    """The files of this request sent under `kind`: uploads, base64, or only a declared size.

    Raises NoAttachment without any, ValueError for bad base64.
    """
    uploaded = request.files.getlist(kind)
    body = fields()
    given = body.get(kind) or []
    name, mime = str(body.get("filename") or ""), str(body.get("mime") or "")
    if uploaded:
        found = [_named(files.keep(one.stream, _MOST_BYTES), one.filename or "", one.mimetype) for one in uploaded]
    elif given:
        texts = given if isinstance(given, list) else [given]
        found = [_named(files.keep_bytes(base64.b64decode(str(one), validate=True)), name, mime) for one in texts]
    elif body.get("declared_size"):
        found = [_named(files.declare(int(body["declared_size"])), name, mime)]
    else:
        raise NoAttachment(f"there is no {kind} in the request")
    return found


def _named(blob: Blob, name: str, mime: str) -> Upload:
    return Upload(blob, mime or mimetypes.guess_type(name)[0] or _UNKNOWN, name or "file")


def media_of(factory: MediaFactory, kind: str, upload: Upload) -> Media:
    """What a person's app sends of a picked file. Raises BadPicture for a photo that isn't one."""
    if kind == "photo":
        return factory.photo(upload.blob)
    return factory.video(upload) if kind == "video" else factory.document(upload)
