"""The sandbox's time: one knob that divides every delay, and waits that end at once when the sandbox stops."""

import threading
import time


class Clock:
    """Real time, with delays divided by `time_scale`.

    Waits made through the clock are cut short by `stop`, so that no thread outlives the sandbox.
    """

    def __init__(self, time_scale: float = 1.0) -> None:
        """Start running at `time_scale` (1 = real delays, 60 = a minute takes a second)."""
        self._stopped = threading.Event()
        self.time_scale = time_scale

    @property
    def time_scale(self) -> float:
        """The divisor of every delay; may be set while the sandbox runs."""
        return self._time_scale

    @time_scale.setter
    def time_scale(self, value: float) -> None:
        # The upper bound keeps scaled waits above the resolution of the system's timers.
        if not 0 < value <= 1_000_000:
            raise ValueError("time_scale must be above 0 and at most 1000000")
        self._time_scale = float(value)

    @property
    def stopped(self) -> bool:
        """True once the sandbox is stopping: whoever waits should leave."""
        return self._stopped.is_set()

    def now(self) -> float:
        """Unix seconds, unscaled."""
        return time.time()

    def scaled(self, seconds: float) -> float:
        """The real seconds that `seconds` of the imitated service take here."""
        return seconds / self._time_scale

    def sleep(self, seconds: float) -> None:
        """Wait `scaled(seconds)`, or until the sandbox stops."""
        self.wait_real(self.scaled(seconds))

    def wait_real(self, seconds: float) -> None:
        """Wait `seconds` of real time, or until the sandbox stops."""
        if seconds > 0:
            self._stopped.wait(seconds)

    def stop(self) -> None:
        """End every present and future wait."""
        self._stopped.set()
