"""Nobody knows what happened: one more try, and the operator sees the provider's own words."""

import re
from dataclasses import replace

from neurocards.errors import Failure
from neurocards.policies import Decision, Policy, Situation, register

# What differs from one occurrence to the next: numbers and ids.
_VARYING = re.compile(r"\b(?=\w*\d)\w+\b")


class Unknown(Policy):
    """As the plain policy, but each wording is told of: no rule has a name for them."""

    def decide(self, failure: Failure, situation: Situation) -> Decision:
        """Retries once, then fails with an alert of its own for each text."""
        decision = super().decide(failure, situation)
        if not decision.alert:
            return decision
        return replace(decision, alert=f"{self.alert}:{failure.why}: {_VARYING.sub('#', failure.text)[:80]}")


register(Unknown("UNKNOWN", attempts=2, delay=(30.0, 60.0), alert="unknown_failure"))
