"""The answers to the requests of an upload: where the session goes on, and what the registry has stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from flakeship.errors import RejectedError
from flakeship.http.errors import WireError
from flakeship.http.transport import Transport
from flakeship.image.model import Digest
from flakeship.printable import one_line

if TYPE_CHECKING:
    from flakeship.http.response import Response

STORED: Final = (200, 201, 202, 204)
"""The answers to a PUT that registries use for success; the distribution-spec has 201 only."""


@dataclass(frozen=True, slots=True)
class UploadSession:
    """An upload session of a registry. `location` is the absolute URL of its next request."""

    location: str


def session_in(response: Response, transport: Transport, *, default: str = "") -> UploadSession:
    """Return the session at the `Location` of an answer, or at `default` if the answer has none."""
    response.close()
    location = response.headers.get("Location")
    if location is None and default:
        return UploadSession(default)
    if not location:
        # A 2xx without Location is the health page of a proxy, so another try may reach the registry:
        # https://github.com/kubevirt/kubevirt/issues/16844
        raise WireError(f"{response.origin} answered {response.status} to an upload, without a Location")
    return UploadSession(transport.named(response.url, location))


def check_stored(response: Response, digest: Digest, name: str, *, after: str = "no tag was set") -> None:
    """Raise RejectedError if the answer to a PUT names another digest than that of what was sent.

    `name` is that of the repository, and `after` says in a hint what has come of it.
    """
    response.close()
    stored = response.headers.get("Docker-Content-Digest")
    # A proxy may join two headers of one name: https://www.rfc-editor.org/rfc/rfc9110#section-5.3
    if stored and {part.strip() for part in stored.split(",")} != {digest}:
        raise RejectedError(
            f"{name} stored {one_line(stored, 100)} when it was sent {digest}",
            hint=f"ask whoever runs the registry, or a proxy in front of it: it changes what is sent to it; {after}",
        )
