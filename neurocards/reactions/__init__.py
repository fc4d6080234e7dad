"""What can be done about a failure: one plugin file a reaction, registered by being here or by an entry point `neurocards.reactions`.

A policy names reactions; this package carries them out. Two kinds: on the failed job, under its claim, and on the provider key
that was used. Each is called within one transaction.
"""

from collections.abc import Callable

from neurocards.app import App
from neurocards.errors import Failure
from neurocards.models import Job
from neurocards.plugins import load_plugins
from neurocards.policies import Decision

Reaction = Callable[[App, Job, Failure, Decision], None]
KeyReaction = Callable[[App, str, Failure], None]

_on_jobs: dict[str, Reaction] = {}
_on_keys: dict[str, KeyReaction] = {}


def reaction(name: str) -> Callable[[Reaction], Reaction]:
    """Registers what `Decision.action` or `Decision.also` may name: a function of (app, job, failure, decision)."""

    def register(function: Reaction) -> Reaction:
        _on_jobs[name] = function
        return function

    return register


def key_reaction(name: str) -> Callable[[KeyReaction], KeyReaction]:
    """Registers what `Policy.key` may name: a function of (app, the key's fingerprint, failure)."""

    def register(function: KeyReaction) -> KeyReaction:
        _on_keys[name] = function
        return function

    return register


def carry_out(app: App, job: Job, failure: Failure, decision: Decision) -> None:
    """Does what was decided for a claimed job. Raises KeyError for a reaction that nobody registered."""
    load_plugins(__name__)
    for name in (decision.action, *decision.also):
        _on_jobs[name](app, job, failure, decision)


def report_key(app: App, name: str, fingerprint: str, failure: Failure) -> None:
    """Does to a key what its category's policy names. Raises KeyError for a reaction that nobody registered."""
    load_plugins(__name__)
    _on_keys[name](app, fingerprint, failure)
