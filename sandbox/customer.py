"""A customer who orders videos as a person would: the demo, the tests and the benchmarks share the way through the dialogue."""

from collections.abc import Callable
from pathlib import Path

from sandbox.client import ChatMessage, User
from sandbox.local import ROOT

PHOTO = ROOT / "sandbox" / "photos" / "coffee.jpg"
TEXT = "Чашка для эспрессо с блюдцем, терракотовая керамика, 90 мл"
# What the bot says while it looks at a photo, before it edits that message into its answer.
LOOKING = "Смотрю фото"


def is_answer(message: ChatMessage) -> bool:
    """Whether the bot says this in the dialogue: its last word on something, and not a delivered video."""
    return message.from_bot and message.kind != "video" and LOOKING not in message.text


Show = Callable[[str, bool], None]  # the text, and whether the customer says it


class Customer:
    """One person and the bot's last answer to them. `show` is given each line of the dialogue."""

    def __init__(self, user: User, show: Show = lambda _text, _mine: None, patience: float = 20.0) -> None:
        self.user = user
        self.answer: ChatMessage | None = None
        self._show = show
        self._patience = patience

    def order(
        self, photo: bytes | Path = PHOTO, text: str = TEXT, template: str = "UGC-блогер", count: int = 1
    ) -> ChatMessage:
        """From /start to the confirmed order; returns the order's card."""
        self.say("/start")
        self.send(photo)
        self.say(text)
        self.tap(template)
        self.tap("Пропустить")
        self.tap(f"{count} видео")
        return self.tap("Запустить")

    def say(self, text: str) -> ChatMessage:
        """Sends a text and returns the answer."""
        self._show(text, True)
        return self.do(lambda: self.user.say(text))

    def send(self, photo: bytes | Path, caption: str | None = None) -> ChatMessage:
        """Sends a photo and returns the answer to it."""
        self._show(f"[фото {photo.name if isinstance(photo, Path) else ''}] {caption or ''}".strip(), True)
        return self.do(lambda: self.user.photo(photo, caption))

    def do(self, act: Callable[[], object]) -> ChatMessage:
        """Lets the user send whatever `act` sends, such as `user.sticker`, and returns the answer."""
        act()
        return self._answered(after=self.user.last_message_ids[-1])

    def tap(self, label: str) -> ChatMessage:
        """Presses the button of the last answer whose label contains `label`, and returns the next answer."""
        if self.answer is None:
            raise LookupError("the bot has not said anything yet")
        self._show(f"нажимает «{next((text for text in self.answer.labels if label in text), label)}»", True)
        self.user.tap(self.answer, label)
        return self._answered(after=self.answer.id - 1)

    def video(self, patience: float = 60.0) -> ChatMessage:
        """The newest video in the chat, as soon as there is one."""
        return self.user.wait(lambda shown: shown.from_bot and shown.kind == "video", patience)

    def show(self, message: ChatMessage) -> None:
        """Shows a message of the bot."""
        kind = "" if message.kind == "text" else f"[{message.kind}]\n"
        rows = "\n".join("  ".join(f"[ {label} ]" for label, _ in row) for row in message.buttons)
        self._show(f"{kind}{message.text}\n{rows}".strip(), False)

    def _answered(self, after: int) -> ChatMessage:
        # The buttons of an older question may be taken off late: that edit answers nothing, nor does a video that gets ready.
        self.answer = self.user.wait(lambda shown: shown.id > after and is_answer(shown), self._patience, fresh=True)
        self.show(self.answer)
        return self.answer
