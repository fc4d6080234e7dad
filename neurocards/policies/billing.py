"""The key can't pay or isn't let in: the order goes on with a healthy key, at no cost to its attempts."""

from neurocards.errors import Failure
from neurocards.policies import Decision, Policy, Situation, register


class Billing(Policy):
    """Moves the order to another key while one is left."""

    def decide(self, failure: Failure, situation: Situation) -> Decision:
        """Retries at once with another key, uncounted; with none left the order fails."""
        if situation.key_left and failure.provider == "kie":
            return Decision("retry", uncounted=True)
        return Decision("fail", alert=f"{self.alert}:{failure.provider}")


register(Billing("BILLING", key="quarantine", alert="billing"))
