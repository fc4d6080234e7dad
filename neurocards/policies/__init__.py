"""What follows from a failure: one plugin file a category, registered by being here or by an entry point `neurocards.policies`.

A policy turns a failure and the situation into a decision. It decides and changes nothing; `neurocards.settlement` carries it out.
"""

import importlib
import pkgutil
import random
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Literal

from neurocards.errors import Failure

Action = Literal["retry", "await", "plain", "fail", "finish"]


@dataclass(frozen=True)
class Situation:
    """What a policy may look at. `attempts` counts this stage's provider attempts, the failed one included;
    `submitted`: a request for a video has left and may have been taken.
    """

    attempts: int
    submitted: bool = False
    key_left: bool = True
    next_model: str | None = None


@dataclass(frozen=True)
class Decision:
    """`retry` in `delay` seconds, `await` a lost answer, go on with a `plain` prompt, `fail` and refund, or `finish` without a message.

    `uncounted`: the attempt is given back, since it was not the order's fault. `model` takes over from here. `alert` names what
    the operators are told, once a day for each rule that found the failure, or for each `name:detail` given here.
    """

    action: Action
    delay: float = 0.0
    uncounted: bool = False
    model: str | None = None
    alert: str = ""


@dataclass(frozen=True)
class Policy:
    """The plain policy: up to `attempts` provider attempts, `delay` seconds apart, then fail. Subclass it for more.

    `key` is what befalls the provider key that was used: nothing, a rest, or quarantine until a probe finds it well.
    """

    category: str
    attempts: int = 1
    delay: tuple[float, float] = (0.0, 0.0)
    key: Literal["keep", "cool", "quarantine"] = "keep"
    alert: str = ""

    def decide(self, failure: Failure, situation: Situation) -> Decision:
        """Retries while attempts are left. A vendor's own Retry-After is never undercut."""
        if situation.attempts < self.attempts:
            return Decision("retry", delay=max(random.uniform(*self.delay), failure.retry_after or 0.0))  # noqa: S311  jitter
        return Decision("fail", alert=self.alert)


_policies: dict[str, Policy] = {}


def register(policy: Policy) -> Policy:
    """Makes the policy the one of its category. Registering a category twice is a mistake and raises ValueError."""
    if policy.category in _policies:
        raise ValueError(f"category {policy.category} has a policy already")
    _policies[policy.category] = policy
    return policy


def policy_for(category: str) -> Policy:
    """The category's policy, or that of UNKNOWN."""
    return _policies.get(category) or _policies["UNKNOWN"]


def _load() -> None:
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    for entry in entry_points(group=__name__):
        entry.load()


_load()
