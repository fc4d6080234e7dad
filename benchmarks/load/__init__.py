"""The engine of the load tests: a whole system with many workers, a crowd that orders, and what both came to."""
