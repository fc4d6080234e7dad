"""The parameters of one Bot API call, whether they came in the query, a form, a multipart body or JSON."""

import json
from typing import Any

from flask import Request
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import RequestEntityTooLarge

from sandbox.telegram.errors import ApiError, bad_request
from sandbox.telegram.multipart import read_multipart


class Params:
    """Named texts and files. Like Telegram, keeps every value as text: what a JSON body holds is spelt out."""

    def __init__(self, values: dict[str, str], files: dict[str, FileStorage]) -> None:
        """Wrap values that are already texts, and uploaded files by field name."""
        self._values = values
        self._files = files

    @classmethod
    def of(cls, request: Request) -> "Params":
        """Read the whole request. Raises ApiError 413 when it is too large, 400 when its JSON can't be read."""
        try:
            # Reading the body is where one that is too large shows.
            if request.mimetype == "multipart/form-data":
                values, files = read_multipart(request)
            else:
                values, files = {**_json_values(request), **request.form.to_dict()}, []
            return cls({**request.args.to_dict(), **values}, {file.name or "": file for file in files})
        except RequestEntityTooLarge:
            raise ApiError(413, "Request Entity Too Large") from None

    def text(self, name: str) -> str:
        """The value of `name`, empty when absent."""
        return self._values.get(name, "")

    def required(self, name: str) -> str:
        """The value of `name`. Raises ApiError 400 when absent or empty."""
        value = self.text(name)
        if not value:
            raise bad_request(f'parameter "{name}" is required')
        return value

    def given(self, name: str) -> bool:
        """True when `name` was sent at all, even empty."""
        return name in self._values

    def flag(self, name: str) -> bool:
        """True for `true`, `yes` and `1` in any case."""
        return self.text(name).strip().lower() in ("true", "yes", "1")

    def number(self, name: str, default: int = 0, least: int = -(2**31), most: int = 2**31 - 1) -> int:
        """A whole number cut to `least`…`most`; like Telegram, takes leading digits and reads anything else as 0."""
        text = self.text(name).strip()
        return min(max(leading_integer(text) if text else default, least), most)

    def parsed(self, name: str, what: str) -> Any:
        """The JSON value of `name`, None when absent. Raises ApiError 400 "can't parse `what` JSON object"."""
        text = self.text(name)
        if not text:
            return None
        try:
            return json.loads(text)
        except ValueError:
            raise bad_request(f"can't parse {what} JSON object") from None

    def file(self, name: str) -> FileStorage | None:
        """The uploaded file of the field `name`; an upload without any file name doesn't count as one."""
        return self._files.get(name)

    def close(self) -> None:
        """Close the uploads; whatever is needed of them has been stored by then."""
        for file in self._files.values():
            file.close()

    def journaled(self) -> dict[str, Any]:
        """What the journal should show of these parameters: files only by name and type."""
        files = {name: {"file": file.filename, "mime": file.mimetype} for name, file in self._files.items()}
        return {**self._values, **files}


def _json_values(request: Request) -> dict[str, str]:
    if not request.is_json:
        return {}
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        raise bad_request("can't parse request body as a JSON object")
    return {str(key): _as_text(value) for key, value in body.items() if value is not None}


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def leading_integer(text: str) -> int:
    """The whole number that `text` starts with, 0 when it starts with none; as forgiving as Telegram."""
    # Twenty digits are more than any id has, and few enough for `int` to take.
    sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text)
    leading = digits[: len(digits) - len(digits.lstrip("0123456789"))]
    return sign * int(leading[:20]) if leading else 0
