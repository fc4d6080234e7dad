"""Values gone wrong: what a JSON document becomes when a field is lost, doubled, of another type, huge, or deep."""

import json
import re
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

Json = Any
Path = tuple[str | int, ...]

# A list that deep can't be made as a value without tiring the encoder: it is put into the text afterwards.
_DEEP = re.compile(r'"@deep:(\d+)@"')
_HALVES = re.compile("[\ud800-\udfff]")
_MEGABYTE = 1 << 20

NUMBERS: tuple[float, ...] = (
    0, -0.0, 1, -1, 0.5, 255, 256, 2**31 - 1, 2**31, 2**32, 2**53, 2**53 + 1, 2**63 - 1, 2**63, 2**64, -(2**31) - 1,
    -(2**63), -(2**63) - 1, 10**30, 10**400, -(10**400), 1e308, -1e308, 5e-324, float("nan"), float("inf"), float("-inf"),
)  # fmt: skip
WORDS: tuple[str, ...] = (
    "", " ", "\n", "\0", "a\0b", "\ud800", "\udfff\ud83d", "\ufffe\uffff", "\u202eкружка\u202c", "\u200f\u200e", "\u2028",
    "🧑🏽‍🚀" * 20, "é" + "\u0301" * 300, "ﷺ" * 100, "<b>", "</a><a href='x'>", "&lt;&#0;&", "<b><i>a</b></i>", "{0}{x}{{", "%s%n%d",
    "{ $name }", "'; DROP TABLE users;--", "../../etc/passwd", "file:///etc/passwd", "http://127.0.0.1:1/", "NaN", "null",
    "-1", "7", "1e999", "９９", "²", "true", "/start", "/start " + "x" * 64, "/start@neurocards_bot", "/cancel", "/" + "a" * 4000,
    "v1:new", "v1:drop:1", "v1:run:1:1", "image/jpeg", "private", "group", "en", "\x7f\x80\x9f", "\ufeffк", "a" * 63 + "я", "1" * 5000,
    *("я" * length for length in (1, 2, 3, 64, 65, 255, 256, 500, 501, 1024, 1025, 2000, 2001, 3999, 4000, 4096, 4097)),
)  # fmt: skip
HUGE: tuple[str, ...] = ("x" * _MEGABYTE, " " * _MEGABYTE, "я \n" * 300_000, "&<>" * 300_000, "a " * 200_000 + "!")
OTHERS: tuple[Json, ...] = (None, True, False, [], {}, [[]], [None], {"": {}}, [{}], ["a", 1], {"id": None})


def seeded(*names: object) -> Random:
    """A source of chance of its own for whatever the names say: the same names, the same chance."""
    return Random(":".join(map(str, names)))  # noqa: S311  chance to be repeated is wanted


def hostile(dice: Random) -> Json:
    """A value that hardly any field expects."""
    kind = dice.random()
    if kind < 0.35:
        return dice.choice(NUMBERS)
    if kind < 0.8:
        return dice.choice(WORDS)
    if kind < 0.802:
        return dice.choice(HUGE)
    if kind < 0.81:
        return f"@deep:{dice.choice((50, 300, 900, 5000, 100_000))}@"
    return copy(dice.choice(OTHERS))


def encoded(value: Json, dice: Random, deepest: int = 100_000) -> str:
    """The value as JSON text, in one of the spellings there are, lists in lists at most `deepest`."""
    text = json.dumps(value, ensure_ascii=dice.random() < 0.5, separators=dice.choice(((",", ":"), (", ", ": "))))

    def deep(found: re.Match[str]) -> str:
        depth = min(int(found[1]), deepest)
        return "[" * depth + "]" * depth

    # Half a surrogate pair has no bytes of its own.
    return _DEEP.sub(deep, _HALVES.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


def paths(value: Json, so_far: Path = ()) -> list[Path]:
    """The way to everything inside the value."""
    inside: Sequence[tuple[str | int, Json]] = ()
    if isinstance(value, dict):
        inside = list(value.items())
    elif isinstance(value, list):
        inside = list(enumerate(value))
    return [path for key, part in inside for path in ((*so_far, key), *paths(part, (*so_far, key)))]


def copy(value: Json) -> Json:
    """The same again, with nothing shared."""
    return json.loads(json.dumps(value))


def mutated(value: Json, dice: Random, times: int, foreign: Sequence[Json] = ()) -> Json:
    """A copy of the value with `times` things wrong with it; `foreign` are documents to take parts from."""
    value = copy(value)
    for _ in range(times):
        ways = paths(value)
        if not ways:
            break
        dice.choice(_MUTATIONS)(value, dice.choice(ways), dice, foreign)
    return value


def _holder(value: Json, path: Path) -> Json:
    for key in path[:-1]:
        value = value[key]
    return value


def _lose(value: Json, path: Path, _dice: Random, _foreign: Sequence[Json]) -> None:
    del _holder(value, path)[path[-1]]


def _spoil(value: Json, path: Path, dice: Random, _foreign: Sequence[Json]) -> None:
    _holder(value, path)[path[-1]] = hostile(dice)


def _wrap(value: Json, path: Path, dice: Random, _foreign: Sequence[Json]) -> None:
    holder, last = _holder(value, path), path[-1]
    old = holder[last]
    retyped: Callable[[], Json] = dice.choice(
        (
            lambda: [old],
            lambda: {"value": old},
            lambda: str(old),
            lambda: [copy(old) for _ in range(300)],
            lambda: json.dumps(old),
        )
    )
    holder[last] = retyped()


def _add(value: Json, path: Path, dice: Random, _foreign: Sequence[Json]) -> None:
    holder = _holder(value, path)
    if isinstance(holder, dict):
        holder[dice.choice(("hologram", "", "id", "type", "from", "__class__", "self", "\ud800"))] = hostile(dice)
    else:
        holder.insert(0, hostile(dice))


def _exchange(value: Json, path: Path, dice: Random, _foreign: Sequence[Json]) -> None:
    other = dice.choice(paths(value))
    # A thing can't be put inside itself.
    if path[: len(other)] != other and other[: len(path)] != path:
        one, two = _holder(value, path), _holder(value, other)
        one[path[-1]], two[other[-1]] = two[other[-1]], one[path[-1]]


def _graft(value: Json, path: Path, dice: Random, foreign: Sequence[Json]) -> None:
    donor = dice.choice(foreign) if foreign else value
    ways = paths(donor)
    if ways:
        way = dice.choice(ways)
        part = copy(_holder(donor, way)[way[-1]])
        holder = _holder(value, path)
        if isinstance(holder, dict) and isinstance(way[-1], str):
            holder[way[-1]] = part
        else:
            holder[path[-1]] = part


_MUTATIONS = (_lose, _lose, _spoil, _spoil, _spoil, _spoil, _wrap, _add, _exchange, _graft)
