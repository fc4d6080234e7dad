"""The one place where TIME_SCALE divides: every delay, deadline and poll interval passes through here.

Heartbeats, leases and HTTP timeouts are not scaled: they are about machines that run at their own speed.
"""

from peewee import SQL

_scale = 1.0


def set_scale(scale: float) -> None:
    """Makes every delay `scale` times shorter. Called once, where a process begins."""
    global _scale  # noqa: PLW0603  one value a process, like the database it belongs to
    _scale = scale


def scaled(seconds: float) -> float:
    """The real seconds that stand for `seconds` of the product's time."""
    return seconds / _scale


def unscaled(seconds: float) -> float:
    """The product's seconds that `seconds` of real time stand for."""
    return seconds * _scale


def after(seconds: float) -> SQL:
    """The database's time `seconds` (of the product's time) from now."""
    return in_real(scaled(seconds))


def in_real(seconds: float) -> SQL:
    """The database's time in `seconds` of real time; negative: that long ago."""
    return SQL("(now() + %s * interval '1 second')", [seconds])


def interval(seconds: float) -> SQL:
    """A span of real time, to be added to a column."""
    return SQL("(%s * interval '1 second')", [seconds])
