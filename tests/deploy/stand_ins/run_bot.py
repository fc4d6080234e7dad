"""A bot that is always ready."""

import os
from http.server import BaseHTTPRequestHandler, HTTPServer


class Ready(BaseHTTPRequestHandler):
    """Says yes to everything."""

    def do_GET(self) -> None:
        """200."""
        self.send_response(200)
        self.end_headers()


HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Ready).serve_forever()
