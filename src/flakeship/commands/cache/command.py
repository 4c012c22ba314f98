"""The command `cache`: it opens the place that `nix-cache` names, does what was asked for, and tells it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from flakeship import events
from flakeship.caches.packs.layout import LayoutRepository
from flakeship.caches.packs.pruning import prune
from flakeship.caches.packs.registry import RegistryRepository
from flakeship.caches.packs.repository import Repository, read_root, time_for
from flakeship.caches.packs.root import is_root
from flakeship.caches.packs.verifying import verify
from flakeship.caches.place import LayoutPlace, NixCache, RegistryPlace, parse_nix_cache
from flakeship.ci.platforms import current_platform
from flakeship.commands.cache.platform_api import Removal, removal_by_platform
from flakeship.commands.run import Run, open_run
from flakeship.commands.runtime import Runtime
from flakeship.errors import Error, NotAllowedError, RejectedError, UsageError
from flakeship.image.model import Digest
from flakeship.printable import counted
from flakeship.redaction import redacted_result
from flakeship.registry.reference import Reference, with_lower_repository
from flakeship.report.nix_cache import (
    KeptRoot,
    pruned_json,
    pruned_text,
    roots_json,
    roots_text,
    verified_json,
    verified_text,
)
from flakeship.settings.declaration import Settings
from flakeship.settings.sizes import parse_size


def run(settings: Settings, runtime: Runtime) -> str:
    """List, prune or verify, and return what is printed. RejectedError if `verify` finds something, when that is printed."""
    with open_run(settings, runtime) as run_:
        cache = (
            parse_nix_cache(settings.nix_cache, size_of=parse_size, cwd=runtime.cwd)
            if settings.nix_cache
            else None
        )
        if cache is None:
            raise UsageError(
                "`cache` needs a cache to look at, and none is named",
                hint="write `--nix-cache docker://REFERENCE`, `--nix-cache oci:DIR`, or `--nix-cache registry` with `--images NAME`; packed layers are listed by `flakeship layers`",
            )
        repository = _opened(cache, settings, run_)
        return _ACTIONS[settings.nix_cache_action](repository, cache, settings, run_)


def _opened(cache: NixCache, settings: Settings, run_: Run) -> Repository:
    match cache.place:
        case RegistryPlace() as place:
            reference = place.reference or place.beside(_image(settings, run_))
            actions = "pull,push,delete" if settings.nix_cache_action == "prune" else "pull"
            return RegistryRepository(run_.connections.client(reference, actions=actions), emit=run_.emit)
        case LayoutPlace(folder):
            if not folder.is_dir():
                raise UsageError(
                    f"nix-cache: there is no folder {folder}", hint="check the path of `nix-cache: oci:DIR`"
                )
            return _of_folder(folder, run_.emit)
        case _:
            raise UsageError(
                "a binary cache of another kind has no roots to look at",
                hint="name a cache of flakeship: docker://REFERENCE, oci:DIR, or registry beside an image",
            )


def _of_folder(folder: Path, emit: events.Emit) -> LayoutRepository:
    repository = LayoutRepository(folder, emit=emit)
    try:
        repository.check()
    except UsageError as error:
        raise UsageError(
            f"nix-cache: {error.message}, so it is no cache", hint="check the path of `nix-cache: oci:DIR`"
        ) from error
    except OSError as error:
        raise UsageError(
            f"nix-cache: {folder} can't be read: {error.strerror}", hint="check who may read the folder"
        ) from error
    return repository


def _image(settings: Settings, run_: Run) -> Reference:
    name = settings.images[0].text if settings.images else run_.event.image
    if not name:
        raise UsageError(
            "`nix-cache: registry` is beside an image, and no image is named",
            hint="name it by `--images REGISTRY/NAME`",
        )
    return Reference.parse(with_lower_repository(name))


def _list(repository: Repository, cache: NixCache, settings: Settings, run_: Run) -> str:
    tags = list(repository.tags())
    now = time_for(repository, run_.runtime.now.timestamp())
    roots = sorted(
        (_kept(repository, tag, now) for tag in tags if is_root(tag)), key=lambda root: (root.idle, root.tag)
    )
    others = sum(not is_root(tag) for tag in tags)
    return (roots_json if settings.json else roots_text)(repository.name, roots, others)


def _kept(repository: Repository, tag: str, now: float) -> KeptRoot:
    try:
        root = read_root(repository, tag)
    except Error as error:
        return KeptRoot(tag, problem=error.message)
    if root is None:
        return KeptRoot(tag, problem="it was removed meanwhile")
    used = [line.used for line in root.index.held.values()] or [int(now)]
    return KeptRoot(
        tag,
        digest=root.digest,
        paths=len(root.index.held),
        size=root.index.size,
        packs=len(root.index.packs),
        idle=max(0.0, now - max(used)),
        oldest=max(0.0, now - min(used)),
    )


def _prune(repository: Repository, cache: NixCache, settings: Settings, run_: Run) -> str:
    done = prune(
        repository,
        limits=cache.limits,
        folder=run_.store.directory,
        now=run_.runtime.now.timestamp(),
        remove=lambda tag, digest: _remove(
            tag, digest, repository, lambda: _platform(cache, settings, run_), run_.emit
        ),
        emit=run_.emit,
    )
    platform = _platform(cache, settings, run_)
    if platform and all(map(is_root, repository.tags())):
        try:
            if count := platform.untagged():
                run_.emit(
                    events.Notice(f"removed {counted(count, 'version')} of {repository.name} without a tag")
                )
        except NotAllowedError as error:
            run_.emit(events.Warned(f"versions without a tag are left: {error.message}", hint=error.hint))
    return (pruned_json if settings.json else pruned_text)(repository.name, done)


def _platform(cache: NixCache, settings: Settings, run_: Run) -> Removal | None:
    """Return the API that the registry's platform has for removals, if there is one and a token for it."""
    if not isinstance(cache.place, RegistryPlace):
        return None
    return removal_by_platform(
        cache.place.reference or cache.place.beside(_image(settings, run_)),
        session=run_.connections.session,
        environ=run_.runtime.environ,
        github_token=settings.github_token,
    )


def _remove(
    tag: str,
    digest: Digest,
    repository: Repository,
    its_platform: Callable[[], Removal | None],
    emit: events.Emit,
) -> bool:
    """Remove by the registry, else by the API of the platform that it belongs to. False if the tag names something else by now."""
    try:
        return repository.delete(tag, digest)
    except NotAllowedError as error:
        emit(events.Detail(error.message))
        platform = its_platform()
        if platform is None:
            raise
        if repository.named(tag) != digest:
            return False
        platform.tag(tag)
        return True


def _verify(repository: Repository, cache: NixCache, settings: Settings, run_: Run) -> str:
    found = verify(repository, run_.store.directory)
    if settings.json:
        return verified_json(repository.name, found)
    text = verified_text(repository.name, found)
    if not found.problems:
        return text
    shown = current_platform(run_.runtime.environ).safe_on_stdout(redacted_result(text))
    run_.runtime.stdout.write(f"{shown}\n".encode(errors="surrogateescape"))
    run_.runtime.stdout.flush()
    raise RejectedError(
        f"the cache {repository.name} is damaged in {counted(len(found.problems), 'place')}",
        hint="run a build that uses it: what is damaged is never handed to Nix, and is written anew; `flakeship cache prune` removes roots that can't be read",
    )


_ACTIONS: dict[str, Callable[[Repository, NixCache, Settings, Run], str]] = {
    "list": _list,
    "prune": _prune,
    "verify": _verify,
}
