"""Turns the errors of docker's SDK, and of the connection below it, into errors.Error."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import Final

from flakeship.engines.engine import Engine
from flakeship.errors import Error, NotAllowedError, UnreachableError

_CONNECT_SECONDS: Final = 10


@contextlib.contextmanager
def explained(engine: Engine, refused: str = "refused the image") -> Iterator[None]:
    """Raise UnreachableError for an engine that is absent or refuses, NotAllowedError for a socket this user may not open."""
    import docker.errors

    try:
        yield
    except docker.errors.APIError as error:
        raise UnreachableError(
            f"{engine.name} {refused}: {error.explanation or error}",
            hint="read the engine's log, and run `docker system df`, which shows whether its disk is full",
        ) from error
    except (docker.errors.DockerException, OSError) as error:
        raise _absent(engine, error) from error


def _absent(engine: Engine, error: Exception) -> Error:
    where, reason = f"{engine.name} does not answer at {engine.address}", _reason(error)
    if "Permission denied" in reason:
        return NotAllowedError(
            f"{where}: this user may not open its socket",
            hint="add the user to the group of the socket (`docker`), or run as a user who is in it",
        )
    return UnreachableError(f"{where}: {reason}", hint=engine.hint)


def check_socket(address: str) -> None:
    """Raise OSError if no engine listens at the address.

    The SDK would leave its own socket open, and wrap the reason many times.
    """
    scheme, _, path = address.partition("://")
    if scheme == "unix":
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(_CONNECT_SECONDS)
            probe.connect(path)


def _reason(error: BaseException) -> str:
    """Return the system's own words, from below what requests and the SDK have wrapped around them."""
    below: BaseException | None = error
    while below:
        for part in (below, *below.args):
            if isinstance(part, OSError) and part.strerror:
                return part.strerror
        below = below.__cause__ or below.__context__
    return str(error)
