"""The provider stumbled."""

from neurocards.errors import Failure
from neurocards.policies import Decision, Policy, Situation, register


class Temporary(Policy):
    """As the plain policy, but an answer that got lost is waited for: the task may have been made and paid for."""

    def decide(self, failure: Failure, situation: Situation) -> Decision:
        """Awaits an ambiguous submit, whatever its number; the attempt is judged when the wait ends."""
        if failure.subtype == "ambiguous_submit" and situation.submitted:
            return Decision("await")
        return super().decide(failure, situation)


register(Temporary("TEMPORARY", attempts=3, delay=(30.0, 60.0)))
