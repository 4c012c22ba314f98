"""Docker's contexts: the engine that its own command speaks to, by a name that `docker context use` has chosen.

https://docs.docker.com/engine/manage-resources/contexts/
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from flakeship.errors import UsageError

_LIMIT: Final = 1 << 20
_HINT: Final = "choose one that `docker context ls` lists by `docker context use NAME`, or set DOCKER_HOST to the address of the engine"


@dataclass(frozen=True, slots=True)
class Context:
    """`address` is the URL of the engine's API; empty where the context is named and not described on this machine.

    `certificates` is the folder of ca.pem, cert.pem and key.pem, None without TLS; `verified` whether the engine's own
    certificate is checked.
    """

    name: str
    address: str
    certificates: Path | None = None
    verified: bool = True


def chosen_context(environ: Mapping[str, str], home: Path) -> Context | None:
    """Return the context of DOCKER_CONTEXT, else docker's current one; None for that without a name, which is `default`.

    UsageError is raised for one that is not there, or is damaged. A config.json that was brought to a machine without
    contexts, for its credentials, is no such case.
    """
    folder = Path(environ.get("DOCKER_CONFIG") or home / ".docker")
    name = environ.get("DOCKER_CONTEXT") or _text(_object_of(folder / "config.json"), "currentcontext")
    if name in ("", "default"):
        return None
    digest = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()
    file = folder / "contexts/meta" / digest / "meta.json"
    if not environ.get("DOCKER_CONTEXT") and not (folder / "contexts/meta").is_dir():
        return Context(name, "")
    if not file.is_file():
        raise UsageError(f"docker's context {name!r} does not exist: there is no {file}", hint=_HINT)
    endpoint = _member(_member(_object_of(file), "endpoints"), "docker")
    address = _text(endpoint, "host")
    if not address:
        raise UsageError(f"docker's context {name!r} names no engine in {file}", hint=_HINT)
    certificates = folder / "contexts/tls" / digest / "docker"
    return Context(
        name,
        address,
        certificates if certificates.is_dir() else None,
        verified=not _member(endpoint, "skiptlsverify"),
    )


def _object_of(file: Path) -> Any:
    """Return the document of a file, None for one that cannot be read: docker goes on without it, with a warning."""
    try:
        with file.open("rb") as opened:
            return json.loads(opened.read(_LIMIT))
    except (OSError, ValueError, RecursionError):
        return None


def _member(document: Any, name: str) -> Any:
    """Return a field, whose name docker reads without regard to case."""
    if not isinstance(document, dict):
        return None
    return next((value for key, value in document.items() if key.lower() == name and value is not None), None)


def _text(document: Any, name: str) -> str:
    found = _member(document, name)
    return found if isinstance(found, str) else ""
