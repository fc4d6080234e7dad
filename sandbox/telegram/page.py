"""The chat page: static files of `sandbox/page`, the document itself at `/`."""

from pathlib import Path

from flask import Blueprint, Response, send_from_directory

_FOLDER = Path(__file__).parent.parent / "page"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob: data:;"
    " media-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def add_routes(routes: Blueprint) -> None:
    """`/` and `/page/<file>`."""

    @routes.get("/")
    def index() -> Response:
        return _served("index.html")

    @routes.get("/page/<name>")
    def asset(name: str) -> Response:
        return _served(name)


def _served(name: str) -> Response:
    response = send_from_directory(_FOLDER, name, max_age=0)
    response.headers["Content-Security-Policy"] = _POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
