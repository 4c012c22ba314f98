"""The inputs that say how Nix builds: its settings, caches, keys and other machines, as the Builder of a run."""

from __future__ import annotations

import contextlib
import importlib
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from flakeship import events
from flakeship.commands.building.builder import Builder
from flakeship.nix.command import Nix
from flakeship.nix.configuration import settings as nix_settings
from flakeship.nix.configuration import uses_daemon
from flakeship.settings.declaration import Settings

if TYPE_CHECKING:  # most runs have no cache and no other machine
    from flakeship.caches import CacheInputs
    from flakeship.caches.plan import KeptResults
    from flakeship.commands.building.ssh_access import OpenSsh
    from flakeship.commands.connections import Connections
    from flakeship.metadata.context import Context
    from flakeship.nix.machine import Machine
    from flakeship.nix.remote_builder import RemoteBuilder


def open_builder(
    settings: Settings,
    *,
    environ: Mapping[str, str],
    emit: events.Emit,
    connections: Callable[[], Connections],
    event: Callable[[], Context],
    folder: Path,
    scope: contextlib.ExitStack,
    cwd: Path,
) -> Builder:
    """Find the Nix of this machine, set up as the inputs say. BuildError if Nix is not installed.

    UsageError for `builders`, an `ssh-key`, `ssh-known-hosts` or `nix-cache` that can't be used.
    """
    cache_inputs = _cache_inputs(settings, event, cwd)
    if cache_inputs and cache_inputs.kept:
        _load_beside(cache_inputs.kept)
    far = _far(settings)
    builders = _builders(settings, cwd)
    machines = [*(each.machine for each in builders), *((far,) if far else ())]
    ssh = _open_ssh(settings, environ, folder, scope, machines)
    nix = Nix.find(
        environ={**environ, **(ssh.variables if ssh else {})},
        emit=emit,
        config=settings.nix_config,
        impure=settings.impure,
        allow_unfree=settings.allow_unfree,
        accept_flake_config=settings.accept_flake_config,
        require_sandbox=settings.sandbox == "required",
        spare_home=str(folder),
        pass_env=settings.pass_env,
        of_file=bool(settings.file),
    )
    place = None
    if far and ssh:
        from flakeship.commands.building.far_store import FarPlace

        nix = nix.building_in(far.store)
        place = FarPlace.of(far, ssh, nix, folder, emit)
        scope.callback(place.store.close)
    return Builder(
        nix=_evaluating(nix, builders),
        sandbox_required=settings.sandbox == "required",
        cache_inputs=cache_inputs,
        connections=connections,
        folder=folder,
        emit=emit,
        scope=scope,
        ssh=ssh,
        builders=builders,
        far=place,
        realises_all=settings.rebuild == "compare",
    )


def _load_beside(kept: KeptResults) -> None:
    """Import what the cache is opened with while Nix is asked for its version and its settings: a tenth of a second."""
    from flakeship.caches.place import RegistryPlace, StorePlace

    names = ["nix_cache", "feeding", "loopback.server"]
    names += [] if isinstance(kept.cache.place, StorePlace) else ["kept_in_packs"]
    names = [f"flakeship.caches.{name}" for name in names]
    if isinstance(kept.cache.place, RegistryPlace):
        names += ["flakeship.caches.packs.registry", "flakeship.http.adapter"]
    threading.Thread(target=lambda: [importlib.import_module(name) for name in names], daemon=True).start()


def _evaluating(nix: Nix, builders: Sequence[RemoteBuilder]) -> Nix:
    """An evaluation may need something built ("import from derivation"): the machines are not asked before that."""
    if not builders or uses_daemon(nix, nix_settings(nix)):
        return nix
    return nix.with_options([("builders", " ; ".join(each.line for each in builders))])


def _far(settings: Settings) -> Machine | None:
    if not settings.store:
        return None
    from flakeship.commands.building.far_store import read_store

    return read_store(settings)


def _builders(settings: Settings, cwd: Path) -> tuple[RemoteBuilder, ...]:
    if not settings.builders:
        return ()
    from flakeship.commands.building.remote_builders import read_builders

    return read_builders(settings, cwd)


def _open_ssh(
    settings: Settings,
    environ: Mapping[str, str],
    folder: Path,
    scope: contextlib.ExitStack,
    machines: Sequence[Machine],
) -> OpenSsh | None:
    if not settings.ssh_key and not settings.ssh_known_hosts and not machines:
        return None
    from flakeship.commands.building.ssh_access import SshAccess

    return scope.enter_context(SshAccess.of(settings).opened(folder, environ, machines))


def _cache_inputs(settings: Settings, event: Callable[[], Context], cwd: Path) -> CacheInputs | None:
    given = (
        settings.nix_cache,
        settings.cachix,
        settings.cachix_auth_token,
        settings.cachix_signing_key,
        settings.substituters,
        settings.trusted_public_keys,
    )
    if not any(given):
        return None
    from flakeship.caches import CacheInputs
    from flakeship.commands.building.kept_results import flakes_of

    kept = None
    if settings.nix_cache:
        from flakeship.commands.building.kept_results import kept_results

        kept = kept_results(settings, event(), cwd)
    return CacheInputs(
        kept=kept,
        cachix=settings.cachix,
        cachix_auth_token=settings.cachix_auth_token,
        cachix_signing_key=settings.cachix_signing_key,
        substituters=settings.substituters,
        trusted_public_keys=settings.trusted_public_keys,
        flakes=flakes_of(settings, str(cwd)),
        cwd=str(cwd),
    )
