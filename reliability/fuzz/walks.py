"""Customers who press whatever they see and send whatever they have: each step is answered, and no road ends."""

import io
from collections.abc import Callable
from functools import cache
from random import Random
from typing import Any

from PIL import Image

from neurocards import maintenance
from reliability.crash_sweep.elapse import let_pass, until_next
from reliability.fuzz.findings import Findings, Stopwatch, Tally
from reliability.fuzz.mutations import WORDS, seeded
from reliability.fuzz.pictures import rubbish, whole
from reliability.fuzz.system import System
from sandbox.client import ChatMessage, User

STEPS = 30
SIDE_BY_SIDE = 40
FIRST_WALKER = 1_000_000
# Time passes that often, so that orders come to their ends.
PAUSE_EVERY = 6
COMMANDS = ("/start", "/balance", "/history", "/cancel", "/help", "/language", "/nothing", "/start x")
TEXTS = (
    "Кружка для эспрессо, терракота, 90 мл",
    "ок",
    "Мягкий свет, крупный план чашки на столе",
    "<b>&",
    "a" * 2100,
    *WORDS,
)
ANSWERS = ("message", "edit", "callback_answer")


@cache
def _large() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (1600, 2400), "teal").save(file, "PNG")
    return file.getvalue()


class Walker:
    """One customer. `trace` is what they did; `seen` the number of the last event in their chat."""

    def __init__(self, user: User, dice: Random) -> None:
        self.user = user
        self.trace: list[str] = []
        self.seen = 0
        self._dice = dice

    def step(self, chat: list[ChatMessage]) -> None:
        """Does something at random."""
        buttons = [(shown, data) for shown in chat[-12:] if shown.from_bot for row in shown.buttons for _, data in row]
        if buttons and self._dice.random() < 0.6:
            # The newest question oftener than the others.
            newest = [pair for pair in buttons if pair[0].id == buttons[-1][0].id]
            shown, data = self._dice.choice(newest if self._dice.random() < 0.7 else buttons)
            self.trace.append(f"tap {shown.id} {data}")
            self.user.tap(shown, data=data)
            return
        action = self._dice.choice(
            (
                self._say,
                self._say,
                self._command,
                self._photo,
                self._photo,
                self._file,
                self._stray,
                self._edit,
                self._forge,
            )
        )
        self.trace.append(action.__name__.strip("_"))
        action(chat)

    def _say(self, _chat: list[ChatMessage]) -> None:
        text = self._dice.choice(TEXTS if self._dice.random() < 0.4 else TEXTS[:5])
        # People's apps send no text that isn't there, and no half characters.
        self.user.say(text.encode(errors="ignore").decode().replace("\0", "")[:4096].strip() or "x")

    def _command(self, _chat: list[ChatMessage]) -> None:
        self.user.say(self._dice.choice(COMMANDS))

    def _photo(self, _chat: list[ChatMessage]) -> None:
        caption = self._dice.choice((None, None, "Кружка 90 мл", "к"))
        if self._dice.random() < 0.2:
            self.user.album([whole()["jpeg"]] * self._dice.choice((2, 3)), caption)
        else:
            self.user.photo(self._dice.choice((whole()["jpeg"], _large())), caption)

    def _file(self, _chat: list[ChatMessage]) -> None:
        name = self._dice.choice(list(whole()))
        content = rubbish(self._dice)[:5000] if self._dice.random() < 0.3 else whole()[name]
        self.user.document(
            content or b"x",
            self._dice.choice(("a.jpg", "a.heic", "price.xlsx", "фото.png")),
            self._dice.choice(("image/jpeg", "application/pdf")),
        )

    def _stray(self, _chat: list[ChatMessage]) -> None:
        self._dice.choice((self.user.sticker, self.user.voice, self.user.location))()

    def _edit(self, chat: list[ChatMessage]) -> None:
        mine = [shown for shown in chat if not shown.from_bot and shown.kind == "text"]
        if mine:
            self.user.edit(self._dice.choice(mine).id, f"исправлено {self._dice.random()}")
        else:
            self.user.sticker()

    def _forge(self, chat: list[ChatMessage]) -> None:
        theirs = [shown for shown in chat if shown.from_bot]
        data = self._dice.choice(
            ("v1:run:1:1", "v1:cancel:1", "v1:file:1", "v1:older:3", "v1:new", "v1:go:1:confirm", "rubbish")
        )
        if theirs:
            self.user.tap(self._dice.choice(theirs), data=data, forged=True)
        else:
            self.user.sticker()

    def answered(self) -> bool:
        """Whether the bot has said or shown something since the last step."""
        events = self.user.events(self.seen)
        self.seen = events[-1]["n"] if events else self.seen
        return any(event["kind"] in ANSWERS for event in events)


class Walks:
    """Walks side by side, all in step."""

    def __init__(self, system: System, findings: Findings) -> None:
        self._system, self._findings, self.tally = system, findings, Tally()
        self._walkers: list[Walker] = []
        self._intake = system.intake(self._found)

    def _found(self, kind: str, why: str, _update: int | None) -> None:
        self._findings.add(
            "walks",
            self.tally,
            kind,
            why,
            {"numbers": self._numbers, "traces": [walker.trace for walker in self._walkers]},
        )

    def run(self, numbers: range | list[int]) -> Tally:
        """The walks of these numbers."""
        watch = Stopwatch()
        for begin in range(0, len(numbers), SIDE_BY_SIDE):
            self._together(list(numbers[begin : begin + SIDE_BY_SIDE]))
        self._intake.close()
        self.tally.counts.update(
            walks=len(numbers), seconds=round(watch.seconds), slowest_ms=round(self._intake.slowest * 1000)
        )
        return self.tally

    def _together(self, numbers: list[int]) -> None:
        self._numbers = numbers
        self._walkers = [self._walker(number) for number in numbers]
        self._all(lambda walker: walker.user.say("/start"))
        for step in range(STEPS):
            self._all(lambda walker: walker.step(walker.user.chat()))
            if step % PAUSE_EVERY == PAUSE_EVERY - 1:
                self._work()
        self._all(lambda walker: walker.user.say("/start"))
        for walker in self._walkers:
            if not walker.user.chat()[-1].buttons:
                self._found("violations", f"a dead end: {walker.user.chat()[-1]}", None)
        self._work()
        for broken in self._system.broken():
            self._found("violations", broken, None)

    def _walker(self, number: int) -> Walker:
        user = self._system.client.user(id=FIRST_WALKER + number, language_code="en" if number % 7 == 0 else "ru")
        return Walker(user, seeded(self._findings.seed, "walks", number))

    def _all(self, act: Callable[[Walker], object]) -> None:
        for walker in self._walkers:
            act(walker)
        self._intake.poll()
        self.tally.counts["steps"] += len(self._walkers)
        for walker in self._walkers:
            if not walker.answered():
                self._found("violations", f"no answer to {walker.trace[-1:]}: {walker.user.chat()[-1]}", None)

    def _work(self) -> None:
        """Orders come on, as far as they do in some minutes."""
        for _ in range(3):
            self._system.worker.drain()
            let_pass(until_next())
            maintenance.beat(self._system.worker.app)
            maintenance.wake(self._system.worker.app, 1.0)
        for walker in self._walkers:
            walker.answered()


def fuzz_walks(count: int, findings: Findings, system: System) -> Tally:
    """`count` walks of STEPS steps."""
    return Walks(system, findings).run(range(count))


def replay_walks(case: dict[str, Any], findings: Findings, system: System) -> Tally:
    """The walks of a finding again, side by side as they were."""
    return Walks(system, findings).run(case["numbers"])
