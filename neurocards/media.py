"""Photos that come in and videos that go out. Both are untrusted: sizes are known before anything is decoded."""

import io
import logging
import math
import re
import struct
import threading
import time
import zlib
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urljoin

import av
import pillow_heif
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from neurocards import mp4
from neurocards.addresses import is_web_url
from neurocards.errors import BadPhoto, BadVideo, ProviderError
from neurocards.transport import Answer, Call, TooLarge, TooSlow, receive

log = logging.getLogger(__name__)

MAX_PHOTO_BYTES = 20 * 1024 * 1024
MAX_PHOTO_PIXELS = 50_000_000
MIN_PHOTO_SIDE = 200
MAX_SIDE = 1600
# KIE's models take pictures from 300 px a side, and no longer or wider than 5:2.
MIN_SIDE = 320
MIN_RATIO, MAX_RATIO = 0.4, 2.5
JPEG_QUALITY = 88

MAX_VIDEO_BYTES = 50 * 1024 * 1024
MAX_REDIRECTS = 3
MIN_VIDEO_SECONDS, MAX_VIDEO_SECONDS = 0.5, 600
MIN_VIDEO_SIDE, MAX_VIDEO_SIDE = 64, 4096
THUMBNAIL_SIDE = 320

_SIGNATURE = re.compile(rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|RIFF....WEBP", re.DOTALL)
# What decoders raise on damaged bytes.
_DAMAGE = (
    OSError, SyntaxError, ValueError, EOFError, RuntimeError, LookupError, TypeError, AssertionError, struct.error, zlib.error,
)  # fmt: skip
_BOMB = (Image.DecompressionBombError, Image.DecompressionBombWarning)
_NO_VIDEO = re.compile(r"text/|application/(json|xml|xhtml)|image/|audio/")
# A progressive JPEG has about ten scans. Each costs a pass over the whole picture, for as little as twelve bytes.
MAX_SCANS = 200
_SCAN = b"\xff\xda"
# Decoded, a photo of 50 megapixels takes 200 MB (a WEBP four times that); two at a time are enough for everyone.
_decoding = threading.BoundedSemaphore(2)


@dataclass(frozen=True)
class Picture:
    """A photo made ready: an upright sRGB JPEG without metadata. Sides are in pixels."""

    jpeg: bytes
    width: int
    height: int


@dataclass(frozen=True)
class Video:
    """What Telegram must be told of a video: pixels, seconds, and a JPEG of at most 320 px a side."""

    width: int
    height: int
    duration: float
    thumbnail: bytes


def normalise_photo(data: bytes) -> Picture:
    """Makes a JPEG, PNG, WEBP or HEIC ready for the models.

    Raises BadPhoto: too_big, not_image, broken, too_many_pixels, too_small.
    """
    if len(data) > MAX_PHOTO_BYTES:
        raise BadPhoto("too_big")
    try:
        with _decoding:
            return _encoded(_framed(_flattened(_upright(_opened(data)))))
    except _BOMB:
        raise BadPhoto("too_many_pixels") from None
    except UnidentifiedImageError:
        raise BadPhoto("broken" if _SIGNATURE.match(data) else "not_image") from None
    except _DAMAGE as error:
        log.info("a photo could not be decoded: %s", type(error).__name__)
        raise BadPhoto("broken") from None


def _opened(data: bytes) -> Image.Image:
    """The photo at its final scale. Only the header is read before its size is known to be fit."""
    if pillow_heif.is_supported(data):
        heif = pillow_heif.open_heif(data)
        _check_size(*heif.size)
        image = heif.to_pillow()
    else:
        image = Image.open(io.BytesIO(data), formats=("JPEG", "PNG", "WEBP"))
        _check_size(*image.size)
        if image.format == "JPEG" and data.count(_SCAN) > MAX_SCANS:
            raise BadPhoto("broken")
    if image.mode.startswith("I"):
        # 16-bit grey: a plain conversion would turn everything above 255 white.
        image = image.convert("I").point(lambda value: value * (1 / 257)).convert("L")
    elif image.mode in ("P", "PA", "1"):
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    image.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.LANCZOS)
    return image


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PHOTO_PIXELS:
        raise BadPhoto("too_many_pixels")
    if min(width, height) < MIN_PHOTO_SIDE:
        raise BadPhoto("too_small")


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except _DAMAGE:
        # A photo with damaged metadata is still a photo.
        return image


def _flattened(image: Image.Image) -> Image.Image:
    """The photo on white, in sRGB."""
    profile = image.info.get("icc_profile")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
        except (ImageCms.PyCMSError, OSError):
            # A profile that is damaged, or meant for another mode, is left out of account.
            converted = None
        image = converted or image
    return image.convert("RGB")


def _framed(image: Image.Image) -> Image.Image:
    """The photo within the sizes and ratios that KIE takes: enlarged when tiny, with white margins when too narrow."""
    width = max(image.width, math.ceil(image.height * MIN_RATIO))
    height = max(image.height, math.ceil(image.width / MAX_RATIO))
    # A new canvas carries no metadata, which a JPEG would otherwise inherit in part.
    canvas = Image.new("RGB", (width, height), "white")
    canvas.paste(image, ((width - image.width) // 2, (height - image.height) // 2))
    scale = MIN_SIDE / min(canvas.size)
    if scale <= 1:
        return canvas
    return canvas.resize((math.ceil(width * scale), math.ceil(height * scale)), Image.Resampling.LANCZOS)


def _encoded(image: Image.Image) -> Picture:
    return Picture(_jpeg(image, JPEG_QUALITY), image.width, image.height)


def _jpeg(image: Image.Image, quality: int) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return file.getvalue()


def fetch_result(
    url: str, path: Path, limit_bytes: int = MAX_VIDEO_BYTES, seconds: float = 120, allow_private: bool = False
) -> None:
    """Downloads a provider's result to `path`; nothing is left there when it fails.

    `allow_private` lets the URL lead to a private network (a sandbox). Raises BadVideo for what is too large,
    empty or not a video, and ProviderError (kie, 'result') when it can't be had.
    """
    done = False
    try:
        with path.open("wb") as file:
            _follow(url, file, limit_bytes, time.monotonic() + seconds, allow_private)
        if path.stat().st_size == 0:
            raise BadVideo("empty")
        done = True
    except TooLarge:
        raise BadVideo("too large") from None
    except TooSlow:
        # It may be our line: the same file is fetched again, and no new task is paid for.
        raise ProviderError("kie", "result", "too slow") from None
    finally:
        if not done:
            path.unlink(missing_ok=True)


def _follow(url: str, file: BinaryIO, limit: int, deadline: float, allow_private: bool) -> None:
    """Each hop is checked like the first, so that a public address can't lead to a private one."""
    for _ in range(MAX_REDIRECTS + 1):
        if not is_web_url(url):
            raise ProviderError("kie", "result", "not a web address")
        left = max(deadline - time.monotonic(), 0)
        call = Call("kie", "result", "GET", url, min(30, left + 1), left, limit, public=not allow_private)
        head = receive(call, file.write, wanted=lambda head: head.status_code == 200 and _may_be_video(head))
        if head.status_code not in (301, 302, 303, 307, 308):
            return _check_head(head)
        url = urljoin(url, head.headers.get("Location", ""))
    raise ProviderError("kie", "result", "too many redirects")


def _check_head(head: Answer) -> None:
    if head.status_code != 200:
        raise ProviderError("kie", "result", "the result is not there", http_status=head.status_code)
    if not _may_be_video(head):
        raise BadVideo("not a video")


def _may_be_video(head: Answer) -> bool:
    return not _NO_VIDEO.match(head.headers.get("Content-Type", "").strip().lower())


def probe_video(path: Path) -> Video:
    """Reads that a file is an MP4 with pictures that move. Raises BadVideo with the reason."""
    try:
        with path.open("rb") as file:
            mp4.check_tables(file, path.stat().st_size)
            file.seek(0)
            # Only this one format: others, such as playlists, could send the decoder to files and addresses of their own.
            with av.open(file, "r", format="mp4") as container:
                return _probed(container)
    except (av.FFmpegError, *_DAMAGE) as error:
        log.info("a result could not be read as a video: %s", type(error).__name__)
        raise BadVideo("not a video") from None


def _probed(container: av.container.InputContainer) -> Video:
    stream = next(iter(container.streams.video), None)
    # Against its type, the context is None for a codec that is not known here.
    codec = getattr(stream, "codec_context", None)
    if stream is None or codec is None:
        raise BadVideo("no picture in it")
    width, height = codec.width, codec.height
    if not (min(width, height) >= MIN_VIDEO_SIDE and max(width, height) <= MAX_VIDEO_SIDE):
        raise BadVideo(f"of an odd size, {width}x{height}")
    duration = float((container.duration or 0) / av.time_base)
    if not MIN_VIDEO_SECONDS < duration < MAX_VIDEO_SECONDS:
        raise BadVideo(f"of an odd length, {duration:g} s")
    frame = _walked(container, stream, min(1.0, duration / 2))
    if frame is None:
        raise BadVideo("no picture in it")
    return Video(width, height, duration, _thumbnail(frame.to_image()))


def _walked(container: av.container.InputContainer, stream: av.VideoStream, wanted: float) -> av.VideoFrame | None:
    """The picture `wanted` seconds in, or the last before it: the very first is often the photo itself.

    Goes on to the end all the same, since half a file opens like a whole one. Never seeks, which lying tables can make endless.
    """
    frame, base = None, stream.time_base or Fraction(1, 1)
    begin = last = stream.start_time or 0
    for packet in container.demux(stream):
        if frame is None or (last - begin) * base < wanted:
            frame = next(reversed(packet.decode()), frame)
        last = max(last, packet.pts or begin)
    if stream.time_base and last - begin < (stream.duration or 0) * 0.8:
        raise BadVideo("cut off")
    return frame


def _thumbnail(image: Image.Image) -> bytes:
    image.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    return _jpeg(image, 85)
