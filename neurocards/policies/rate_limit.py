"""The provider says we ask too often: the key rests, and another may be due sooner."""

from neurocards.policies import Policy, register

register(Policy("RATE_LIMIT", attempts=3, delay=(60.0, 120.0), key="cool"))
