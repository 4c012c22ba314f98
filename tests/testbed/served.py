"""What the HTTP servers of tests do alike: they run in a thread while a block lasts, and log nothing."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any


class EveryMethod(BaseHTTPRequestHandler):
    """Gives each request to `serve`, whatever its method."""

    serve: Callable[[], None]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self.serve
        raise AttributeError(name)

    def log_message(self, *_: object) -> None:
        """Keep the log of the test clean."""


@contextlib.contextmanager
def served(server: HTTPServer) -> Iterator[None]:
    """Let `server` answer until the block is left."""
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
