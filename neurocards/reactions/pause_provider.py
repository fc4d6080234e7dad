"""The provider is down for everybody, not for this order or key alone."""

from neurocards import outages
from neurocards.app import App
from neurocards.errors import Failure
from neurocards.models import Job
from neurocards.policies import Decision
from neurocards.reactions import reaction


@reaction("pause_provider")
def pause_provider(app: App, job: Job, failure: Failure, decision: Decision) -> None:
    """Lets nobody ask it for a while, and then one job at a time."""
    outages.pause(failure.provider, failure.text)
