"""Nobody knows what happened: one more try, and the operator sees the provider's own words."""

from neurocards.policies import Policy, register

register(Policy("UNKNOWN", attempts=2, delay=(30.0, 60.0), alert="unknown_failure"))
