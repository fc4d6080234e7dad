"""Turning bytes into what a message carries: a photo in its sizes, a video with geometry, a document and so on."""

import io
from dataclasses import dataclass
from typing import Any

from PIL import Image

from sandbox.telegram.files import Blob, FileStore, Media, StoredFile
from sandbox.telegram.limits import UNPROBED_VIDEO_BYTES
from sandbox.telegram.pictures import BadPicture, Film, Rendition, probe, renditions

Json = dict[str, Any]

_SQUARE = 320
_STICKER_SIDE = 512


@dataclass(frozen=True)
class Upload:
    """New bytes for a message, with their name and type."""

    blob: Blob
    mime: str
    name: str


class MediaFactory:
    """Makes media out of stored bytes, with ids for one bot."""

    def __init__(self, files: FileStore, bot: int) -> None:
        """Make files for the bot with this index."""
        self._files = files
        self._bot = bot

    def photo(self, blob: Blob) -> Media:
        """A photo in up to four JPEG sizes. Raises BadPicture when Telegram couldn't process it."""
        sizes = self._files.remember(blob, "sizes", lambda: [self._kept(one) for one in renditions(blob.read())])
        return self._files.media("photo", *(self._picture("photo", size) for size in sizes))

    def _kept(self, rendition: Rendition) -> tuple[Blob, int, int]:
        return self._files.keep_bytes(rendition.data), rendition.width, rendition.height

    def _picture(self, kind: str, kept: tuple[Blob, int, int]) -> StoredFile:
        blob, width, height = kept
        return self._files.add(self._bot, kind, blob, "image/jpeg", width=width, height=height)

    def _thumbnail(self, small: Rendition | None) -> Json:
        """The `thumbnail` of a video or document (and its old name `thumb`); empty without a picture."""
        if small is None:
            return {}
        picture = self._picture("thumbnail", self._kept(small)).json()
        return {"thumbnail": picture, "thumb": picture}

    def _film(self, blob: Blob) -> Film | None:
        if blob.path is None:
            return None
        path = blob.path
        found: Film | None = self._files.remember(blob, "film", lambda: probe(path))
        return found

    def video(self, upload: Upload, given: Json | None = None, small: Rendition | None = None) -> Media:
        """A video as Telegram stores it; a file without a video stream becomes a document.

        `given` holds what the bot said: width, height, duration (0 = not said), cover. The rest is probed up to 10 MB;
        above, Telegram keeps a square of 320 pixels without duration or thumbnail.
        """
        # Even a video that Telegram wouldn't probe must be one.
        found = self._film(upload.blob)
        if found is None:
            return self.document(upload, small)
        given = given or {}
        probed = found if upload.blob.size <= UNPROBED_VIDEO_BYTES else None
        small = small or (probed.frame if probed else None)
        fields = {**_geometry(probed, given), "file_name": upload.name, "mime_type": upload.mime}
        fields |= self._thumbnail(small) | ({"cover": given["cover"]} if given.get("cover") else {})
        return self._single("video", upload, fields)

    def document(self, upload: Upload, small: Rendition | None = None) -> Media:
        """A file as it is; a picture among files gets a thumbnail, as Telegram's servers make one."""
        if small is None and upload.mime.startswith("image/") and upload.blob.path:
            small = self._files.remember(upload.blob, "thumbnail", lambda: _smallest_of(upload.blob))
        fields = {"file_name": upload.name, "mime_type": upload.mime, **self._thumbnail(small)}
        return self._single("document", upload, fields)

    def _single(self, kind: str, upload: Upload, fields: Json) -> Media:
        stored = self._files.add(self._bot, kind, upload.blob, upload.mime, upload.name, **fields)
        return self._files.media(kind, stored)

    def voice(self, seconds: int) -> Media:
        """A voice message; its bytes only look like Ogg."""
        blob = self._files.keep_bytes(b"OggS" + bytes(24) + b"OpusHead" + bytes(400))
        fields = {"duration": seconds, "mime_type": "audio/ogg"}
        return self._single("voice", Upload(blob, "audio/ogg", ""), fields)

    def sticker(self, emoji: str) -> Media:
        """A still sticker of 512 pixels."""
        buffer = io.BytesIO()
        Image.new("RGBA", (_STICKER_SIDE, _STICKER_SIDE), (255, 196, 0, 255)).save(buffer, "WEBP")
        fields = {"type": "regular", "is_animated": False, "is_video": False, "emoji": emoji, "set_name": "sandbox"}
        fields |= {"width": _STICKER_SIDE, "height": _STICKER_SIDE}
        return self._single("sticker", Upload(self._files.keep_bytes(buffer.getvalue()), "image/webp", ""), fields)


def _geometry(probed: Film | None, given: Json) -> Json:
    """What the bot said wins; then what was probed; then Telegram's square."""
    duration = given.get("duration") or (probed.duration if probed else 0)
    if given.get("width") and given.get("height"):
        return {"width": given["width"], "height": given["height"], "duration": duration}
    width, height = (probed.width, probed.height) if probed else (_SQUARE, _SQUARE)
    return {"width": width, "height": height, "duration": duration}


def _smallest_of(blob: Blob) -> Rendition | None:
    try:
        return renditions(blob.read())[0]
    except BadPicture:
        return None
