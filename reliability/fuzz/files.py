"""Hostile pictures and videos against `neurocards.media`: a good result or the product's own refusal, within bounds of time and memory."""

import base64
import io
import json
import resource
import tempfile
import time
import traceback
from functools import cache
from pathlib import Path
from typing import Any

from PIL import Image

from neurocards.errors import BadPhoto, BadVideo
from neurocards.media import MAX_PHOTO_BYTES, MAX_SIDE, normalise_photo, probe_video
from reliability.fuzz.boxed import boxed
from reliability.fuzz.findings import Findings, Stopwatch, Tally, megabytes
from reliability.fuzz.mutations import seeded
from reliability.fuzz.pictures import PICTURES, whole
from reliability.fuzz.videos import VIDEOS, sound_videos

MOST_SECONDS = 5.0  # of this process's own work: the machine may be busy
MOST_MEGABYTES = 800.0
# Beyond it an allocation fails, so that a bomb can't take the machine with it.
MOST_ADDRESS_SPACE = 4 << 30
VIDEO_SHARE = 0.3


def make(seed: int, number: int) -> tuple[str, str, bytes]:
    """Case `number`: 'photo' or 'video', what is wrong with it, and the file."""
    dice = seeded(seed, "files", number)
    kind, makers = ("video", VIDEOS) if dice.random() < VIDEO_SHARE else ("photo", PICTURES)
    maker = dice.choices(list(makers), list(makers.values()))[0]
    return kind, maker.__name__, maker(dice)


def check(kind: str, data: bytes) -> dict[str, Any]:
    """What the product makes of a file: `verdict`, `seconds` of work, `megabytes` at most; `error` when it was not its own refusal."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here
    before, began = megabytes(), time.process_time()
    try:
        verdict, error = (_photo(data) if kind == "photo" else _video(data)), ""
    except (BadPhoto, BadVideo) as refusal:
        verdict, error = f"refused: {str(refusal).partition(',')[0]}", ""
    except Exception:  # noqa: BLE001  what this program looks for
        verdict, error = "unhandled", traceback.format_exc()
    seconds = time.process_time() - began
    return {"verdict": verdict, "error": error, "seconds": seconds, "megabytes": _peak() - before}


def _peak() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024 / 1e6


def _photo(data: bytes) -> str:
    picture = normalise_photo(data)
    with Image.open(io.BytesIO(picture.jpeg), formats=["JPEG"]) as image:
        image.load()
        if image.size != (picture.width, picture.height) or image.mode != "RGB" or image.getexif():
            raise AssertionError(f"not as promised: {image.size} {image.mode}")
    if max(image.size) > 3 * MAX_SIDE or len(picture.jpeg) > MAX_PHOTO_BYTES:
        raise AssertionError(f"too large: {image.size}")
    return "good"


def _video(data: bytes) -> str:
    path = _folder() / "case.mp4"
    path.write_bytes(data)
    video = probe_video(path)
    with Image.open(io.BytesIO(video.thumbnail), formats=["JPEG"]) as image:
        image.load()
    return "good"


@cache
def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="neurocards-fuzz-"))


def _judge(findings: Findings, tally: Tally, number: int, result: dict[str, Any]) -> None:
    tally.counts[result["verdict"].partition(":")[0]] += 1
    tally.rss_growth_mb = max(tally.rss_growth_mb, round(result["megabytes"], 1))
    bad = {
        "unhandled": result["error"],
        "slow": f"{result['seconds']:.1f} s" if result["seconds"] > MOST_SECONDS else "",
        "violations": f"{result['megabytes']:.0f} MB" if result["megabytes"] > MOST_MEGABYTES else "",
    }
    for what, why in bad.items():
        if why:
            kind, name, data = make(findings.seed, number)
            case = {"kind": kind, "name": name, "number": number, "data": base64.b64encode(data).decode()}
            findings.add("files", tally, what, f"{why}\n{name}: {why.splitlines()[-1]}", case)


def fuzz_files(count: int, findings: Findings) -> Tally:
    """`count` files, each made and looked at in a child of this process; `rss_growth_mb` is the greatest peak of one."""
    tally, watch = Tally(), Stopwatch()
    whole(), sound_videos(), _folder()

    def work(number: int) -> str:
        resource.setrlimit(resource.RLIMIT_AS, (MOST_ADDRESS_SPACE, MOST_ADDRESS_SPACE))
        kind, _name, data = make(findings.seed, number)
        return json.dumps(check(kind, data))

    slowest = 0.0
    for number, answer, why in boxed(work, range(count)):
        died: dict[str, Any] = {"verdict": "died", "error": why, "seconds": 0.0, "megabytes": 0.0}
        result: dict[str, Any] = json.loads(answer) if answer else died
        slowest = max(slowest, result["seconds"])
        _judge(findings, tally, number, result)
    tally.counts["slowest_ms"] = round(slowest * 1000)
    tally.counts["seconds"] = round(watch.seconds)
    return tally


def replay_file(case: dict[str, Any]) -> dict[str, Any]:
    """Looks at the file of a finding again."""
    found = next(iter(boxed(lambda _: json.dumps(check(case["kind"], base64.b64decode(case["data"]))), [0])))
    return {"verdict": found[2]} if found[1] is None else dict(json.loads(found[1]))
