"""Nix as one run uses it: found once, its sandbox looked at once, its caches opened once, however many images it builds."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from flakeship import events
from flakeship.errors import BuildError, Error
from flakeship.image.model import SourceGoneError
from flakeship.nix.build import BuildOutput, build, system_of, words_for
from flakeship.nix.command import Nix
from flakeship.nix.configuration import SandboxState, sandbox_state, uses_daemon
from flakeship.nix.configuration import settings as nix_settings
from flakeship.nix.flake import FlakeMetadata, source_of
from flakeship.nix.installable import Installable
from flakeship.nix.store_place import check_store

if TYPE_CHECKING:  # most runs take the caches that nix.conf names
    from flakeship.caches import CacheInputs, CachePlan
    from flakeship.commands.building.cached_store import CachedStore
    from flakeship.commands.building.far_store import FarPlace
    from flakeship.commands.building.other_store import OtherStore
    from flakeship.commands.building.remote_builders import RemoteBuilders
    from flakeship.commands.building.ssh_access import OpenSsh
    from flakeship.commands.connections import Connections
    from flakeship.nix.build import Elsewhere
    from flakeship.nix.closure import PathInfo
    from flakeship.nix.derivation import Derivation
    from flakeship.nix.machine import Answer
    from flakeship.nix.remote_builder import RemoteBuilder

_HINT_GONE: Final = "check that cache, or set `log-level: debug` to see what failed; the image is the same"
_ASKED_ALREADY: Final = ("tarball-ttl", str(7 * 24 * 3600))
"""Seconds for which Nix takes what it has fetched without asking again."""


class Described(Protocol):
    """An installable that its evaluation describes: what `buildable.Buildable` is to a Builder."""

    @property
    def installable(self) -> Installable:
        """What Nix is told to build."""

    def build(self) -> BuildOutput:
        """Build it, if that was not done."""

    def description(self, nix: Nix | None = None) -> Derivation:
        """Evaluate it with that Nix. May be called from any thread."""


@dataclass(kw_only=True)
class Builder:
    """Builds installables. BuildError or ResourceError as `nix.build` raises them.

    `folder` is private and outlives every build. `cache_inputs` is
    None where no input names a cache; caches are closed by `scope`, when all is built. `ssh` is None where no input
    is for it; `builders` are other machines that it reaches. `far` is the place where all is built and kept if that is
    not this machine. With `realises_all` nothing is left in caches.
    """

    nix: Nix
    sandbox_required: bool
    cache_inputs: CacheInputs | None
    connections: Callable[[], Connections]
    folder: Path
    emit: events.Emit
    scope: contextlib.ExitStack
    ssh: OpenSsh | None = None
    builders: tuple[RemoteBuilder, ...] = ()
    far: FarPlace | None = None
    realises_all: bool = False
    described: dict[Installable, Derivation] = field(default_factory=dict, init=False, repr=False)
    """What was evaluated for many attributes at once, by those who look at many before any is built."""
    _opening: threading.RLock = field(default_factory=threading.RLock, init=False, repr=False)
    _asking: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)
    _built: dict[Installable, BuildOutput] = field(default_factory=dict, init=False, repr=False)
    _left: dict[Installable, BuildOutput] = field(default_factory=dict, init=False, repr=False)
    """What was left in the caches, from which its image is read."""
    _cached: CachedStore | None = field(default=None, init=False, repr=False)
    gone: SourceGoneError | None = field(default=None, init=False, repr=False)
    """Why the last list of parts could not be had."""
    _sources: dict[tuple[str, str], FlakeMetadata | None] = field(
        default_factory=dict, init=False, repr=False
    )

    def build(self, installable: Installable, described: Derivation | None = None) -> BuildOutput:
        """Build under the caches; what is built is pushed to those that take it. `described` as `nix.build` takes it.

        What this run has built is not built again: an impure derivation would give something else.
        """
        if installable not in self._built:
            plan = self._cache_plan
            with self.building():
                nix = self._to_build_with((installable,), lambda nix: words_for(nix, installable, described))
                self._built[installable] = build(
                    nix,
                    installable,
                    emit=plan.telling(self.emit) if plan else self.emit,
                    described=described,
                    elsewhere=self._elsewhere,
                )
            for built in plan.built if plan else ():
                built(self._built[installable])
        return self._built[installable]

    def all_built(self) -> None:
        """Let the caches know that nothing more is to be built, for all that is known. Those that were never opened hear nothing."""
        plan: CachePlan | None = self.__dict__.get("_opened_caches")
        for all_built in plan.all_built if plan else ():
            all_built()

    def source(self, installable: Installable) -> FlakeMetadata | None:
        """The locked source of the installable's flake, asked for once however many of its attributes are published."""
        key = installable.cwd, installable.flake
        with self._asking:
            if key not in self._sources:
                found = self._sources[key] = source_of(self.nix, installable)
                folder = installable.directory
                if found and found.inputs and folder and not (folder / "flake.lock").exists():
                    self.emit(
                        events.Notice(
                            f"{installable.flake} has no flake.lock, so its inputs are those of today and another run may build "
                            "something else: run `nix flake lock`, and commit the file"
                        )
                    )
            return self._sources[key]

    def _metadata_of(self, flake: str) -> Mapping[str, Any]:
        """Return the metadata of a flake, which Nix is asked for once, for labels and for caches. Errors as `source`."""
        assert self.cache_inputs is not None
        found = self.source(Installable.parse(flake, cwd=self.cache_inputs.cwd))
        return found.answer if found else {}

    def build_together(self, wanted: Sequence[Described]) -> list[BuildOutput]:
        """Build all of them in one call of Nix, as `build` does one; what this run has built is not built again."""
        new = {each.installable: each for each in wanted if each.installable not in self._built}
        if len(new) > 1:
            from flakeship.nix.build import build_together, words_together

            plan = self._cache_plan
            with self.building():
                described = _described_together(self.evaluating, tuple(new.values()))
                if self.far:
                    self.far.keep([path for each in described.values() for path in each.paths])
                made = build_together(
                    self._to_build_with(tuple(new), lambda nix: words_together(nix, described)),
                    described,
                    emit=plan.telling(self.emit) if plan else self.emit,
                    elsewhere=self._elsewhere,
                )
            self._built |= made
            for output in made.values():
                for built in plan.built if plan else ():
                    built(output)
        return [each.build() for each in wanted]

    def obtain_together(self, wanted: Sequence[Described]) -> list[BuildOutput]:
        """As `build_together`, but what caches have with all that it needs is left there: `place_of` reads it."""
        left = {each.installable: found for each in wanted if (found := self.left_in_caches(each))}
        missing = [each for each in wanted if each.installable not in left]
        made = dict(zip((each.installable for each in missing), self.build_together(missing), strict=True))
        return [(left | made)[each.installable] for each in wanted]

    # docs/decisions.md#what-caches-have-needs-no-store
    def left_in_caches(self, wanted: Described) -> BuildOutput | None:
        """The result of what need not be realised, since the caches have it and all that it needs; None where they have not."""
        installable = wanted.installable
        if installable in self._built or self.realises_all or self.far or self.cache_inputs is None:
            return None
        if installable not in self._left and (store := self._cached_store()):
            try:
                # asked for by labels anyway; while the store lacks the flake's source, Nix would ask the caches for it
                self.source(installable)
                found = wanted.description(self.configured)
            except Error:  # the build will say what is wrong, and better
                return None
            if found.paths and found.drv_path and store.take(found.paths):
                try:
                    system = system_of(self.nix, found.drv_path)
                except BuildError:  # as an earlier run has evaluated it, and removed from the store since
                    system = found.system
                self._left[installable] = BuildOutput(found.drv_path, found.outputs, system)
                self.emit(
                    events.Notice(
                        f"caches have {installable} and all that it needs, so it is not copied into the store"
                    )
                )
        return self._left.get(installable)

    def _cached_store(self) -> CachedStore | None:
        plan, inputs = self._cache_plan, self.cache_inputs
        pushes = inputs is not None and bool(inputs.cachix_auth_token or inputs.cachix_signing_key)
        if self._cached is None and plan and plan.substitutes and not pushes:
            from flakeship.commands.building.cached_store import CachedStore

            self._cached = CachedStore(
                nix=self.nix,
                substitutes=plan.substitutes,
                folder=self.folder,
                emit=self.emit,
                heard=plan.telling(self.emit) if plan.heard else None,
            )
            self.scope.callback(self._cached.tell)
        return self._cached

    def realise_left(self) -> bool:
        """Realise from now on what was left in caches, as it can't be had from there, and say why; whether anything was."""
        if not self._left or self._cached is None:
            return False
        self._cached.give_up()
        self._left.clear()
        gone = self.gone or SourceGoneError("a cache does not give what it says it has")
        text = f"{gone}, so what the image needs is realised here, as Nix does it"
        # of a cache that fails there is one warning
        self.emit(events.Notice(text) if gone.is_told else events.Warned(text, hint=_HINT_GONE))
        return True

    def place_of(self, *paths: str) -> OtherStore | None:
        """Where the files of these results are read from; None for the store of this machine, which has all of them."""
        if self.far or self._cached is None or self._cached.roots.isdisjoint(paths):
            return self.far
        return self._cached

    # docs/decisions.md#the-ssh-key-is-the-runs-file
    @property
    def evaluates_first(self) -> bool:
        """Whether what is built may read our files, of which `ssh-key` is one: then all is fetched before anything is built.

        Not where Nix needs the key while it builds, to reach other machines.
        """
        return not self.far and self._key_is_open and not self.builders

    @property
    def _key_is_open(self) -> bool:
        return self.ssh is not None and self.ssh.key is not None and not self.sandbox.holds

    @contextlib.contextmanager
    def building(self) -> Iterator[None]:
        """Around whatever builds: `ssh-key` is away where what is built could read it, and no folder of Nix's hook is left."""
        with contextlib.ExitStack() as scope:
            if self.builders:
                from flakeship.nix.hook_folders import without_hook_folders

                scope.enter_context(without_hook_folders(self.nix.environ))
            if self.ssh and self.evaluates_first:
                scope.enter_context(self.ssh.without_key())
            yield

    @cached_property
    def _known(self) -> Mapping[str, Any]:
        """The settings of Nix by name."""
        return nix_settings(self.nix)

    @cached_property
    def sandbox(self) -> SandboxState:
        """The state of Nix's sandbox for this run. BuildError where the input `sandbox` requires it and Nix can't do it.

        UsageError where what is built would not be in /nix/store: nothing is built before this is asked.
        """
        check_store(self.nix, self._known)
        state = sandbox_state(self.nix, known=self._known)
        if self.sandbox_required and not state.holds:
            raise BuildError(
                f"`sandbox` is `required`, but {state}",
                hint="run where Nix may make namespaces, or set `sandbox: auto`",
            )
        return state

    def ready(self) -> str:
        """Return what is to be said before a build: whether Nix isolates it, and where it happens. Errors as `sandbox`.

        Where all is built elsewhere, that machine is asked whether it is there, with the errors of `FarPlace.check`.
        """
        if self.far is None:
            return str(self.sandbox)
        self.far.check()
        return self.far.told

    def closure(self, nix: Nix, path: str) -> tuple[PathInfo, ...]:
        """Return `path` and all that it needs at run time, where it is. Errors as `nix.closure` and `FarStore.closure`."""
        from flakeship.nix.closure import closure

        place = self.place_of(path)
        return place.closure(path) if place else closure(nix, path)

    def why_depends(self, root: str, path: str) -> tuple[str, ...]:
        """As `nix.why_depends` has it, empty where all lies on another machine."""
        if self.far:
            return ()
        if self._cached and (chain := self._cached.chain(root, path)) is not None:
            return chain
        from flakeship.nix.why_depends import why_depends

        return why_depends(self.nix, root, path)

    @property
    def _elsewhere(self) -> Elsewhere | None:
        return self.far or self._remote

    @cached_property
    def _remote(self) -> RemoteBuilders | None:
        """The other machines of this run; None where none is named, and this machine builds."""
        if not self.builders and self._known.get("max-jobs") != 0:
            return None
        from flakeship.commands.building.remote_builders import RemoteBuilders

        remote = RemoteBuilders(builders=self.builders, ssh=self.ssh, known=self._known, emit=self.emit)
        remote.check(self.nix)
        return remote

    def ask_machines(self) -> list[Answer]:
        """Ask the builders whether Nix answers there; none where a daemon connects to them. UsageError for an unknown host key."""
        if self.far or self._remote is None or uses_daemon(self.nix, self._known):
            return []
        from flakeship.nix.machine import ask_all

        return ask_all(self.nix, [each.machine for each in self.builders])

    def _to_build_with(
        self, installables: Sequence[Installable], words: Callable[[Nix], Sequence[str]]
    ) -> Nix:
        """The Nix that builds them: where something must be built, with the machines that answer. Errors as `RemoteBuilders.ready`."""
        nix, remote = self.configured, None if self.far else self._remote
        if remote is None:
            return nix
        from flakeship.nix.to_build import to_build

        derivations = to_build(nix, installables, words(nix))
        if not derivations:  # or the evaluation fails, which the build itself reports
            return nix
        ready = remote.ready(nix, derivations)
        if self._key_is_open:
            remote.warn_of_key()
        return ready

    @property
    def evaluating(self) -> Nix:
        """Nix as it evaluates: with the caches of the run where those hold the flake's inputs, which it else would fetch."""
        kept = self.cache_inputs.kept if self.cache_inputs else None
        return self.configured if kept and kept.cache.inputs else self.nix

    @cached_property
    def configured(self) -> Nix:
        """Nix with the options that builds get: whether they are isolated, and the caches of the inputs."""
        nix = self._isolating.with_options([_ASKED_ALREADY]) if self.evaluates_first else self._isolating
        return self._cache_plan.applied(nix) if self._cache_plan else nix

    @cached_property
    def _isolating(self) -> Nix:
        # Nix 2.8 as root tries to isolate builds where it can't, and fails; newer versions fall back by themselves.
        # docs/decisions.md#the-sandbox-is-switched-off-where-impossible
        falls_back = not self.far and self.sandbox.possible is False and self.sandbox.fallback
        return self.nix.with_options([("sandbox", "false")]) if falls_back else self.nix

    @property
    def _cache_plan(self) -> CachePlan | None:
        """The caches of the run, opened once by whichever thread comes first; None where no input names one."""
        if self.cache_inputs is None:
            return None
        with self._opening:
            return self._opened_caches

    @cached_property
    def _opened_caches(self) -> CachePlan:
        assert self.cache_inputs is not None
        from flakeship import caches
        from flakeship.http.fetch import Fetcher

        connections = self.connections()
        tools = caches.CacheTools(
            nix=self._isolating,
            emit=self.emit,
            fetch=Fetcher(connections.session),
            folder=self.folder,
            client=connections.client,
            transport=connections.session,
            known=lambda: self._known,
            flake_metadata=self._metadata_of,
        )
        return self.scope.enter_context(caches.opened(self.cache_inputs, tools))


def _described_together(nix: Nix, wanted: Sequence[Described]) -> dict[Installable, Derivation]:
    """Evaluate all of them at the same time. The first error is raised."""
    from flakeship.image.workers import workers

    # Two that evaluate one flake beside each other must not share Nix 2.8's cache, where one finds what is half written
    anew = nix.without_evaluation_cache()
    with workers("describe", len(wanted)) as pool:
        answers = {each.installable: pool.submit(each.description, anew) for each in wanted}
        return {installable: answer.result() for installable, answer in answers.items()}
