"""A forbidden photo or text: no attempt can help."""

from neurocards.policies import Policy, register

register(Policy("USER_ERROR"))
