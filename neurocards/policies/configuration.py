"""Our request or model is wrong: neither the user nor the key is to blame."""

from neurocards.errors import Failure
from neurocards.policies import Decision, Policy, Situation, register


class Configuration(Policy):
    """Goes to the next model of the fallback list; the operator is told either way."""

    def decide(self, failure: Failure, situation: Situation) -> Decision:
        """Retries at once with the next model, uncounted; at the end of the list the order fails."""
        if situation.next_model and failure.provider == "kie":
            return Decision("retry", uncounted=True, model=situation.next_model, alert="model_fallback")
        return Decision("fail", alert=self.alert)


register(Configuration("CONFIGURATION", alert="configuration"))
