"""One request to a server on loopback, with no code of ours."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit


def ask(url: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
    """Return the status and the body."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=20)
    try:
        connection.request(method, parts.path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
