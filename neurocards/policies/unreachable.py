"""The person blocked the bot or is gone: the work is done and kept in their history."""

from neurocards.errors import Failure
from neurocards.policies import Decision, Policy, Situation, register


class Unreachable(Policy):
    """Nothing to retry and nothing to refund."""

    def decide(self, failure: Failure, situation: Situation) -> Decision:
        """Finishes the job without a message."""
        return Decision("finish")


register(Unreachable("UNREACHABLE"))
