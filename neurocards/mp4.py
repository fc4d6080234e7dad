"""What an MP4 says of itself, read before a decoder believes it: a table of a few bytes can claim more than memory holds."""

from collections.abc import Iterator
from typing import BinaryIO

from neurocards.errors import BadVideo

# A decoder makes room for as many samples as a table claims, some 80 bytes each. Uncompressed sound has the most: 48,000 a second.
MAX_SAMPLES = 2_000_000
MAX_BOXES, MAX_DEPTH = 10_000, 10

# Boxes of an MP4 that hold others, and those that say how many samples there are: where in them.
_HOLDERS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"udta", b"mvex", b"moof", b"traf", b"wave"}
_COUNT_AT = {b"stsz": 8, b"stz2": 8, b"trun": 4}


def check_tables(file: BinaryIO, size: int) -> None:
    """Raises BadVideo for a file of `size` bytes that claims more samples, or has more boxes, than a video of ours."""
    samples = 0
    for number, (kind, body) in enumerate(_boxes(file, 0, size)):
        if kind in _COUNT_AT:
            file.seek(body + _COUNT_AT[kind])
            samples += int.from_bytes(file.read(4))
        if samples > MAX_SAMPLES or number > MAX_BOXES:
            raise BadVideo("not a video")


def _boxes(file: BinaryIO, begin: int, end: int, depth: int = 0) -> Iterator[tuple[bytes, int]]:
    """Kind and place of the body of each box, those inside others too."""
    while begin + 8 <= end:
        file.seek(begin)
        head = file.read(16)
        length, kind, body = int.from_bytes(head[:4]), head[4:8], begin + 8
        if length == 1:
            length, body = int.from_bytes(head[8:]), begin + 16
        # Nothing means: to the end.
        stop = min(begin + length, end) if length else end
        if stop < body:
            return
        yield kind, body
        if kind in _HOLDERS and depth < MAX_DEPTH:
            yield from _boxes(file, body, stop, depth + 1)
        begin = stop
