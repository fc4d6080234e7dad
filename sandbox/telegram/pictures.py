"""Pictures and films as Telegram sees them: the renditions of a photo, the geometry and first frame of a video."""

import io
from dataclasses import dataclass
from pathlib import Path

import av
import pillow_heif
from PIL import Image, ImageOps, UnidentifiedImageError

from sandbox.telegram.limits import MAX_PHOTO_RATIO, MAX_PHOTO_SIDES, MAX_THUMBNAIL_SIDE

# Phones turn HEIC into JPEG before sending a photo; a photo picked in the chat page may still be one.
pillow_heif.register_heif_opener()

_SIDES = (90, 320, 800, 1280)
_QUALITY = 87
_MAX_PIXELS = 60_000_000


class BadPicture(ValueError):
    """The bytes are not a picture Telegram would process; the text is Telegram's own constant."""


@dataclass(frozen=True)
class Rendition:
    """One JPEG of a photo with its size in pixels."""

    data: bytes
    width: int
    height: int


@dataclass(frozen=True)
class Film:
    """What a probe finds in a video: pixels as shown, whole seconds, and a small JPEG of the first frame."""

    width: int
    height: int
    duration: int
    frame: Rendition


def renditions(data: bytes) -> list[Rendition]:
    """The photo as JPEGs fitting 90, 320, 800 and 1280 pixels, smallest first, never enlarged, turned upright.

    Raises BadPicture with PHOTO_INVALID_DIMENSIONS or IMAGE_PROCESS_FAILED.
    """
    try:
        with Image.open(io.BytesIO(data)) as opened:
            _check_sides(*opened.size)
            # Lets the decoder skip detail nobody will see: a photo of 12 megapixels takes a quarter of the time.
            opened.draft("RGB", (_SIDES[-1], _SIDES[-1]))
            upright = ImageOps.exif_transpose(opened).convert("RGB")
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as wrong:
        raise wrong if isinstance(wrong, BadPicture) else BadPicture("IMAGE_PROCESS_FAILED") from None
    wanted = [side for side in _SIDES if side < max(upright.size)] + [_SIDES[-1]]
    return [_fitted(upright, side) for side in wanted[: len(_SIDES)]]


def _check_sides(width: int, height: int) -> None:
    long, short = max(width, height), max(1, min(width, height))
    if width + height > MAX_PHOTO_SIDES or long / short > MAX_PHOTO_RATIO or width * height > _MAX_PIXELS:
        raise BadPicture("PHOTO_INVALID_DIMENSIONS")


def _fitted(image: Image.Image, side: int) -> Rendition:
    small = ImageOps.contain(image, (side, side)) if max(image.size) > side else image
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=_QUALITY)
    return Rendition(buffer.getvalue(), *small.size)


def thumbnail(data: bytes) -> Rendition:
    """Check a thumbnail a bot uploads: JPEG, at most 320 pixels a side. Raises BadPicture otherwise.

    Stricter than Telegram, which drops a bad thumbnail without a word: here the mistake should be seen.
    """
    try:
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as opened:
            width, height = opened.size
    except (UnidentifiedImageError, OSError, SyntaxError):
        raise BadPicture("IMAGE_PROCESS_FAILED") from None
    if max(width, height) > MAX_THUMBNAIL_SIDE:
        raise BadPicture("PHOTO_INVALID_DIMENSIONS")
    return Rendition(data, width, height)


def probe(path: Path) -> Film | None:
    """What the video file holds; None when it has no readable video stream."""
    try:
        with av.open(str(path)) as container:
            frame = next(container.decode(video=0))
            seconds = (container.duration or 0) / av.time_base
            small = _fitted(frame.to_image(), MAX_THUMBNAIL_SIDE)
            return Film(frame.width, frame.height, round(seconds), small)
    except (av.FFmpegError, IndexError, StopIteration):
        return None
