"""What follows from a failure: one plugin file a category, registered by being here or by an entry point `neurocards.policies`.

A policy turns a failure and the situation into a decision. It decides and changes nothing: it names reactions, plugins in their
turn (`neurocards.reactions`).
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass

from neurocards.errors import Failure
from neurocards.plugins import load_plugins

# A vendor that asks for more patience than this is asked again all the same (seconds).
MOST_PATIENCE = 300.0


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
    """`action` is the reaction that says where the job goes: `retry` in `delay` seconds, `await` a lost answer, go on with a `plain`
    prompt, `fail` and refund, or `finish` without a message. `also` names further reactions of the same transaction.

    `uncounted`: the attempt is given back, since it was not the order's fault. `model` takes over from here. `alert` names what
    the operators are told, once a day for each rule that found the failure, or for each `name:detail` given here.
    """

    action: str
    delay: float = 0.0
    uncounted: bool = False
    model: str | None = None
    alert: str = ""
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class Policy:
    """The plain policy: up to `attempts` provider attempts, `delay` seconds apart, then fail. Subclass it for more.

    `key` names the reaction on the provider key that was used: none, `cool`, or `quarantine` until a probe finds it well. `texts` are
    what the customer reads, (why, what next) by language; without them the texts of the failure's subtype or category are found in
    `neurocards.texts`. A category outside this package brings its own.
    """

    category: str
    attempts: int = 1
    delay: tuple[float, float] = (0.0, 0.0)
    key: str = ""
    alert: str = ""
    texts: Mapping[str, tuple[str, str]] | None = None

    @property
    def retries(self) -> bool:
        """Whether a failure of this category is worth another attempt at all."""
        return self.attempts > 1

    def decide(self, failure: Failure, situation: Situation) -> Decision:
        """Retries while attempts are left. A vendor's own Retry-After is never undercut."""
        if situation.attempts < self.attempts:
            told = min(failure.retry_after or 0.0, MOST_PATIENCE)
            return Decision("retry", delay=max(random.uniform(*self.delay), told))  # noqa: S311  jitter
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
    load_plugins(__name__)
    return _policies.get(category) or _policies["UNKNOWN"]


def categories() -> tuple[str, ...]:
    """All there are, in alphabetical order."""
    load_plugins(__name__)
    return tuple(sorted(_policies))
