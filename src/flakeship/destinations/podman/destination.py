"""Loads an image into podman: by its service if that answers, else by its command."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from flakeship import events, process
from flakeship.confinement import variables
from flakeship.destinations.archive.file import ArchiveDestination
from flakeship.destinations.docker_daemon.destination import EngineDestination
from flakeship.destinations.image_name import ImageName
from flakeship.destinations.protocol import DeliveredBlob, Destination, Prepared, RunsImages, Tagging
from flakeship.engines.engine import Engine
from flakeship.errors import UnreachableError
from flakeship.image.model import Packed, PackedLayer, Platform

_LOAD_SECONDS: Final = 1800


class PodmanDestination:
    """Podman's storage and the names that an image gets there. To be used as a context manager.

    `service` is None if there is no socket; then `podman load` reads the image from a file in the folder that
    `temporary` returns.
    """

    def __init__(
        self,
        service: Engine | None,
        names: tuple[ImageName, ...] = (),
        *,
        environ: Mapping[str, str],
        temporary: Callable[[], Path],
        emit: events.Emit = events.ignore,
    ) -> None:
        self._service, self._names = service, names
        self._environ, self._temporary, self._emit = environ, temporary, emit
        self._scope = contextlib.ExitStack()
        self._inner: Destination | None = None

    @property
    def name(self) -> str:
        """The scheme: `containers-storage`."""
        return "containers-storage"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._scope.__exit__(kind, error, trace)

    def check(self) -> None:
        """Choose the service or the command. UnreachableError if the service does not answer and there is no command."""
        command = shutil.which("podman", path=self._environ.get("PATH"))
        if self._service:
            engine = self._scope.enter_context(EngineDestination(self._service, self._names, emit=self._emit))
            try:
                engine.check()
            except UnreachableError:  # a socket outlives its service
                if not command:
                    raise
            else:
                self._inner = engine
                return
        if not command:
            raise UnreachableError(
                "podman was not found: its service has no socket here, and its command is not in PATH",
                hint="install podman, or set CONTAINER_HOST to the address of its service; in a container, mount its socket: "
                "`-v SOCKET:/run/podman/podman.sock` (`podman info --format '{{.Host.RemoteSocket.Path}}'` prints SOCKET)",
            )
        folder = self._scope.enter_context(
            tempfile.TemporaryDirectory(prefix="podman-", dir=self._temporary())
        )
        loading = _Command(command, Path(folder) / "image.tar", self._names, self._environ, self._emit)
        self._scope.enter_context(loading.archive)
        loading.check()
        self._inner = loading

    def platform(self) -> Platform:
        """The platform of the service, which may be in a virtual machine; the command runs on this machine."""
        if isinstance(self._inner, RunsImages):
            return self._inner.platform()
        return Platform.of("linux", os.uname().machine)

    def take(self, layer: PackedLayer, *, certain: bool = True) -> DeliveredBlob:
        """Hand the layer to the service, or write it to the file for the command."""
        assert self._inner
        return self._inner.take(layer, certain=certain)

    def prepare(self, packed: Packed, *, alone: bool = False) -> Prepared:
        """Complete the image; podman writes the names when it has read all of it."""
        assert self._inner
        return self._inner.prepare(packed)


class _Command:
    """Loads by `podman load`, which needs a file: it opens its input once for each format that it may have."""

    name = "containers-storage"

    def __init__(
        self,
        command: str,
        file: Path,
        names: tuple[ImageName, ...],
        environ: Mapping[str, str],
        emit: events.Emit,
    ) -> None:
        self._command, self._file, self._names, self._emit = command, file, names, emit
        self._environ = variables.PODMAN.of(environ)
        self.archive = ArchiveDestination(file, "docker-archive", names)
        self.check = self.archive.check

    def take(self, layer: PackedLayer, *, certain: bool = True) -> DeliveredBlob:
        """Write the layer to the file."""
        delivered = self.archive.take(layer, certain=certain)
        digest, size = delivered.digest, delivered.size
        self._emit(events.LayerProgress(layer.name, delivered.state, size, digest, self.name))
        return delivered

    def prepare(self, packed: Packed, *, alone: bool = False) -> Prepared:
        """Complete the file; loading it writes all names at once."""
        published = self.archive.prepare(packed).finish()
        names = (
            [str(name) for name in self._names] or packed.image.names or (packed.config_descriptor.digest,)
        )
        references = tuple(f"{self.name}:{name}" for name in names)
        loaded = replace(published, destination=self.name, reference=references[0])
        return Prepared(((Tagging(references, self._load),),), lambda: loaded)

    def _load(self) -> None:
        argv = [self._command, "load", "--quiet", "--input", str(self._file)]
        self._emit(events.Command(tuple(argv)))
        done = process.run(argv, environ=self._environ, timeout=_LOAD_SECONDS)
        if done.returncode:
            raise UnreachableError(
                f"podman refused the image: podman load failed with exit code {done.returncode}",
                hint="run `podman info`, which shows whether podman works and where its storage is",
                detail=done.stderr.decode("utf-8", "replace").strip()[-2000:],
            )
        self._file.unlink(missing_ok=True)
