"""The API of a container engine, spoken by docker's SDK. Podman's service speaks the same API.

https://docs.docker.com/reference/api/engine/
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, Final

from flakeship.engines.engine import Engine
from flakeship.engines.failure import check_socket, explained
from flakeship.engines.load import Load
from flakeship.errors import UnreachableError, UsageError
from flakeship.image.stream import CHUNK

_ANSWER_SECONDS: Final = 60
_LOAD_SECONDS: Final = 1800
"""Silence that is waited for: an engine that unpacks a large layer does not answer for minutes."""


class EngineApi:
    """A connection to one engine. Every method raises UnreachableError if the engine refuses or goes away."""

    def __init__(self, engine: Engine) -> None:
        """Connect. NotAllowedError if this user may not open the engine's socket."""
        # docs/decisions.md#one-package-uses-the-sdk-of-docker
        from docker import APIClient

        self._engine = engine
        with explained(engine):
            check_socket(engine.address)
            try:
                self._client: Any = APIClient(  # Any: the SDK's stubs know little
                    base_url=engine.address, version="auto", timeout=_ANSWER_SECONDS, tls=_tls_of(engine)
                )
            except ValueError as error:  # what urllib says of a host or a port
                raise UsageError(
                    f"{engine.address!r} is not the address of an engine: {error}",
                    hint="write unix:///PATH or tcp://HOST:PORT in DOCKER_HOST, or in docker's context",
                ) from error

    def wait_for_loads(self) -> None:
        """From now on wait for answers as long as a load may take."""
        self._client.timeout = _LOAD_SECONDS

    def has_classic_store(self) -> bool:
        """Return True if the engine looks layers up before it reads them from an archive.

        Docker's classic store does; containerd's and podman's want every layer.
        """
        with explained(self._engine):
            version = self._client.version()
            if any("podman" in str(part.get("Name", "")).lower() for part in version.get("Components") or ()):
                return False
            status = self._client.info().get("DriverStatus") or ()
            return not any("containerd" in str(word) for row in status for word in row)

    def platform(self) -> tuple[str, str]:
        """Return the OS and the architecture that the engine runs, as Go names them."""
        with explained(self._engine):
            version = self._client.version()
        return str(version.get("Os") or "linux"), str(version.get("Arch") or "")

    def images(self) -> list[Sequence[str]]:
        """Return the diff_ids of every image of the engine, from the lowest layer up."""
        with explained(self._engine):
            return list(self._images())

    def inspect(self, name: str) -> tuple[str, Sequence[str]]:
        """Return the id and the diff_ids of the image with this name or id."""
        with explained(self._engine):
            found = self._client.inspect_image(name)
        return str(found.get("Id")), _layers_of(found)

    def save(self, name: str) -> Iterator[bytes]:
        """The archive of the image with this name or id, in pieces as they come. UsageError where there is no such image."""
        import docker.errors

        with explained(self._engine, "did not hand over the image"):
            try:
                found = self._client.inspect_image(name)
                self.wait_for_loads()
                yield from self._archive_of(_one_name(name, found.get("RepoTags") or ()))
            except docker.errors.NotFound as error:
                raise UsageError(
                    f"{self._engine.name} has no image {name}, at {self._engine.address}",
                    hint="list its images by `docker images` or `podman images`; write docker://REFERENCE for an image of a registry",
                ) from error

    def _archive_of(self, name: str) -> Iterator[bytes]:
        import docker.errors

        try:
            yield from self._client.get_image(name, CHUNK)
        except docker.errors.APIError:
            raise
        except OSError as error:  # what requests raises is one, too
            raise UnreachableError(
                f"{self._engine.name} broke off in the middle of the image {name}",
                hint="look at the engine's log, and run again",
                detail=str(error),
            ) from error

    def load(self) -> Load:
        """Begin to load an image from an archive."""
        return Load(self._client)

    def close(self) -> None:
        """End the connection."""
        self._client.close()

    def _images(self) -> Iterator[Sequence[str]]:
        import docker.errors

        for image in self._client.images(quiet=True, all=True):
            with contextlib.suppress(docker.errors.NotFound):  # removed since it was listed
                yield _layers_of(self._client.inspect_image(image))


def _one_name(name: str, tags: Sequence[str]) -> str:
    """Without a tag an engine would save what all tags of the repository name."""
    latest = f"{name}:latest"
    return latest if any(f"/{tag}".endswith(f"/{latest}") for tag in tags) else name


def _layers_of(image: dict[str, Any]) -> Sequence[str]:
    return (image.get("RootFS") or {}).get("Layers") or ()


def _tls_of(engine: Engine) -> Any:
    """Return docker.APIClient's `tls`, by DOCKER_TLS_VERIFY and DOCKER_CERT_PATH."""
    from docker.utils import kwargs_from_env

    # without an environment the SDK would take the process's own
    return kwargs_from_env(environment=dict(engine.environ)).get("tls", False) if engine.environ else False
