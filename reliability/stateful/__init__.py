"""Stateful properties: random sequences of what people, workers, vendors and crashes do, on a real PostgreSQL, beside a model."""
