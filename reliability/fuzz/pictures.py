"""Pictures that nobody's camera makes: cut, flipped, glued together, lying about their size, or far larger than they look."""

import io
import struct
import zlib
from collections.abc import Callable
from functools import cache
from random import Random

import pillow_heif
from PIL import Image, ImageCms

SIDES = (300, 260)
PNG = b"\x89PNG\r\n\x1a\n"
# As much as Telegram lets a bot fetch.
MOST_BYTES = 20 * 1024 * 1024
GARBAGE = (
    b"\0",
    b"\xff",
    b"<html><script>alert(1)</script>",
    b"PK\3\4",
    b"%PDF-1.7",
    b"GIF89a",
    b"#!/bin/sh\n",
    b"<?xml version='1.0'?><svg/>",
)


@cache
def whole() -> dict[str, bytes]:
    """A sound picture of every kind that is at hand, each small."""
    image = Image.frombytes("RGB", (60, 52), Random(1).randbytes(60 * 52 * 3)).resize(SIDES)  # noqa: S311  always the same
    kinds: dict[str, tuple[Image.Image, str, dict[str, object]]] = {
        "jpeg": (image, "JPEG", {"exif": _exif(6), "icc_profile": _srgb()}),
        "jpeg progressive": (image, "JPEG", {"progressive": True}),
        "jpeg grey": (image.convert("L"), "JPEG", {}),
        "jpeg cmyk": (image.convert("CMYK"), "JPEG", {}),
        "png": (image, "PNG", {"icc_profile": _srgb()}),
        "png rgba": (image.convert("RGBA"), "PNG", {}),
        "png palette": (image.convert("P"), "PNG", {"transparency": 3}),
        "png 1 bit": (image.convert("1"), "PNG", {}),
        "png 16 bit": (Image.frombytes("I;16", SIDES, image.convert("LA").tobytes()), "PNG", {}),
        "png grey alpha": (image.convert("LA"), "PNG", {}),
        "apng": (image, "PNG", _frames(image, 5)),
        "webp": (image, "WEBP", {"exif": _exif(8)}),
        "webp lossless": (image.convert("RGBA"), "WEBP", {"lossless": True}),
        "webp animated": (image, "WEBP", _frames(image, 4)),
        "gif animated": (image, "GIF", _frames(image, 4)),
        "tiff": (image, "TIFF", {"compression": "tiff_lzw"}),
        "bmp": (image, "BMP", {}),
        "ico": (image, "ICO", {}),
        "avif": (image, "AVIF", {}),
    }
    made = {name: _saved(*how) for name, how in kinds.items()}
    heif = io.BytesIO()
    pillow_heif.from_pillow(image).save(heif)
    return {**made, "heic": heif.getvalue()}


def _frames(image: Image.Image, count: int) -> dict[str, object]:
    return {"save_all": True, "append_images": [image.rotate(90 * n) for n in range(1, count)], "duration": 20}


def _saved(image: Image.Image, form: str, options: dict[str, object]) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def _exif(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


@cache
def _srgb() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


# Damage that fits any file -------------------------------------------------------------------------------------------


def cut(data: bytes, dice: Random) -> bytes:
    """The beginning of it, of any length."""
    ends = (dice.randrange(len(data)), dice.randrange(min(64, len(data))), len(data) - dice.randrange(1, 16))
    return data[: max(0, dice.choice(ends))]


def flipped(data: bytes, dice: Random) -> bytes:
    """Some of its bytes changed, oftener near its beginning, where the structure is."""
    spoilt = bytearray(data)
    within = dice.choice((64, 512, len(data), len(data)))
    for _ in range(dice.choice((1, 1, 2, 5, 50))):
        spoilt[dice.randrange(min(within, len(spoilt)))] = dice.choice((0, 0xFF, 0x7F, 0x80, dice.randrange(256)))
    return bytes(spoilt)


def moved(data: bytes, dice: Random) -> bytes:
    """A piece of it lost, doubled, blanked, or in another place."""
    begin = dice.randrange(len(data))
    end = min(len(data), begin + dice.choice((1, 4, 16, 200, 5000)))
    piece, place = data[begin:end], dice.randrange(len(data))
    without = data[:begin] + data[end:]
    return dice.choice(
        (
            without,
            data[:end] + piece * 3 + data[end:],
            data[:begin] + bytes(len(piece)) + data[end:],
            without[:place] + piece + without[place:],
        )
    )


def glued(data: bytes, dice: Random) -> bytes:
    """Something else before it, after it, or in place of its first bytes."""
    other = dice.choice((*GARBAGE, *whole().values()))
    return dice.choice((data + other, other + data, other[:12] + data[12:], data[:12] + other[12:], data[:200] + other))


DAMAGE: tuple[Callable[[bytes, Random], bytes], ...] = (cut, flipped, flipped, moved, glued)


# Pictures with an intention -------------------------------------------------------------------------------------------


def chunk(kind: bytes, body: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, depth: int, colour: int, pixels: bytes, *more: bytes) -> bytes:
    """A PNG whose header says what it likes; `pixels` are compressed already."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return PNG + chunk(b"IHDR", header) + b"".join(more) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def nothing_but_size(dice: Random) -> bytes:
    """A PNG that claims a great size and has next to no pixels."""
    side = dice.choice((200, 7071, 20_000, 65_535, 2**31 - 1, 2**32 - 1, 0))
    return png(
        side, dice.choice((side, 300, 1)), dice.choice((1, 8, 16)), dice.choice((0, 2, 3, 6)), zlib.compress(b"\0" * 64)
    )


def real_bomb(dice: Random) -> bytes:
    """A PNG of a few kilobytes that really has its many pixels, just within the limit or far beyond it."""
    width, depth, colour = dice.choice(
        ((7000, 8, 2), (7000, 8, 6), (7000, 16, 0), (7000, 16, 6), (30_000, 1, 0), (20_000, 8, 2))
    )
    bits = depth * {0: 1, 2: 3, 6: 4}[colour]
    line = bytes(1 + (width * bits + 7) // 8)
    packer, height = zlib.compressobj(9), min(width, 7000)
    packed = b"".join([*(packer.compress(line) for _ in range(height)), packer.flush()])
    return png(width, width, depth, colour, packed)


def text_bomb(dice: Random) -> bytes:
    """A PNG with compressed texts or a colour profile of which nothing says how large they are."""
    bomb = zlib.compress(bytes(dice.choice((1, 30, 100)) * 1_000_000))
    kinds = (b"zTXt", b"k\0\0" + bomb), (b"iTXt", b"k\0\1\0\0\0" + bomb), (b"iCCP", b"p\0\0" + bomb)
    kind, body = dice.choice(kinds)
    return _with_chunks(chunk(kind, body) * dice.choice((1, 3)))


def many_chunks(dice: Random) -> bytes:
    """A PNG with thousands of chunks before its pixels."""
    return _with_chunks(
        chunk(dice.choice((b"tEXt", b"sPLT", b"abCd", b"eXIf", b"PLTE", b"tRNS")), b"k\0" + b"v" * 40) * 20_000
    )


def _with_chunks(chunks: bytes) -> bytes:
    line = b"\0" + bytes(300 * 3)
    return png(300, 300, 8, 2, zlib.compress(line * 300), chunks)


def exif_garbage(dice: Random) -> bytes:
    """A photo whose metadata say nonsense: rotations there are not, endless lists, offsets to nowhere or to themselves."""
    tag = struct.pack(
        "<HHII",
        dice.choice((0x0112, 0x8769, 0x0201)),
        dice.randrange(16),
        dice.choice((0, 1, 2**32 - 1)),
        dice.choice((0, 8, 9, 2**32 - 1)),
    )
    body = (
        b"II*\0" + struct.pack("<I", dice.choice((8, 0, 2**32 - 1))) + struct.pack("<H", dice.choice((1, 65_535))) + tag
    )
    return _jpeg(b"Exif\0\0" + dice.choice((body, body + struct.pack("<I", 8), dice.randbytes(200))), 0xE1)


def profile_garbage(dice: Random) -> bytes:
    """A photo with a colour profile that is none, cut, or of another kind."""
    sound = _srgb()
    profile = dice.choice((dice.randbytes(400), sound[: dice.randrange(len(sound))], flipped(sound, dice), b""))
    if dice.random() < 0.5:
        return _jpeg(b"ICC_PROFILE\0\1\1" + profile, 0xE2)
    return _with_chunks(chunk(b"iCCP", b"p\0\0" + zlib.compress(profile)))


def _jpeg(segment: bytes, marker: int) -> bytes:
    sound = whole()["jpeg progressive"]
    return sound[:2] + bytes((0xFF, marker)) + struct.pack(">H", len(segment) + 2) + segment + sound[2:]


def jpeg_of_size(dice: Random) -> bytes:
    """A small JPEG whose frame header claims another size."""
    data = bytearray(whole()[dice.choice(("jpeg", "jpeg progressive", "jpeg cmyk"))])
    place = next(at for at in range(len(data)) if bytes(data[at : at + 2]) in (b"\xff\xc0", b"\xff\xc2"))
    data[place + 5 : place + 9] = struct.pack(
        ">HH", *dice.choice(((7000, 7000), (65_500, 65_500), (0, 300), (1, 65_500), (300, 0)))
    )
    return bytes(data)


def many_scans(dice: Random) -> bytes:
    """A progressive JPEG that is gone over again and again, for the price of a few bytes each time."""
    data = whole()["jpeg progressive"]
    frame = data.index(b"\xff\xc2")
    side = dice.choice((300, 1500, 7000))
    head = bytearray(data[:-2])
    head[frame + 5 : frame + 9] = struct.pack(">HH", side, side)
    again = b"\xff\xda\0\x08\1\1\0\1\5\2\0\0"
    return bytes(head) + again * dice.choice((50, 1000, 20_000)) + b"\xff\xd9"


def webp_canvas(dice: Random) -> bytes:
    """An animated WEBP whose canvas is as large as the format lets it be."""
    data = bytearray(whole()["webp animated"])
    place = data.index(b"VP8X") + 12
    side = dice.choice((7000, 16_383, 2**24 - 1))
    data[place : place + 6] = struct.pack("<I", side)[:3] * 2
    return bytes(data)


def endless_boxes(dice: Random) -> bytes:
    """A HEIC whose boxes contain themselves, never end, or are many."""
    brand = b"ftyp" + dice.choice((b"heic", b"mif1", b"avif", b"heim")) + bytes(4) + b"mif1heic"
    head = struct.pack(">I", len(brand) + 4) + brand
    box = struct.pack(">I", dice.choice((0, 1, 7, 8, 2**31, 2**32 - 1))) + dice.choice(
        (b"meta", b"moov", b"iprp", b"mdat")
    )
    nested = b"".join(struct.pack(">I", 8 * n) + b"meta" for n in range(2000, 0, -1))
    return head + dice.choice((box, box * 50_000, nested, struct.pack(">I", 1) + b"meta" + b"\xff" * 8, b""))


def heic_of_size(dice: Random) -> bytes:
    """A HEIC that claims another size than its picture has."""
    data = bytearray(whole()["heic"])
    place = data.index(b"ispe") + 8
    data[place : place + 8] = struct.pack(
        ">II", *dice.choice(((7000, 7000), (2**31, 2**31), (0, 0), (200, 65_535), (201, 201)))
    )
    return bytes(data)


def long_animation(dice: Random) -> bytes:
    """A sound animation with more frames than anybody looks at."""
    image = Image.new("RGB", (200, 200), "red")
    frames = [Image.new("RGB", (200, 200), (n % 256, 0, 0)) for n in range(dice.choice((50, 200)))]
    form = dice.choice(("PNG", "WEBP", "GIF"))
    return _saved(image, form, {"save_all": True, "append_images": frames, "duration": 20})


def rubbish(dice: Random) -> bytes:
    """Bytes without sense, some behind a picture's first bytes; also none, and more than are taken."""
    head = dice.choice((b"", b"\xff\xd8\xff", PNG, b"RIFF\0\0\0\0WEBPVP8X", b"\0\0\0\x18ftypheic", b"GIF89a", b"II*\0"))
    size = dice.choice((0, 0, 1, 100, 5000, MOST_BYTES + 1 if dice.random() < 0.02 else 10))
    return head + dice.randbytes(size) if dice.random() < 0.9 else b""


def sound_picture(dice: Random) -> bytes:
    """One that nothing is wrong with."""
    return dice.choice(list(whole().values()))


def damaged_picture(dice: Random) -> bytes:
    """A sound one with damage."""
    data = dice.choice(list(whole().values()))
    for _ in range(dice.choice((1, 1, 2))):
        data = dice.choice(DAMAGE)(data, dice) if data else data
    return data


# With how often each comes among a thousand.
PICTURES: dict[Callable[[Random], bytes], int] = {
    sound_picture: 30, damaged_picture: 640, nothing_but_size: 40, real_bomb: 4, text_bomb: 20, many_chunks: 6, exif_garbage: 60,
    profile_garbage: 60, jpeg_of_size: 30, many_scans: 4, webp_canvas: 10, endless_boxes: 40, heic_of_size: 20, long_animation: 3,
    rubbish: 40,
}  # fmt: skip
