"""One run: what is opened once, however many images the run makes, and closed when it ends."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from flakeship import events
from flakeship.commands.runtime import Runtime
from flakeship.errors import UsageError
from flakeship.image.workers import joined
from flakeship.registry.reference import Reference, names_a_host
from flakeship.settings.declaration import Settings
from flakeship.stores.temporary import TemporaryStore, temporary_store

_JOIN_SECONDS: Final = 0.3
"""How long a run that fails waits for its threads, of which one may look up a name or sleep before another try."""

# docs/decisions.md#modules-are-loaded-when-they-are-needed
if TYPE_CHECKING:  # each is imported when it is first opened: most commands and most images do without
    from flakeship.commands.building.builder import Builder
    from flakeship.commands.connections import Connections
    from flakeship.commands.source_place import SourcePlace
    from flakeship.confinement.scripts import Confinement
    from flakeship.destinations.written_blobs import WrittenBlobs
    from flakeship.image.model import SourceGoneError
    from flakeship.metadata.context import Context
    from flakeship.sources.blobs import RegistryImage
    from flakeship.sources.written import WrittenSource


# docs/decisions.md#a-run-and-a-request
class Run:
    """Everything is opened when it is first asked for, and closed by the scope of `open_run`.

    `settings` are those that hold for the whole run; what a step needs of one image is in its Request.
    """

    def __init__(self, settings: Settings, runtime: Runtime, scope: contextlib.ExitStack) -> None:
        self.runtime = runtime
        self.scope = scope
        self._settings = settings
        self._places: dict[WrittenSource, SourcePlace] = {}

    @property
    def emit(self) -> events.Emit:
        """Takes every event of the run."""
        return self.runtime.emit

    @contextlib.contextmanager
    def stage(self, name: str, title: str) -> Iterator[None]:
        """Emit that a stage begins and, unless it fails, that it is finished."""
        self.emit(events.StageStarted(name, title))
        begun = self.runtime.clock()
        yield
        ended = self.runtime.clock()
        self.emit(events.StageFinished(name, ended - begun, ended))

    @cached_property
    def event(self) -> Context:
        """The event that started the run, found out from CI or git; GitHub's API is asked at most once."""
        from flakeship.commands.event import context_of

        return context_of(self._settings, self.runtime, session=lambda: self.connections.session)

    def check_connections(self) -> None:
        """UsageError for a `ca`, `plain-http` or `registry` that can't be. An image that goes nowhere needs no HTTP client for that."""
        if self._settings.registry and not names_a_host(self._settings.registry):
            raise UsageError(
                f"registry: {self._settings.registry!r} names no host",
                hint="write HOST or HOST:PORT, the registry that `username` and `password` are for, and check that no variable in it is unset",
            )
        if self._settings.ca and not Path(self.runtime.cwd, self._settings.ca).is_file():
            raise UsageError(
                f"ca: there is no file {self._settings.ca}", hint="name a file of PEM certificates"
            )
        for host in self._settings.plain_http:
            if "/" in host or Reference.parse(f"{host}/x").registry != host:
                raise UsageError(
                    f"plain-http: {host!r} is not a host as references name it",
                    hint="write HOST or HOST:PORT, in lower case and without http://",
                )

    @cached_property
    def connections(self) -> Connections:
        """The way to registries. UsageError for a `ca` or `plain-http` that can't be."""
        from flakeship.commands.connections import Connections

        self.check_connections()
        opened = Connections.of(self._settings, self.runtime)
        self.scope.enter_context(opened.session)
        return opened

    @cached_property
    def written(self) -> WrittenBlobs:
        """What the images of the run that are finished left in registries."""
        from flakeship.destinations.written_blobs import WrittenBlobs

        return WrittenBlobs()

    @cached_property
    def store(self) -> TemporaryStore:
        """The temporary folder of the run, as the store of layers that are on their way."""
        return self.scope.enter_context(temporary_store(self.runtime.temporary))

    @cached_property
    def builder(self) -> Builder:
        """The Nix of this machine, set up as the inputs say. BuildError if Nix is not installed."""
        from flakeship.commands.building.inputs import open_builder

        if self._settings.nix_config or self._settings.ssh_known_hosts:
            from flakeship.commands.empty_secrets import tell_of_empty_secrets

            tell_of_empty_secrets(self._settings, self.runtime.environ, self.emit)
        return open_builder(
            self._settings,
            environ=self.runtime.environ,
            emit=self.emit,
            connections=lambda: self.connections,
            event=lambda: self.event,
            folder=self.store.directory,
            scope=self.scope,
            cwd=self.runtime.cwd,
        )

    def all_built(self) -> None:
        """Note that no further image is to be built."""
        if "builder" in self.__dict__:
            self.builder.all_built()

    def note_gone(self, error: SourceGoneError) -> None:
        """Note why the parts that were offered last can't be had."""
        if "builder" in self.__dict__:
            self.builder.gone = error

    @cached_property
    def confinement(self) -> Confinement:
        """How what a flake made is executed, which some of its results must be."""
        from flakeship.confinement.scripts import Confinement

        return Confinement(required=self._settings.sandbox == "required", emit=self.emit)

    def source_place(self, source: WrittenSource) -> SourcePlace:
        """Where a source that is in no registry can be read. What comes once is kept in the run's folder, for all images."""
        if source not in self._places:
            from flakeship.commands.source_place import comes_once, place_of

            once = comes_once(source, self.runtime)
            with self.stage("read", f"reading {source.shown}") if once else contextlib.nullcontext():
                self._places[source] = place_of(source, self.runtime, lambda: self.store.directory)
        return self._places[source]

    def registry_image(self, name: str, *, pushed_to: Collection[str] = ()) -> RegistryImage:
        """The image that `docker://REFERENCE` names; asks for its manifest alone. UsageError if it does not exist.

        `pushed_to` are the registries that the image made of it is pushed to, if any.
        """
        from flakeship.commands.lower_case import in_lower_case
        from flakeship.commands.registry_image import registry_image

        return registry_image(in_lower_case(name, self.emit), self.connections, pushed_to=pushed_to)


@contextlib.contextmanager
def open_run(settings: Settings, runtime: Runtime, *, builds: bool = True) -> Iterator[Run]:
    """Open a run for all images that `settings` ask for; everything it opened is closed with the block.

    What builds nothing has no use for binary caches, whose inputs may be in the environment of a job for another of its commands.
    """
    with contextlib.ExitStack() as scope:
        try:
            yield Run(settings if builds else _without_caches(settings), runtime, scope)
        except BaseException:
            # By now what they read from and wrote to has ended, and their files are still there.
            joined(_JOIN_SECONDS)
            raise


def _without_caches(settings: Settings) -> Settings:
    return replace(
        settings,
        nix_cache="",
        cachix="",
        cachix_auth_token="",
        cachix_signing_key="",
        substituters=(),
        trusted_public_keys=(),
    )
