"""Our request or model is wrong: neither the user nor the key is to blame."""

from neurocards.errors import Failure
from neurocards.policies import Decision, Policy, Situation, register

# How soon a finished video is offered again to a Telegram that knows our token no more (seconds).
TOKEN_PAUSE = 60.0


class Configuration(Policy):
    """Goes to the next model of the fallback list, or waits for a token that works; the operator is told either way."""

    def decide(self, failure: Failure, situation: Situation) -> Decision:
        """Retries at once with the next model, uncounted; at the end of the list the order fails.

        While the bot's token is being replaced nothing fails: whoever is started with the new one delivers, until the job's deadline.
        """
        if failure.provider == "telegram" and failure.subtype == "bad_token":
            return Decision("retry", delay=TOKEN_PAUSE, uncounted=True, alert=self.alert)
        if situation.next_model and failure.provider == "kie":
            return Decision("retry", uncounted=True, model=situation.next_model, alert="model_fallback")
        return Decision("fail", alert=self.alert)


register(Configuration("CONFIGURATION", alert="configuration"))
