"""Videos as no provider should send them: cut, with lying tables, of odd codecs, without pictures, or not videos at all."""

import io
import struct
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from random import Random
from typing import Any

import av
from PIL import Image

from reliability.fuzz.pictures import DAMAGE, GARBAGE, whole

# Boxes with tables in them: their counts are what a reader allocates by.
TABLES = (
    b"stsz",
    b"stts",
    b"stsc",
    b"stco",
    b"stss",
    b"ctts",
    b"elst",
    b"tkhd",
    b"mvhd",
    b"mdhd",
    b"hdlr",
    b"stsd",
    b"dref",
    b"avcC",
    b"udta",
    b"trak",
    b"mdia",
    b"moov",
)


@cache
def sound_videos() -> dict[str, bytes]:
    """A short sound file of several kinds."""
    kinds = {
        "h264": _made("mp4", "libx264", (180, 320)),
        "h264 fragmented": _made("mp4", "libx264", (180, 320), {"movflags": "frag_keyframe+empty_moov"}),
        "mpeg4": _made("mp4", "mpeg4", (180, 320)),
        "mjpeg": _made("mp4", "mjpeg", (180, 320)),
        "tiny": _made("mp4", "libx264", (32, 32)),
        "webm": _made("webm", "libvpx", (180, 320)),
        "avi": _made("avi", "mpeg4", (180, 320)),
    }
    return {**kinds, "audio only": _tone(), "no frames": _made("mp4", "libx264", (180, 320), frames=0)}


def _made(
    form: str, codec: str, sides: tuple[int, int], options: dict[str, str] | None = None, frames: int = 24
) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format=form, options=options or {}) as container:
        stream: Any = container.add_stream(codec, rate=24)
        stream.width, stream.height = sides
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for number in range(frames):
            image = Image.new("RGB", sides, (number * 9 % 256, 90, 120))
            container.mux(stream.encode(av.VideoFrame.from_image(image)))
        container.mux(stream.encode(None))
    return file.getvalue()


def _tone() -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=44_100, layout="mono")
        for number in range(40):
            frame = av.AudioFrame(format="fltp", layout="mono", samples=1024)
            for plane in frame.planes:
                plane.update(bytes(plane.buffer_size))
            frame.sample_rate, frame.pts, frame.time_base = 44_100, number * 1024, Fraction(1, 44_100)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def sound_video(dice: Random) -> bytes:
    """One that nothing is wrong with, though it may not be what was ordered."""
    return dice.choice(list(sound_videos().values()))


def damaged_video(dice: Random) -> bytes:
    """A sound one with damage."""
    data = sound_video(dice)
    for _ in range(dice.choice((1, 1, 2))):
        data = dice.choice(DAMAGE)(data, dice) if data else data
    return data


def lying_table(dice: Random) -> bytes:
    """Numbers in one of its tables replaced: counts, sizes, times, offsets."""
    data = bytearray(sound_video(dice))
    for _ in range(dice.choice((1, 1, 3))):
        found = [at for box in TABLES if (at := data.find(box)) > 0]
        if found:
            place = dice.choice(found) + dice.choice((-4, 4, 8, 12, 16, 20, 24))
            lie = dice.choice((0, 1, 2**16, 10**6, 10**8, 2**31 - 1, 2**31, 2**32 - 1, dice.randrange(2**32)))
            data[place : place + 4] = struct.pack(">I", lie)
    return bytes(data)


def samples_without_end(dice: Random) -> bytes:
    """A table that claims millions of pictures of one size, in one piece."""
    data = bytearray(sound_videos()["h264"])
    count = dice.choice((10**6, 10**7, 10**8, 2**32 - 1))
    size, chunks, times = data.index(b"stsz"), data.index(b"stsc"), data.index(b"stts")
    data[size + 8 : size + 16] = struct.pack(">II", 1, count)
    data[chunks + 16 : chunks + 20] = struct.pack(">I", min(count, 2**31 - 1))
    data[times + 12 : times + 16] = struct.pack(">I", count)
    return bytes(data)


def atom(dice: Random) -> bytes:
    """An atom of an absurd size behind a sound beginning."""
    kind = dice.choice((b"moov", b"mdat", b"free", b"moof", b"sidx", b"uuid", b"meta"))
    head = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom"
    size = dice.choice((struct.pack(">I", 0), struct.pack(">I", 2**32 - 1), struct.pack(">I", 7), struct.pack(">I", 1)))
    nested = b"".join(struct.pack(">I", 8 * n) + b"moov" for n in range(3000, 0, -1))
    return dice.choice((head + size + kind + b"\xff" * 8, head + size + kind + sound_video(dice), head + nested))


def no_video(dice: Random) -> bytes:
    """Something else under a video's name."""
    playlist = b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"
    page = b"<!doctype html><html><body>Access denied</body></html>"
    return dice.choice(
        (b"", b"\0" * 1000, playlist, page, b"ffconcat version 1.0\nfile /etc/passwd\n", *GARBAGE, *whole().values())
    )


# With how often each comes among a thousand.
VIDEOS: dict[Callable[[Random], bytes], int] = {
    sound_video: 50, damaged_video: 500, lying_table: 350, samples_without_end: 10, atom: 50, no_video: 40,
}  # fmt: skip
