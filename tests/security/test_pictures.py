"""Picture bombs: small files that would take a machine's memory or minutes of its time. Each is refused, or made ready within bounds.

They are tried in a process of their own, whose memory is measured from outside what Python counts.
"""

import io
import json
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, PngImagePlugin

ROOT = Path(__file__).parents[2]
# One photo of 50 megapixels, decoded, and what the libraries need beside it.
MEGABYTES = 500
SECONDS = 10.0
REFUSALS = {"too_big", "not_image", "broken", "too_many_pixels", "too_small"}


def saved(form: str, size: tuple[int, int] = (400, 400), mode: str = "RGB", **options: Any) -> bytes:
    file = io.BytesIO()
    Image.new(mode, size, 0).save(file, form, **options)
    return file.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *chunks: bytes, pixels: bytes = b"\x00" * 1000) -> bytes:
    """A PNG that says what it likes about itself."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + chunk(b"IDAT", zlib.compress(pixels, 9)) + chunk(b"IEND", b"")
    )


def jpeg_of(width: int, height: int) -> bytes:
    """A small JPEG that says it is large."""
    data = bytearray(saved("JPEG"))
    place = data.index(b"\xff\xc0") + 5
    data[place : place + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def scans(count: int) -> bytes:
    """A progressive JPEG whose last scan comes again and again: each costs a pass over all of it."""
    data = saved("JPEG", (4000, 4000), "L", progressive=True)
    begin, end = data.rfind(b"\xff\xda"), data.rfind(b"\xff\xd9")
    return data[:end] + data[begin:end] * count + b"\xff\xd9"


def frames(form: str, count: int) -> bytes:
    pictures = [Image.new("RGB", (400, 400), (number % 256, number // 256, 0)) for number in range(count)]
    file = io.BytesIO()
    pictures[0].save(file, form, save_all=True, append_images=pictures[1:])
    return file.getvalue()


def texts() -> bytes:
    notes = PngImagePlugin.PngInfo()
    for number in range(60):
        notes.add_text(f"k{number}", "x" * 1_000_000, zip=True)
    return saved("PNG", pnginfo=notes)


ZEROS = bytes(64 * 1024 * 1024)
BOMBS: dict[str, Callable[[], bytes]] = {
    "PNG of 3.6 gigapixels": lambda: png(60_000, 60_000),
    "PNG of 4 billion a side": lambda: png(2**31 - 1, 2**31 - 1),
    "PNG one pixel high": lambda: png(50_000_000, 1),
    "PNG that is just fit": lambda: saved("PNG", (7071, 7071), "1"),
    "PNG with 64 MB for 400 pixels": lambda: png(400, 400, pixels=ZEROS),
    "PNG with 64 MB of text in one chunk": lambda: png(
        400, 400, chunk(b"zTXt", b"k\x00\x00" + zlib.compress(ZEROS, 9))
    ),
    "PNG with 60 MB of text in 60 chunks": texts,
    "PNG with 64 MB of colour profile": lambda: png(400, 400, chunk(b"iCCP", b"k\x00\x00" + zlib.compress(ZEROS, 9))),
    "PNG with a chunk of 4 GB": lambda: png(400, 400)[:33] + struct.pack(">I", 2**32 - 1) + b"tEXt",
    "PNG with 100,000 chunks": lambda: png(400, 400, *([chunk(b"tEXt", b"k\x00v")] * 100_000)),
    "moving PNG": lambda: frames("PNG", 100),
    "moving WEBP": lambda: frames("WEBP", 300),
    "JPEG of 4.3 gigapixels": lambda: jpeg_of(65_500, 65_500),
    "JPEG with 150 scans": lambda: scans(150),
    "JPEG with 20,000 scans": lambda: scans(20_000),
    "WEBP of 268 megapixels": lambda: (
        b"RIFF\x1e\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x00\x00\x00\x00\xff\x3f\x00\xff\x3f\x00VP8 \x00\x00\x00\x00"
    ),
    "TIFF under another's name": lambda: saved("TIFF", (1000, 1000)),
    "a GIF of 4 gigapixels": lambda: b"GIF89a\xff\xff\xff\xff\x00\x00\x00,\x00\x00\x00\x00\xff\xff\xff\xff\x00\x08",
    "FITS, gzipped": lambda: b"SIMPLE  =                    T" + b" " * 2850,
    "PDF with a JPEG in it": lambda: b"%PDF-1.7\n" + saved("JPEG"),
    "PostScript": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 50000 50000\n",
    "SVG that reads a file": lambda: (
        b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><svg>&f;</svg>'
    ),
    "JPEG with a ZIP behind it": lambda: saved("JPEG") + b"PK\x05\x06" + bytes(18),
    "JPEG with a page in its comment": lambda: saved("JPEG", comment=b"<script>alert(1)</script>"),
    "JPEG with 4 MB of fill bytes": lambda: b"\xff\xd8" + b"\xff" * 4_000_000,
}


def main(folder: str) -> None:
    """In the process of its own: makes each file ready and says what came of it, how long it took, and the most memory until then."""
    from neurocards.errors import BadPhoto
    from neurocards.media import normalise_photo

    normalise_photo(saved("JPEG"))
    for path in sorted(Path(folder).iterdir()):
        began = time.process_time()
        try:
            found = normalise_photo(path.read_bytes()).jpeg
            outcome = (
                "clean"
                if Image.open(io.BytesIO(found)).getexif() == {} and b"<script" not in found and b"PK\x05" not in found
                else "dirty"
            )
        except BadPhoto as refused:
            outcome = refused.reason
        print(json.dumps([path.name, outcome, time.process_time() - began, most_memory()]))


def most_memory() -> float:
    """The most that this process ever had, in MB. (What `resource` knows is inherited from whoever started it.)"""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, float, float]]:
    """What came of each bomb: a refusal or 'clean', seconds, megabytes."""
    folder = tmp_path_factory.mktemp("bombs")
    for name, make in BOMBS.items():
        (folder / name).write_bytes(make())
    command = [sys.executable, "-c", f"from tests.security.test_pictures import main; main({str(folder)!r})"]
    done = subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True, timeout=150)
    return {
        name: (outcome, seconds, memory) for name, outcome, seconds, memory in map(json.loads, done.stdout.splitlines())
    }


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_or_harmless(outcomes, name):
    outcome, seconds, memory = outcomes[name]
    assert outcome in REFUSALS | {"clean"}
    assert seconds < SECONDS
    assert memory < MEGABYTES


def test_those_that_must_be_refused_are(outcomes):
    refused = {name: outcome for name, (outcome, _, _) in outcomes.items() if outcome != "clean"}
    assert {name for name in refused if refused[name] == "too_many_pixels"} >= {
        "PNG of 3.6 gigapixels",
        "JPEG of 4.3 gigapixels",
    }
    assert {name for name in refused if refused[name] == "not_image"} >= {
        "TIFF under another's name", "a GIF of 4 gigapixels", "FITS, gzipped", "PDF with a JPEG in it", "PostScript",
        "SVG that reads a file",
    }  # fmt: skip
    # And a photo with something hidden in or behind it is only the photo afterwards
    assert not {"JPEG with a ZIP behind it", "JPEG with a page in its comment"} & set(refused)
