"""`classify`: what a provider's failure means, for each line of standard input."""

import json
import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from neurocards.classifiers import classify
from neurocards.errors import ProviderError
from neurocards.policies import policy_for

cli = typer.Typer()

# A line longer than this is no failure but a mistake (bytes).
LONGEST_LINE = 100_000


def _code(value: object) -> object:
    # Codes come as numbers or as strings of digits; other strings are no codes.
    return (int(value) if value.isdecimal() and len(value) < 6 else None) if isinstance(value, str) else value


Code = Annotated[int | None, BeforeValidator(_code)]


class Line(BaseModel):
    """A failure as it came; whatever is missing is null, and a missing provider is KIE."""

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True)

    provider: str | None = None
    channel: str | None = None
    http_status: Code = None
    body_code: Code = None
    fail_code: str | None = None
    text: str | None = None

    def error(self) -> ProviderError:
        """The same as a client would raise it."""
        return ProviderError(
            self.provider or "kie",
            self.channel or "",
            self.text or "",
            http_status=self.http_status,
            body_code=self.body_code,
            fail_code=self.fail_code,
        )


@cli.command("classify")
def classify_lines() -> None:
    """Say what failures mean: JSON lines in ({"provider", "channel", "http_status", "body_code", "fail_code", "text"}), JSON lines out.

    Try a text from the log: echo '{"text": "Image contains faces."}' | python -m neurocards classify
    """
    for line in sys.stdin.buffer:
        if line.strip():
            sys.stdout.write(json.dumps(_verdict(line), ensure_ascii=False) + "\n")
            sys.stdout.flush()


def _verdict(line: bytes) -> Mapping[str, Any]:
    if len(line) > LONGEST_LINE:
        return {"error": f"a line of more than {LONGEST_LINE} bytes"}
    try:
        failure = classify(Line.model_validate_json(line).error())
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        return {"error": ": ".join([*map(str, first["loc"]), first["msg"]])}
    return {
        "category": failure.category,
        "subtype": failure.subtype,
        "retry": policy_for(failure.category).retries,
        "why": failure.why,
    }
