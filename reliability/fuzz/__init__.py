"""Rubbish of every kind, at every door of the product: updates, vendors' answers, callbacks, files, and people who press anything."""
