"""The stand-in's "render": a real vertical MP4 made from the uploaded photo, cheap enough for a laptop.

The photo lies sharp on a blurred copy of itself, the camera moves in slowly, and a soft chord swells and fades:
720x1280, 24 frames a second, 5 seconds, H.264 with AAC, moov in front. Under two seconds of one core.
"""

import array
import functools
import io
import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace
from av.video.stream import VideoStream
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps, UnidentifiedImageError

WIDTH, HEIGHT, FPS, SECONDS = 720, 1280, 24, 5
MAX_PIXELS = 64_000_000
_ZOOM = 1.12
# The product keeps inside the frame to the end of the zoom: 0.88 * 1.12 < 1.
_PRODUCT_SHARE = 0.88
_RATE, _SAMPLES = 44_100, 1_024
# A warm open voicing: D3, A3, D4, F#4, A4 in Hz, the higher the softer.
_CHORD = ((146.83, 0.30), (220.00, 0.24), (293.66, 0.20), (369.99, 0.14), (440.00, 0.10))


class NotAPicture(ValueError):
    """The bytes are no picture that can be decoded."""


class RenderAborted(RuntimeError):
    """The sandbox is stopping; the unfinished video is dropped."""


def render(photo: bytes, target: Path, aborted: Callable[[], bool] = lambda: False) -> None:
    """Write the MP4 made from a photo. Raises NotAPicture, and RenderAborted soon after `aborted()` turns true."""
    scene = _planes(_scene(_decode(photo)))
    # A real file, not a buffer: to put moov in front the muxer reads back what it wrote.
    with av.open(str(target), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        video, audio = _add_video(container), _add_audio(container)
        _mux_video(container, video, _frames(scene, aborted))
        _mux_audio(container, audio)


def sample_photo() -> bytes:
    """A generated product picture (a bottle on a gradient), as JPEG: what the prepared video is made from."""
    image = Image.merge(
        "RGB", [Image.linear_gradient("L").resize((900, 1200)).point(_tint(c)) for c in (0.9, 0.75, 0.6)]
    )
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((330, 380, 570, 1020), radius=60, fill=(38, 94, 89))
    draw.rectangle((400, 240, 500, 390), fill=(26, 66, 62))
    draw.rounded_rectangle((360, 560, 540, 800), radius=18, fill=(240, 232, 214))
    buffer = io.BytesIO()
    image.filter(ImageFilter.SMOOTH).save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


def _tint(share: float) -> Callable[[int], float]:
    return lambda level: 110 + level * 0.5 * share


def _decode(photo: bytes) -> Image.Image:
    try:
        with Image.open(io.BytesIO(photo)) as image:
            if image.width * image.height > MAX_PIXELS:
                raise NotAPicture("too many pixels")
            # Lets the JPEG decoder skip detail that would be thrown away below.
            image.draft("RGB", (WIDTH * 2, HEIGHT * 2))
            return _on_white(ImageOps.exif_transpose(image))
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as wrong:
        raise NotAPicture(str(wrong)) from wrong


def _on_white(image: Image.Image) -> Image.Image:
    """The picture in RGB; what is transparent in it becomes white, as in a shop."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    backdrop = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(backdrop, image.convert("RGBA")).convert("RGB")


def _scene(photo: Image.Image) -> Image.Image:
    """The still picture the camera moves over, larger than the frame by the zoom."""
    size = (round(WIDTH * _ZOOM), round(HEIGHT * _ZOOM))
    # Blurred small and then enlarged: the same look for a fraction of the work.
    small = ImageOps.fit(photo, (size[0] // 8, size[1] // 8)).filter(ImageFilter.GaussianBlur(9))
    scene = ImageEnhance.Brightness(small).enhance(0.7).resize(size, Image.Resampling.BICUBIC)
    room = (round(size[0] * _PRODUCT_SHARE), round(size[1] * _PRODUCT_SHARE))
    product = ImageOps.contain(photo, room, Image.Resampling.LANCZOS)
    scene.paste(product, ((size[0] - product.width) // 2, (size[1] - product.height) // 2))
    return scene


def _planes(scene: Image.Image) -> list[Image.Image]:
    """The scene as Y, Cb and Cr of a 4:2:0 video in BT.601 limited range.

    Moving the camera over three grey planes, two of them small, costs a third of moving it over RGB.
    """
    luma, *chroma = scene.convert("YCbCr").split()
    half = (scene.width // 2, scene.height // 2)
    squeezed = luma.point([round(16 + level * 219 / 255) for level in range(256)])
    table = [round(128 + (level - 128) * 224 / 255) for level in range(256)]
    return [squeezed, *(plane.resize(half, Image.Resampling.BOX).point(table) for plane in chroma)]


def _frames(scene: list[Image.Image], aborted: Callable[[], bool]) -> Iterator[VideoFrame]:
    last = FPS * SECONDS - 1
    for index in range(last + 1):
        if aborted():
            raise RenderAborted
        # Eased, so that the movement neither starts nor stops with a jerk.
        progress = (1 - math.cos(math.pi * index / last)) / 2
        frame = VideoFrame(WIDTH, HEIGHT, "yuv420p")
        for plane, picture in zip(frame.planes, scene, strict=True):
            view = _view(picture, (plane.width, plane.height), progress)
            # A plane's rows may be padded; cropping past the edge pads the picture alike.
            plane.update(view.crop((0, 0, plane.line_size, plane.height)).tobytes())
        frame.pts, frame.time_base = index, Fraction(1, FPS)
        yield frame


def _view(picture: Image.Image, size: tuple[int, int], progress: float) -> Image.Image:
    """What the camera sees at `progress` 0 (the whole picture) to 1 (`size` pixels of its middle, one for one)."""
    margin_x = (picture.width - size[0]) / 2 * progress
    margin_y = (picture.height - size[1]) / 2 * progress
    box = (margin_x, margin_y, picture.width - margin_x, picture.height - margin_y)
    return picture.resize(size, Image.Resampling.BILINEAR, box=box)


def _add_video(container: OutputContainer) -> VideoStream:
    stream = container.add_stream("libx264", rate=FPS)
    stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    stream.codec_context.colorspace = Colorspace.ITU601
    # One thread: the render must not take both cores of a small machine. The cap keeps a busy photo's file small.
    stream.options = {"preset": "superfast", "crf": "25", "threads": "1", "maxrate": "4M", "bufsize": "4M"}
    return stream


def _add_audio(container: OutputContainer) -> AudioStream:
    stream = container.add_stream("aac", rate=_RATE)
    stream.layout = "mono"
    stream.bit_rate = 96_000
    return stream


def _mux_video(container: OutputContainer, stream: VideoStream, frames: Iterator[VideoFrame]) -> None:
    for frame in frames:
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def _mux_audio(container: OutputContainer, stream: AudioStream) -> None:
    for index, samples in enumerate(_chord()):
        frame = AudioFrame(format="fltp", layout="mono", samples=_SAMPLES)
        frame.planes[0].update(samples)
        frame.sample_rate, frame.pts, frame.time_base = _RATE, index * _SAMPLES, Fraction(1, _RATE)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


@functools.cache
def _chord() -> tuple[bytes, ...]:
    """The chord as float samples, one block for each audio frame; computed once."""
    total = SECONDS * _RATE // _SAMPLES * _SAMPLES
    blocks = range(0, total, _SAMPLES)
    return tuple(array.array("f", [_level(n / _RATE) for n in range(at, at + _SAMPLES)]).tobytes() for at in blocks)


def _level(at: float) -> float:
    swell = math.sin(math.pi * at / SECONDS) ** 0.7
    tremolo = 1 - 0.08 * math.sin(2 * math.pi * 0.9 * at)
    return 0.5 * swell * tremolo * sum(level * math.sin(2 * math.pi * hertz * at) for hertz, level in _CHORD)
