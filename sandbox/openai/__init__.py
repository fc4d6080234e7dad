"""Stand-in for OpenAI's chat completions: strict about requests, ready with every known error."""

from sandbox.openai.routes import blueprint

__all__ = ["blueprint"]
