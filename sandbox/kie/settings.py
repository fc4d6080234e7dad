"""How this KIE behaves where the real one is slow, limited or undecided; changed over the control API while it runs."""

import random
from dataclasses import dataclass, fields
from typing import Any


@dataclass
class Settings:
    """Times are seconds of the imitated KIE (divided by the sandbox's time scale); limits of 0 are lifted.

    `render_seconds` is a number or [min, max]; `fail_seconds` is how soon a bad picture is noticed. `states` are the
    names a running task goes through. `limit_http_status` (429 or 200), `no_credit` ("402" or "500"), `sora` ("422",
    "505" or "available") and `upload_error_status` ("mirror" or "200") choose where reports of the real KIE disagree.
    """

    render_seconds: float | list[float] = 150.0
    fail_seconds: float = 5.0
    create_seconds: float = 0.5
    upload_seconds: float = 0.3
    create_limit: int = 20
    poll_limit: int = 10
    limit_http_status: int = 429
    no_credit: str = "402"
    sora: str = "422"
    upload_error_status: str = "mirror"
    states: tuple[str, ...] = ("waiting",)
    extra_keys: bool = False
    any_key: bool = True
    hmac_key: str = ""
    callback_id: str = "taskId"

    def change(self, wanted: dict[str, Any]) -> None:
        """Set what is named. Raises ValueError, with nothing changed, for an unknown name or a value that is off."""
        known = {field.name for field in fields(self)}
        if unknown := wanted.keys() - known:
            raise ValueError(f"unknown settings: {sorted(unknown)}; there are {sorted(known)}")
        # All is checked before anything is set: a half-made change would be worse than none.
        for name, value in wanted.items():
            if not _RULES.get(name, _is_seconds)(value):
                raise ValueError(f"{name} cannot be {value!r}")
        for name, value in wanted.items():
            setattr(self, name, tuple(value) if name == "states" else value)

    def render_time(self) -> float:
        """The render time of the next task, drawn anew when a range is set."""
        if isinstance(self.render_seconds, list):
            return random.uniform(*self.render_seconds)
        return self.render_seconds

    def shown(self) -> dict[str, Any]:
        """The settings as JSON; of the signing key only whether there is one."""
        return {**vars(self), "states": list(self.states), "hmac_key": bool(self.hmac_key)}


RUNNING_STATES = ("waiting", "queuing", "generating")


def _is_seconds(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 86_400


def _is_time_or_range(value: Any) -> bool:
    if isinstance(value, list):
        return len(value) == 2 and all(map(_is_seconds, value)) and value[0] <= value[1]
    return _is_seconds(value)


def _is_limit(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 1_000_000


def _are_states(value: Any) -> bool:
    return isinstance(value, list) and 0 < len(value) <= 10 and all(state in RUNNING_STATES for state in value)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= 1_000


_RULES = {
    "render_seconds": _is_time_or_range,
    "create_limit": _is_limit,
    "poll_limit": _is_limit,
    "limit_http_status": (200, 429).__contains__,
    "no_credit": ("402", "500").__contains__,
    "sora": ("422", "505", "available").__contains__,
    "upload_error_status": ("mirror", "200").__contains__,
    "states": _are_states,
    "extra_keys": _is_flag,
    "any_key": _is_flag,
    "hmac_key": _is_text,
    "callback_id": ("taskId", "task_id").__contains__,
}
