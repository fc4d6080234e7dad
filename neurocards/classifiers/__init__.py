"""What a failure means: one plugin a provider, found by being here.

A module in this package, or one named by an entry point of the group "neurocards.classifiers", registers a function for
its provider with `@classifier`. What follows from a meaning is decided elsewhere, in `neurocards.policies`.

Categories and their subtypes; an unknown one is taken for UNKNOWN by whoever reads it:

    USER_ERROR     person, sexual, copyright, moderation, image_format, image_size, prompt
    BILLING        no_credit, key_cap, bad_key
    RATE_LIMIT
    TEMPORARY      ambiguous_submit, image_unreachable, maintenance, provider, bad_result, lost_reply
    CONFIGURATION  model_unknown, validation, region, bad_token, conflict
    HARMLESS       not_modified
    UNREACHABLE    blocked, deactivated, not_found
    UNKNOWN        generic, task_not_found, message_gone
"""

from collections.abc import Callable
from dataclasses import replace

from neurocards.errors import BadVideo, Failure, ProviderError
from neurocards.plugins import load_plugins

Classifier = Callable[[ProviderError], Failure | None]

_CLASSIFIERS: dict[str, Classifier] = {}


def classifier(provider: str) -> Callable[[Classifier], Classifier]:
    """Registers a function that says what a provider's error means, or None when it can't tell."""

    def register(function: Classifier) -> Classifier:
        _CLASSIFIERS[provider] = function
        return function

    return register


def classify(error: BaseException) -> Failure:
    """The meaning of whatever went wrong. Of errors that are not a provider's, only the type's name is kept."""
    if isinstance(error, BadVideo):
        return Failure("TEMPORARY", "bad video", "bad_result", text=str(error)[:500])
    if not isinstance(error, ProviderError):
        return Failure("UNKNOWN", type(error).__name__)
    load_plugins(__name__)
    plugin = _CLASSIFIERS.get(error.provider)
    failure = (plugin and plugin(error)) or Failure("UNKNOWN", "no rule")
    return replace(failure, provider=error.provider, text=error.text[:500], retry_after=error.retry_after)
