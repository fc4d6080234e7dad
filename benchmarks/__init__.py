"""Figures, not tests: each module is run by hand (`python -m benchmarks.latency`) and prints one JSON object as its last line."""
