"""What was to be done is done already: Telegram's "message is not modified"."""

from neurocards.errors import Failure
from neurocards.policies import Decision, Policy, Situation, register


class Harmless(Policy):
    """Nothing to retry and nothing to refund."""

    def decide(self, failure: Failure, situation: Situation) -> Decision:
        """Takes it for done."""
        return Decision("finish")


register(Harmless("HARMLESS"))
