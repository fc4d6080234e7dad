"""Every error of ours, and what is known of a failure.

    NeurocardsError
    ├── ConfigurationMistake        an environment variable is missing or malformed
    ├── ProviderError               a vendor failed us, in the vendor's own words
    ├── JobFailed                   a stage of a claimed job failed; the cause is its __cause__
    ├── LostClaim                   the job moved on without us; whatever we held is void
    ├── BadPhoto                    a picture we can't take; carries the reason's name
    ├── BadVideo                    a result that is no video Telegram would play
    ├── DeedRefused                 what an operator wanted can't be done
    └── OrderRefused                an order that can't be taken
        ├── NotEnoughCredits
        ├── TooManyOpen             this person has as much in the works as one may
        ├── OrdersClosed            operators work on the system
        ├── StaleButton             the card it belongs to has changed or ended
        └── AlreadyOrdered          this very draft is an order already

Clients translate their vendor's failures into ProviderError; nothing past them knows a vendor's exception.
What a ProviderError means is a Failure, found by the plugins in `neurocards.classifiers`; what follows from it is in `neurocards.policies`.
"""

from dataclasses import dataclass
from typing import Any


class NeurocardsError(Exception):
    """The root of the tree."""


class ConfigurationMistake(NeurocardsError):
    """The text is one line that names the variable and what it should be."""


@dataclass(eq=False)
class ProviderError(NeurocardsError):
    """A vendor's failure as it came: `provider` is 'kie', 'openai' or 'telegram', `channel` the call that failed.

    `ambiguous` is true when the request may have been carried out all the same (no answer, or one that is not the vendor's).
    `retry_after` is in seconds, when the vendor named a time. Texts are cut to 500 characters and carry no secrets.
    """

    provider: str
    channel: str
    text: str
    http_status: int | None = None
    body_code: int | None = None
    fail_code: str | None = None
    retry_after: float | None = None
    ambiguous: bool = False
    key: str | None = None  # fingerprint of the provider key that was used

    def __str__(self) -> str:
        codes = ", ".join(str(code) for code in (self.http_status, self.body_code, self.fail_code) if code is not None)
        return f"{self.provider} {self.channel} ({codes or 'no code'}): {self.text[:500]}"


@dataclass(frozen=True)
class Failure:
    """A ProviderError understood. `category` names a policy; `subtype` chooses the user's text; `why` is the rule that decided."""

    category: str
    why: str
    subtype: str = ""
    provider: str = ""
    text: str = ""
    retry_after: float | None = None


class JobFailed(NeurocardsError):
    """A stage failed under a claim: `claim` is the job's row as it was taken up, and fences whatever is written next.

    `failure` is what the classification found out; it begins as the least that can be said.
    """

    def __init__(self, claim: Any) -> None:
        super().__init__(str(claim))
        self.claim = claim
        self.failure = Failure("UNKNOWN", "not classified")


class LostClaim(NeurocardsError):
    """A guarded write touched no row: someone else moved the job. Never write again without the guard."""


class BadPhoto(NeurocardsError):
    """`reason` is one of: too_big, not_image, broken, too_many_pixels, too_small, unreachable. It names the user's text."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class BadVideo(NeurocardsError):
    """The text says what was wrong: too large, too slow, empty, not a video."""


class DeedRefused(NeurocardsError):
    """What an operator wanted can't be done, and nothing was. `reason` names the text, `values` are put into it."""

    def __init__(self, reason: str, **values: int) -> None:
        super().__init__(f"{reason} {values or ''}".strip())
        self.reason = reason
        self.values = values


class OrderRefused(NeurocardsError):
    """The order was not taken and nothing was charged."""


class NotEnoughCredits(OrderRefused):
    """`balance` and `price` are in credits. The draft is kept."""

    def __init__(self, balance: int, price: int) -> None:
        super().__init__(f"balance {balance}, price {price}")
        self.balance = balance
        self.price = price


class TooManyOpen(OrderRefused):
    """`count` of the person's videos are open, of at most `most`. The draft is kept."""

    def __init__(self, count: int, most: int) -> None:
        super().__init__(f"{count} of {most}")
        self.count = count
        self.most = most


class OrdersClosed(OrderRefused):
    """No orders are taken for now. The draft is kept."""


class StaleButton(OrderRefused):
    """The draft, card or order behind the button has changed, ended, or belongs to someone else."""


class AlreadyOrdered(OrderRefused):
    """The same confirm came twice; the first one made the order `order_id`."""

    def __init__(self, order_id: int) -> None:
        super().__init__(str(order_id))
        self.order_id = order_id
