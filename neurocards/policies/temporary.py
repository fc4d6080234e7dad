"""The provider stumbled."""

from dataclasses import replace

from neurocards.errors import Failure
from neurocards.policies import Decision, Policy, Situation, register

# A video whose sending went unanswered is sent this often again: better one copy too many than none, but no more than that.
RESENDS = 1


class Temporary(Policy):
    """As the plain policy, but a lost answer is not a refusal: the task may have been made, or the video handed over."""

    def decide(self, failure: Failure, situation: Situation) -> Decision:
        """Awaits an ambiguous submit, whatever its number: it is judged when the wait ends. Sends a video once more at most.
        Maintenance concerns everybody: the provider is paused."""
        if failure.subtype == "ambiguous_submit" and situation.submitted:
            return Decision("await")
        if failure.provider == "telegram" and failure.subtype == "lost_reply" and situation.attempts > RESENDS:
            return Decision("finish")
        decision = super().decide(failure, situation)
        return (
            replace(decision, also=("pause_provider",))
            if failure.subtype == "maintenance" and failure.provider == "kie"
            else decision
        )


register(Temporary("TEMPORARY", attempts=3, delay=(30.0, 60.0)))
