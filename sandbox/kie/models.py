"""The models this KIE knows, with the strict types, enums and limits of their inputs.

The tables state what reference material shows KIE to accept; a model whose field names or types differ from its
sisters' is the usual reason for a refused task, so nothing is converted here: "5" is not 5.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MODEL_UNKNOWN = (
    "The model name you specified is not supported. "
    "Please verify your input and use one of the supported models provided by KIE."
)


# The codes and the first two texts of the checks below are on record; the other wordings are made up in their manner.
class Refused(Exception):
    """KIE answers `code` and `msg` in place of making a task."""

    def __init__(self, code: int, msg: str) -> None:
        """`code` goes into the body's `code`, `msg` into its `msg`."""
        super().__init__(msg)
        self.code, self.msg = code, msg


@dataclass(frozen=True)
class Text:
    """A string of `low` to `high` characters, or one of `choices`."""

    required: bool = False
    low: int = 0
    high: int = 20_000
    choices: tuple[str, ...] = ()

    def check(self, name: str, value: object) -> None:
        """Raise Refused unless `value` fits."""
        if not isinstance(value, str):
            raise Refused(500, f"{name} must be a string")
        if self.choices and value not in self.choices:
            raise Refused(500, f"{name} is not within the range of allowed options")
        if self.required and not value:
            raise Refused(500, f"{name} is required")
        if not self.choices and not self.low <= len(value) <= self.high:
            raise Refused(500, f"The length of {name} must be between {self.low} and {self.high} characters")


@dataclass(frozen=True)
class Number:
    """A JSON number from `low` to `high`; a whole one when `whole`."""

    low: float
    high: float
    whole: bool = True
    required: bool = False

    def check(self, name: str, value: object) -> None:
        """Raise Refused unless `value` fits; true and "5" are no numbers."""
        if isinstance(value, bool) or not isinstance(value, (int, float)) or (self.whole and value != int(value)):
            raise Refused(500, f"{name} must be {'an integer' if self.whole else 'a number'}")
        if not self.low <= value <= self.high:
            raise Refused(500, f"{name} is not within the range of allowed options")


@dataclass(frozen=True)
class Flag:
    """A JSON boolean."""

    required: bool = False

    def check(self, name: str, value: object) -> None:
        """Raise Refused unless `value` is true or false."""
        if not isinstance(value, bool):
            raise Refused(500, f"{name} must be a boolean")


@dataclass(frozen=True)
class Urls:
    """Picture addresses: a list of 1 to `high`, or with `single` one plain string."""

    high: int = 1
    required: bool = False
    single: bool = False

    def check(self, name: str, value: object) -> None:
        """Raise Refused unless `value` fits; whether the pictures can be fetched shows only when the task runs."""
        urls = [value] if self.single else value
        if not isinstance(urls, list) or not all(isinstance(url, str) for url in urls):
            raise Refused(500, f"{name} must be {'a string' if self.single else 'an array of strings'}")
        if len(urls) > self.high:
            raise Refused(400, f"The number of image URLs must not exceed {self.high}")
        if self.required and not all([urls, *urls]):
            raise Refused(500, f"{name} is required")
        if not all(url.startswith(("http://", "https://")) for url in urls):
            raise Refused(422, f"{name} is not a valid URL")


Field = Text | Number | Flag | Urls


@dataclass(frozen=True)
class Pictures:
    """What pictures a model takes; a task with another kind fails after a while."""

    formats: tuple[str, ...] = ("JPEG", "PNG", "WEBP")
    max_bytes: int = 10 * 1024 * 1024
    side: tuple[int, int] = (1, 100_000)
    ratio: tuple[float, float] = (0.0, 1_000.0)


@dataclass(frozen=True)
class Model:
    """One model: its input fields, the pictures it takes, its credits a second and the folder of its results."""

    fields: Mapping[str, Field]
    price: float
    family: str
    pictures: Pictures = field(default_factory=Pictures)
    exclusive: tuple[str, str] | None = None

    def check(self, given: Mapping[str, Any]) -> None:
        """Raise Refused for the first wrong or missing field. Unknown fields are ignored, as KIE seems to do."""
        for name, rule in self.fields.items():
            if given.get(name) is not None:
                rule.check(name, given[name])
            elif rule.required:
                raise Refused(500, f"{name} is required")
        if self.exclusive and all(given.get(name) for name in self.exclusive):
            raise Refused(422, f"{self.exclusive[0]} and {self.exclusive[1]} cannot be used together")

    def picture_urls(self, given: Mapping[str, Any]) -> list[str]:
        """Every picture address in a checked input, in the order of the fields."""
        named = [given[name] for name, rule in self.fields.items() if isinstance(rule, Urls) and given.get(name)]
        return [url for value in named for url in ([value] if isinstance(value, str) else value)]

    def cost(self, given: Mapping[str, Any]) -> float:
        """Credits for a checked input (10 seconds are assumed where the field is absent)."""
        return self.price * float(given.get("duration") or given.get("n_frames") or 10)


def check(models: Mapping[str, Model], name: object, given: object) -> Model:
    """The model of a createTask body whose input is in order. Raises Refused as KIE does: model first, then input."""
    if not isinstance(name, str) or not name:
        raise Refused(500, "This field is required")
    if name not in models:
        raise Refused(422, MODEL_UNKNOWN)
    if not isinstance(given, dict):
        raise Refused(500, "input is required")
    models[name].check(given)
    return models[name]


_RATIOS = ("1:1", "4:3", "3:4", "16:9", "9:16", "21:9")
_SEEDANCE_PICTURES = Pictures(
    ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF"), 30 * 1024 * 1024, side=(300, 6_000), ratio=(0.4, 2.5)
)


def _seedance_2(resolutions: tuple[str, ...], price: float) -> Model:
    fields: dict[str, Field] = {
        "prompt": Text(required=True, low=3),
        "first_frame_url": Urls(single=True),
        "last_frame_url": Urls(single=True),
        "reference_image_urls": Urls(9),
        "generate_audio": Flag(),
        "resolution": Text(choices=resolutions),
        "aspect_ratio": Text(choices=(*_RATIOS, "adaptive")),
        "duration": Number(4, 15),
        "web_search": Flag(),
        "nsfw_checker": Flag(),
        "return_last_frame": Flag(),
    }
    return Model(fields, price, "seedance", _SEEDANCE_PICTURES, ("first_frame_url", "reference_image_urls"))


def _sora(pro: bool) -> Model:
    fields: dict[str, Field] = {
        "prompt": Text(required=True, high=10_000),
        "image_urls": Urls(1, required=True),
        "aspect_ratio": Text(choices=("portrait", "landscape")),
        "n_frames": Text(choices=("10", "15")),
        "remove_watermark": Flag(),
    }
    if pro:
        fields["size"] = Text(choices=("standard", "high"))
    return Model(fields, 9.0 if pro else 3.0, "sora")


MODELS: dict[str, Model] = {
    # The newer of two documented types of duration; three weeks earlier it was one of "4", "8" and "12".
    "bytedance/seedance-1.5-pro": Model(
        {
            "prompt": Text(required=True, low=3),
            "input_urls": Urls(2),
            "aspect_ratio": Text(required=True, choices=_RATIOS),
            "duration": Number(4, 12, whole=False, required=True),
            "resolution": Text(choices=("480p", "720p", "1080p")),
            "fixed_lens": Flag(),
            "generate_audio": Flag(),
            "nsfw_checker": Flag(),
        },
        price=7.0,
        family="seedance",
    ),
    "bytedance/seedance-2": _seedance_2(("480p", "720p", "1080p", "4k"), 41.0),
    "bytedance/seedance-2-fast": _seedance_2(("480p", "720p"), 33.0),
    "kling-3.0/video": Model(
        {
            "prompt": Text(high=2_500),
            "image_urls": Urls(2),
            "sound": Flag(),
            "duration": Text(choices=tuple(str(seconds) for seconds in range(3, 16))),
            "aspect_ratio": Text(choices=("16:9", "9:16", "1:1")),
            "mode": Text(choices=("std", "pro", "4K")),
            "multi_shots": Flag(),
        },
        price=18.0,
        family="kling",
    ),
    "kling-2.6/image-to-video": Model(
        {
            "prompt": Text(required=True, high=1_000),
            "image_urls": Urls(1, required=True),
            "sound": Flag(required=True),
            "duration": Text(required=True, choices=("5", "10")),
        },
        price=11.0,
        family="kling",
        pictures=Pictures(formats=("JPEG", "PNG")),
    ),
    "wan/2-6-image-to-video": Model(
        {
            "prompt": Text(required=True, high=5_000),
            "image_urls": Urls(1, required=True),
            "duration": Text(choices=("5", "10", "15")),
            "resolution": Text(choices=("720p", "1080p")),
        },
        price=14.0,
        family="wan",
        pictures=Pictures(side=(256, 100_000)),
    ),
    "wan/2-7-image-to-video": Model(
        {
            "prompt": Text(required=True, high=5_000),
            "negative_prompt": Text(high=500),
            "first_frame_url": Urls(single=True),
            "last_frame_url": Urls(single=True),
            "resolution": Text(choices=("720p", "1080p")),
            "duration": Number(2, 15),
            "prompt_extend": Flag(),
            "watermark": Flag(),
            "seed": Number(0, 2_147_483_647),
            "nsfw_checker": Flag(),
        },
        price=16.0,
        family="wan",
    ),
    # Documented with a number as duration, recorded with a string: the recording wins.
    "grok-imagine/image-to-video": Model(
        {
            "prompt": Text(high=5_000),
            "image_urls": Urls(7, required=True),
            "mode": Text(choices=("fun", "normal", "spicy")),
            "duration": Text(choices=tuple(str(seconds) for seconds in range(6, 31))),
            "resolution": Text(choices=("480p", "720p")),
            "aspect_ratio": Text(choices=("16:9", "9:16", "1:1", "2:3", "3:2")),
            "nsfw_checker": Flag(),
        },
        price=3.0,
        family="grok",
    ),
}

# Probably gone from KIE; served only when the sandbox is told that they are available.
SORA_MODELS: dict[str, Model] = {
    "sora-2-image-to-video": _sora(pro=False),
    "sora-2-pro-image-to-video": _sora(pro=True),
}
