"""The soak: orders flow while servers, processes and vendors fail at random, drawn from a seed."""
