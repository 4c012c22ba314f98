"""The input `nix-cache` of one run: the place, and what of the event decides which root is read and which is written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from flakeship.caches.place import RegistryPlace, parse_nix_cache
from flakeship.caches.plan import KeptResults
from flakeship.commands.naming import images_of, split
from flakeship.commands.platforms import split_line
from flakeship.commands.publish.attributes import attributes_of
from flakeship.destinations.withheld import DRY_RUN
from flakeship.errors import UsageError
from flakeship.metadata.context import Context
from flakeship.nix.installable import Installable
from flakeship.registry.reference import Reference
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


def _image(settings: Settings, context: Context) -> str:
    first = attributes_of(settings)[0].settings
    names = [line.text for line in images_of(first, context)]
    names += [str(reference) for reference in split(first.tags).references]
    return names[0] if names else ""


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
