"""Neurocards: a product photo in, a short video that sells it out.

The domain. It knows nothing of Telegram updates, Dramatiq actors or broker hooks: `handlers` and `actors` call it, never the reverse.
"""
