"""The files of a call: uploaded in a field, attached by name, sent again by id, or fetched from a loopback URL."""

import ipaddress
import mimetypes
from pathlib import PurePosixPath
from typing import IO, cast
from urllib.parse import urlsplit

import requests
from werkzeug.datastructures import FileStorage

from sandbox.telegram.call import Call
from sandbox.telegram.errors import ApiError, bad_request
from sandbox.telegram.files import Media
from sandbox.telegram.limits import (
    MAX_PHOTO_BYTES,
    MAX_THUMBNAIL_BYTES,
    MAX_UPLOAD_BYTES,
    MAX_URL_FILE_BYTES,
    MAX_URL_PHOTO_BYTES,
)
from sandbox.telegram.media import Upload
from sandbox.telegram.pictures import BadPicture, Rendition, thumbnail

_ATTACH = "attach://"
_FETCH_SECONDS = 20.0


def input_file(call: Call, kind: str, value: str, field: str = "") -> Upload | Media | None:
    """The file meant by the parameter's `value` or, when that is empty, the upload in `field`; None without either.

    Raises ApiError 400 for a bad id, URL, size or an empty file, 413 for too many bytes.
    """
    attached = value.removeprefix(_ATTACH) if value.startswith(_ATTACH) else field if not value else ""
    if attached or not value:
        file = call.params.file(attached)
        return _uploaded(call, kind, file) if file else None
    if value.startswith(("http://", "https://")):
        return _fetched(call, kind, value)
    return call.telegram.files.again(call.bot.index, value)


def _uploaded(call: Call, kind: str, file: FileStorage) -> Upload:
    blob = call.telegram.files.keep(file.stream, MAX_UPLOAD_BYTES)
    if not blob.size:
        raise bad_request("file must be non-empty")
    if kind == "photo" and blob.size > MAX_PHOTO_BYTES:
        raise bad_request(
            f"file of size {blob.size} bytes is too big for a photo; the maximum size is {MAX_PHOTO_BYTES} bytes"
        )
    name = PurePosixPath(file.filename or "file").name
    # Telegram looks at the name and not at the part's own type.
    return Upload(blob, mimetypes.guess_type(name)[0] or _default_mime(kind), name)


def _default_mime(kind: str) -> str:
    return {"video": "video/mp4", "photo": "image/jpeg"}.get(kind, "application/octet-stream")


def _fetched(call: Call, kind: str, url: str) -> Upload:
    """Telegram's servers fetch a URL themselves; this one reaches loopback addresses only."""
    if not is_loopback(url):
        raise bad_request("failed to get HTTP URL content")
    most = MAX_URL_PHOTO_BYTES if kind == "photo" else MAX_URL_FILE_BYTES
    try:
        with requests.Session() as session:
            session.trust_env = False
            with session.get(url, timeout=_FETCH_SECONDS, stream=True, allow_redirects=False) as answer:
                answer.raise_for_status()
                blob = call.telegram.files.keep(cast(IO[bytes], answer.raw), most)
                mime = answer.headers.get("Content-Type", "").partition(";")[0]
    except (requests.RequestException, ApiError):
        raise bad_request("failed to get HTTP URL content") from None
    if not mime.startswith(("image/", "video/", "application/")):
        raise bad_request("wrong type of the web page content")
    return Upload(blob, mime, PurePosixPath(urlsplit(url).path).name or "file")


def is_loopback(url: str) -> bool:
    """True for an http(s) URL of this very machine."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        return False
    try:
        return parts.hostname == "localhost" or ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False


def input_thumbnail(call: Call, value: str = "") -> Rendition | None:
    """The thumbnail of a call or, by an `attach://` value, of one item of it. Raises ApiError 400 for a bad one.

    Only uploads count: like Telegram, an id or a URL here is skipped.
    """
    names = [value.removeprefix(_ATTACH)] if value.startswith(_ATTACH) else ["thumbnail", "thumb"]
    for field in ("thumbnail", "thumb"):
        given = call.params.text(field)
        if not value and given.startswith(_ATTACH):
            names.insert(0, given.removeprefix(_ATTACH))
    file = next((file for name in names if (file := call.params.file(name))), None)
    if file is None:
        return None
    data = file.stream.read(MAX_THUMBNAIL_BYTES + 1)
    if len(data) > MAX_THUMBNAIL_BYTES:
        raise bad_request("file is too big")
    try:
        return thumbnail(data)
    except BadPicture as wrong:
        raise bad_request(str(wrong)) from None
