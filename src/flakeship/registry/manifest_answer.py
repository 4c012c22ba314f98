"""The answer to a request for a manifest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from flakeship.http.errors import BrokenConnectionError, WireError
from flakeship.image.document import DOCUMENT_LIMIT
from flakeship.image.model import Digest, digest_of

if TYPE_CHECKING:
    from flakeship.http.response import Response

_VENDOR: Final = "application/vnd."
"""What the media types of manifests begin with, old ones and those of artifacts too."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest or an index as a registry sent it. `digest` is computed from `data`, not taken from the registry.

    `media_type` is empty where the registry hands it out as some file (application/json, text/plain …): then the document
    tells what it is.
    """

    media_type: str
    data: bytes
    digest: Digest


def manifest_in(response: Response, reference: str, name: str) -> Manifest:
    """Read the manifest at `reference` of the repository `name`.

    WireError is raised for one of more than 4 MiB, BrokenConnectionError for one whose end is missing.
    """
    data = response.read(DOCUMENT_LIMIT + 1)
    if len(data) > DOCUMENT_LIMIT:
        raise WireError(f"the manifest {reference} of {name} is larger than 4 MiB", transient=False)
    manifest = Manifest(_media_type(response), data, digest_of(data))
    if not response.is_delimited and _promised(reference, response) not in ("", manifest.digest):
        raise BrokenConnectionError(f"the connection broke before {name} had sent all of {reference}")
    return manifest


def _media_type(response: Response) -> str:
    """Return the Content-Type without parameters, and an empty text for one that web servers give to any file."""
    said = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return said if said.startswith(_VENDOR) else ""


def _promised(reference: str, response: Response) -> str:
    """Return the SHA-256 digest that a manifest must have; empty where neither we nor the registry know it."""
    digest = reference if ":" in reference else response.headers.get("Docker-Content-Digest", "")
    return digest if digest.startswith("sha256:") else ""
