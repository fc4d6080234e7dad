"""What the stand-ins share: time, journal and faults."""

from collections.abc import Callable
from dataclasses import dataclass, field

from sandbox.clock import Clock
from sandbox.faults import Faults
from sandbox.journal import Journal


@dataclass
class World:
    """One running sandbox, as its blueprints see it.

    `prepared_video` makes KIE serve one prepared MP4 instead of rendering each photo (load tests). `url` is set
    when the server is bound. `closers` are called, last added first, when the sandbox stops: a blueprint that starts
    threads adds one.
    """

    clock: Clock
    journal: Journal
    faults: Faults
    prepared_video: bool = False
    url: str = ""
    closers: list[Callable[[], None]] = field(default_factory=list)

    def close(self) -> None:
        """Stop everything the stand-ins started; called once, by the server."""
        # What was opened last may still use what was opened first.
        self.clock.stop()
        while self.closers:
            self.closers.pop()()
        self.journal.close()
