"""Building with Nix: with its settings as the inputs say, isolated or not, under the caches that are asked for."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable
from pathlib import Path

from flakeship import caches, events
from flakeship.commands.publish.obtain import Builder, Obtained
from flakeship.commands.runtime import Runtime
from flakeship.errors import BuildError
from flakeship.http.fetch import Fetcher
from flakeship.http.transport import Transport
from flakeship.nix.build import build
from flakeship.nix.command import Nix
from flakeship.nix.configuration import sandbox_state
from flakeship.nix.derivation import Derivation, describe
from flakeship.nix.flake import source_of
from flakeship.nix.installable import Installable
from flakeship.settings.declaration import Settings
from flakeship.sources.blobs import Remote


def found_builder(settings: Settings, runtime: Runtime, folder: Path) -> Builder:
    """BuildError where there is no Nix; `folder` is private and outlives the build."""
    nix, installable = nix_of(settings, runtime, folder), installable_of(settings, runtime)
    return Builder(nix, installable, folder, _once(functools.partial(describe, nix, installable)))


def _once(ask: Callable[[], Derivation]) -> Callable[[], Derivation]:
    """For threads too: the second to ask waits for the answer to the first."""
    lock, answered = threading.Lock(), functools.cache(ask)

    def asked() -> Derivation:
        with lock:
            return answered()

    return asked


def installable_of(settings: Settings, runtime: Runtime) -> Installable:
    """What `flake`, or `file` and `attr`, name."""
    if not settings.file:
        return Installable.parse(settings.installable, cwd=str(runtime.cwd))
    return Installable.of_file(
        settings.file, settings.attr, search_path=settings.nix_path, cwd=str(runtime.cwd)
    )


def nix_of(settings: Settings, runtime: Runtime, folder: Path) -> Nix:
    """The Nix of this machine, set up as the inputs say; `folder` is its home where there is no other."""
    return Nix.find(
        environ=runtime.environ,
        emit=runtime.emit,
        config=settings.nix_config,
        impure=settings.impure,
        allow_unfree=settings.allow_unfree,
        accept_flake_config=settings.accept_flake_config,
        require_sandbox=settings.sandbox == "required",
        spare_home=str(folder),
    )


def built(
    builder: Builder,
    settings: Settings,
    runtime: Runtime,
    session: Transport,
    scope: contextlib.ExitStack,
    *,
    base: Remote | None,
) -> Obtained:
    """The installable of `builder`, built under its caches; `base` is what a package is to be put on.

    The caches stay open until `scope` is closed, because a source may have Nix build more.
    """
    installable = builder.installable
    with runtime.stage("build", f"building {installable}"):
        nix = _sandboxed(builder.nix, settings, runtime)
        plan = scope.enter_context(
            caches.opened(
                cache_inputs(settings), caches.CacheTools(nix, runtime.emit, Fetcher(session), builder.folder)
            )
        )
        cached = nix.with_options(plan.options)
        building = functools.partial(
            build, cached, emit=runtime.emit, watch=plan.watch, extra_environ=plan.environ
        )
        output = building(installable)
        flake = source_of(nix, installable)
    if settings.verify == "rebuild":
        from flakeship.nix.reproduce import check_reproducible

        with runtime.stage("rebuild", f"building {installable} a second time, to compare"):
            check_reproducible(cached, installable, output, emit=runtime.emit)
    return Obtained(
        Path(output.out_path),
        output,
        flake,
        cached,
        base=base,
        described=builder.described,
        build=building,
    )


def cache_inputs(settings: Settings) -> caches.CacheInputs:
    """Return the inputs that name binary caches."""
    return caches.CacheInputs(
        cachix=settings.cachix,
        cachix_auth_token=settings.cachix_auth_token,
        cachix_signing_key=settings.cachix_signing_key,
        substituters=settings.substituters,
        trusted_public_keys=settings.trusted_public_keys,
    )


def _sandboxed(nix: Nix, settings: Settings, runtime: Runtime) -> Nix:
    """Say once whether builds are isolated. Nix 2.8 as root tries to where it can't, and fails: it is told not to."""
    state = sandbox_state(nix)
    if settings.sandbox == "required" and not state.holds:
        raise BuildError(
            f"the sandbox is required, but {state}",
            hint="run where Nix may make namespaces, or leave the input `sandbox` at `auto`",
        )
    runtime.emit(events.Notice(str(state)))
    return nix.with_options([("sandbox", "false")]) if state.possible is False and state.fallback else nix
