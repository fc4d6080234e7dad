"""`make demo`: one customer from /start to the finished video, on real parts, printed as it goes."""

import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import av
from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from sandbox.client import ChatMessage, SandboxClient
from sandbox.customer import PHOTO, TEXT, Customer
from sandbox.guarded import ServiceError
from sandbox.local import ROOT, Local, StartFailed

# Five minutes pass in five seconds; the MP4 itself is made at the machine's own speed.
TIME_SCALE = 60.0
PATIENCE = 120.0
console = Console(highlight=False)


def run(photo: Path | None, text: str | None) -> int:
    """Plays the demo and returns the exit status; the last line names the video."""
    folder = Path(tempfile.mkdtemp(prefix="demo-", dir=_made(ROOT / "var")))
    try:
        with ExitStack() as running:
            with _progress("starting PostgreSQL, Valkey, the sandbox, the bot and a worker"):
                local = running.enter_context(Local(folder, time_scale=TIME_SCALE))
            video = _play(local, photo or PHOTO, text or TEXT, folder)
    except (StartFailed, ServiceError, TimeoutError, LookupError, OSError) as error:
        console.print(f"demo failed: {error}\nlogs: {folder}", style="red", markup=False)
        return 1
    except KeyboardInterrupt:
        shutil.rmtree(folder)
        return 130
    print(f"video: {video}")
    return 0


def _play(local: Local, photo: Path, text: str, folder: Path) -> Path:
    began = time.monotonic()
    with SandboxClient(local.sandbox.url) as client:
        anna = Customer(client.user(), _show)
        anna.order(photo, text)
        with _progress("the order is on its way"):
            message = _video(anna, local)
        anna.show(message)
        anna.show(anna.user.wait(lambda shown: "готов за" in shown.text))
        video = folder / "video.mp4"
        video.write_bytes(anna.user.download(message.media["file_id"] if message.media else ""))
    took = f"{time.monotonic() - began:.1f} s from /start at {TIME_SCALE:.0f} times real speed"
    console.print(f"{_described(video)}, {took}", soft_wrap=True)
    return video


def _video(anna: Customer, local: Local) -> ChatMessage:
    """The video; a part of the system that dies meanwhile, or an order that fails, is an error at once."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        local.check()
        with suppress(TimeoutError):
            return anna.video(patience=1.0)
    raise StartFailed("no video came; the chat:\n" + "\n".join(map(str, anna.user.chat())))


def _show(text: str, mine: bool) -> None:
    title, colour = ("Анна", "cyan") if mine else ("бот", "green")
    panel = Panel(Text(text), title=title, title_align="left", width=66, border_style=colour)
    console.print(panel, justify="right" if mine else "left")


def _described(video: Path) -> str:
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        seconds = (container.duration or 0) / av.time_base
        sound = "with sound" if container.streams.audio else "without sound"
        return f"a playable MP4: {stream.width}x{stream.height}, {seconds:.1f} s, {sound}, {video.stat().st_size / 1e6:.1f} MB"


def _made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder


@contextmanager
def _progress(what: str) -> Iterator[None]:
    if sys.stdout.isatty():
        with console.status(what):
            yield
    else:
        console.print(f"... {what}")
        yield
