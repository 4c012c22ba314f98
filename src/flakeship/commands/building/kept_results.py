"""The input `nix-cache` of one run: the place, and what of the event decides which root is read and which is written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from flakeship.caches.place import LayoutPlace, Place, RegistryPlace, parse_nix_cache
from flakeship.caches.plan import KeptResults
from flakeship.commands.naming import images_of, split
from flakeship.commands.platforms import split_line
from flakeship.commands.publish.attributes import attributes_of
from flakeship.destinations.withheld import DRY_RUN
from flakeship.errors import UsageError
from flakeship.metadata.context import Context
from flakeship.nix.installable import Installable
from flakeship.registry.reference import TRANSPORT, Reference, with_lower_repository
from flakeship.settings.declaration import Settings
from flakeship.settings.sizes import parse_size

if TYPE_CHECKING:  # most caches are not signed
    from flakeship.caches.packs.signing import SecretKey


def kept_results(settings: Settings, context: Context, cwd: Path) -> KeptResults:
    """Check the inputs. UsageError for a place or a key that can't be, and for a place beside an image that has no name."""
    if settings.store:
        raise UsageError(
            "`nix-cache` keeps what is built on this machine, and `store` lets another one build and keep it",
            hint="leave `nix-cache` out: the store of that machine is the cache",
        )
    cache = parse_nix_cache(settings.nix_cache, size_of=parse_size, cwd=cwd)
    image = _image(settings, context)
    if isinstance(cache.place, RegistryPlace):
        if not (image or cache.place.reference):
            raise UsageError(
                "`nix-cache: registry` is beside an image, and no image is named",
                hint="name it by `images`, or write `nix-cache: docker://REFERENCE`",
            )
        _ = cache.place.reference or cache.place.beside(Reference.parse(image))
    _check_apart(cache.place, settings, context, cwd)
    return KeptResults(
        cache=cache,
        key=_key(settings.nix_cache_key),
        image=image,
        ref=_short(context.ref),
        other_refs=tuple(filter(None, (_short(context.base_ref), context.repository.default_branch))),
        attributes=(*settings.flake, settings.file, settings.attr) if settings.file else settings.flake,
        source=context.repository.url,
        read_only=_read_only(settings, context),
    )


def _check_apart(place: Place, settings: Settings, context: Context, cwd: Path) -> None:
    """UsageError for a cache in the very repository or folder that an image of this run is written to."""
    each = [attribute.settings for attribute in attributes_of(settings)]
    if isinstance(place, LayoutPlace):
        layouts = [line.split(":")[1] for one in each for line in one.to if line.startswith("oci:")]
        if place.folder.resolve() in {(cwd / folder).resolve() for folder in layouts}:
            raise UsageError(
                f"nix-cache: {place.folder} is the folder that the image is written to, and the cache needs one of its own",
                hint="name another folder by `nix-cache: oci:DIR`",
            )
    elif isinstance(place, RegistryPlace) and place.reference:
        lines = [
            with_lower_repository(line.removeprefix(TRANSPORT))
            for one in each
            for line in one.to
            if line.startswith(TRANSPORT)
        ]
        names = [*lines, *(name for one in each for name in _names(one, context))]
        if place.reference.name in {Reference.parse(name).name for name in names if name}:
            raise UsageError(
                f"nix-cache: {place.reference.name} is the repository of the image, and the cache needs one of its own",
                hint="write `nix-cache: registry` for one beside it, or `nix-cache: docker://REFERENCE` with another name",
            )


def _image(settings: Settings, context: Context) -> str:
    return next(iter(_names(attributes_of(settings)[0].settings, context)), "")


def _names(settings: Settings, context: Context) -> list[str]:
    """Return the names of an image, some with a tag."""
    names = [with_lower_repository(line.text) for line in images_of(settings, context)]
    return names + [str(reference) for reference in split(settings.tags).references]


def flakes_of(settings: Settings, cwd: str) -> tuple[str, ...]:
    """Return the flakes of what is built, as references relative to `cwd`."""
    if settings.file or settings.source:
        return ()
    lines = (line for each in attributes_of(settings) for line in each.settings.flake)
    named = (Installable.parse(split_line(line)[1], cwd=cwd).flake for line in lines)
    return tuple(dict.fromkeys(named))


def _key(text: str) -> SecretKey | None:
    if not text:
        return None
    from flakeship.caches.packs.signing import SecretKey

    return SecretKey.parse(text)


def _short(ref: str) -> str:
    """Return a branch or a tag by the name that people use, and `pull/5/merge` for a pull request."""
    for kind in ("refs/heads/", "refs/tags/", "refs/"):
        if ref.startswith(kind):
            return ref.removeprefix(kind)
    return ref


def _read_only(settings: Settings, context: Context) -> str:
    """Say why a run may not write to a cache that others read from; empty if it may."""
    if settings.dry_run:
        return DRY_RUN
    if settings.push == "false":
        return "`push` is false"
    if not (context.trusted or settings.allow_untrusted):
        return context.untrusted_because
    return context.secrets_kept_because if context.by_bot else ""
