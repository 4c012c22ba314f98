"""A cache on loopback that serves the files of `nix copy`, with one fault: a line of FAULTS for each."""

from __future__ import annotations

import contextlib
import gzip
import http.server
import re
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

HANG_SECONDS: Final = 30


class FaultyHandler(http.server.BaseHTTPRequestHandler):
    """Serves `folder` and breaks off what its fault says."""

    protocol_version = "HTTP/1.1"
    folder: Path
    cache: FaultyCache

    def do_GET(self) -> None:
        self.cache.requests.append((self.path, self.headers.get("Authorization", "")))
        path = self.path.lstrip("/")
        kind = "nar" if path.startswith("nar/") else "narinfo" if path.endswith(".narinfo") else "info"
        file = self.folder / path.removeprefix("moved/")
        data = file.read_bytes() if file.is_file() else None
        fault = self.cache.faults.get(kind)
        if fault and (data is not None or self.cache.always):
            fault(self, data or b"")
        else:
            self.give(data)

    def give(
        self,
        data: bytes | None,
        *,
        status: int = 200,
        size: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Answer with `data` under a Content-Length that may be another; None is answered by 404."""
        self.send_response(status if data is not None else 404)
        for name, value in (headers or {}).items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data or b"") if size is None else size))
        self.end_headers()
        self.wfile.write(data or b"")

    def log_message(self, *_: object) -> None:
        pass


Fault: TypeAlias = Callable[[FaultyHandler, bytes], None]


def _status(number: int, **headers: str) -> Fault:
    return lambda handler, _: handler.give(b"no", status=number, headers=headers)


def _hang(handler: FaultyHandler, _: bytes) -> None:
    handler.cache.over.wait(HANG_SECONDS)
    handler.close_connection = True


def _cut(handler: FaultyHandler, data: bytes) -> None:
    handler.give(data[: len(data) // 2], size=len(data))
    handler.close_connection = True


def _corrupt(handler: FaultyHandler, data: bytes) -> None:
    handler.give(data[:-20] + bytes(20))


def _drip(handler: FaultyHandler, data: bytes) -> None:
    handler.give(b"", size=len(data))
    for byte in data:
        handler.wfile.write(bytes([byte]))
        if handler.cache.over.wait(0.4):
            break
    handler.close_connection = True


def _endless(handler: FaultyHandler, data: bytes) -> None:
    handler.send_response(200)
    handler.end_headers()
    while not handler.cache.over.is_set():
        handler.wfile.write(b"Sig: " + bytes(65536))


def _closed(handler: FaultyHandler, data: bytes) -> None:
    """Close the port for all that comes later, and this connection."""
    handler.cache.close_port()
    handler.connection.shutdown(socket.SHUT_RDWR)
    handler.close_connection = True


def _moved(handler: FaultyHandler, data: bytes) -> None:
    if handler.path.startswith("/moved"):
        handler.give(data)
    else:
        handler.give(b"", status=302, headers={"Location": f"/moved{handler.path}"})


def _changed(name: bytes, value: bytes) -> Fault:
    """Give a narinfo with another value of one field, and without its signature."""

    def change(handler: FaultyHandler, data: bytes) -> None:
        unsigned = re.sub(rb"(?m)^Sig:.*\n", b"", data)
        handler.give(re.sub(rb"(?m)^" + name + rb":.*$", name + b": " + value, unsigned))

    return change


_OTHER_HASH: Final = b"sha256:" + b"1" * 52

FAULTS: Final[dict[str, tuple[str, Fault, str]]] = {
    "404 on nar": ("nar", _status(404), "404"),
    "500 on nar": ("nar", _status(500), "500"),
    "a nar is never sent": ("nar", _hang, "does not answer|stopped answering"),
    "a nar is corrupt": ("nar", _corrupt, "not the hash"),
    "a nar is truncated": ("nar", _cut, "broke|too early"),
    "a nar comes byte by byte": ("nar", _drip, "stopped answering"),
    "404 on narinfo": ("narinfo", _status(404), ""),
    "500 on narinfo": ("narinfo", _status(500), "it answers 500"),
    "507 on narinfo": ("narinfo", _status(507), "it answers 507"),
    "401 on narinfo": ("narinfo", _status(401), "it answers 401"),
    "403 on narinfo": ("narinfo", _status(403), "403 to every question"),
    "403 of a storage that may not be listed": ("narinfo", _status(403, x_amz_request_id="1"), ""),
    "429 on narinfo": ("narinfo", _status(429, Retry_After="120"), "it answers 429"),
    "a narinfo is never sent": ("narinfo", _hang, "does not answer|stopped answering"),
    "a narinfo comes byte by byte": ("narinfo", _drip, "does not answer|stopped answering"),
    "a narinfo does not end": ("narinfo", _endless, "more than"),
    "a narinfo is a web page": (
        "narinfo",
        lambda handler, _: handler.give(b"<html>Welcome"),
        "not one of a narinfo",
    ),
    "a narinfo of another path": (
        "narinfo",
        _changed(b"StorePath", b"/nix/store/" + b"1" * 32 + b"-other"),
        "another path",
    ),
    "a narinfo points to a forbidden place": (
        "narinfo",
        _changed(b"URL", b"http://169.254.169.254/nar"),
        "URL|address|plain http",
    ),
    "the port is closed meanwhile": ("narinfo", _closed, "refused"),
    "the port is closed before the nar": ("nar", _closed, "refused"),
    "a redirect": ("narinfo", _moved, ""),
    "a redirect of the nar": ("nar", _moved, ""),
    "a redirect in a circle": ("narinfo", _status(302, Location="/circle.narinfo"), "circle"),
    "gzip as Content-Encoding": (
        "narinfo",
        lambda handler, data: handler.give(gzip.compress(data), headers={"Content-Encoding": "gzip"}),
        "",
    ),
    "a lying NarHash": ("narinfo", _changed(b"NarHash", _OTHER_HASH), ""),
}
"""What each fault concerns, how it answers, and a pattern of the reason that is reported; empty where nothing is."""

HARMLESS: Final = frozenset({"a redirect", "a redirect of the nar", "gzip as Content-Encoding"})


ALIKE: Final = frozenset(
    {
        "507 on narinfo",
        "a narinfo comes byte by byte",
        "a nar is never sent",
        "a nar is truncated",
        "the port is closed before the nar",
    }
)
"""What another one is like, and takes a second."""


@dataclass
class FaultyCache:
    """A cache with a fault. `always`: also what it does not have is answered by the fault."""

    folder: Path
    faults: dict[str, Fault]
    always: bool = True
    requests: list[tuple[str, str]] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    url: str = ""
    _server: Any = None

    @contextlib.contextmanager
    def served(self) -> Iterator[FaultyCache]:
        handler = type("Handler", (FaultyHandler,), {"folder": self.folder, "cache": self})
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield self
        finally:
            self.over.set()
            self._server.shutdown()
            thread.join()
            self._server.server_close()

    def close_port(self) -> None:
        self._server.shutdown()
        self._server.socket.close()


def faulty(folder: Path, name: str = "") -> FaultyCache:
    """Return a cache with the fault of FAULTS that is called so, or with none."""
    if not name:
        return FaultyCache(folder, {})
    kind, fault, _ = FAULTS[name]
    always = kind == "narinfo" and "NarHash" not in name and "gzip" not in name and name[2:] != "redirect"
    return FaultyCache(
        folder, {kind: fault}, always=always and name not in HARMLESS and "StorePath" not in name
    )
