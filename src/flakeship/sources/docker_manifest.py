"""manifest.json of a docker-archive: which image is meant, and which members are its config and layers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from flakeship.errors import NotAnImageError
from flakeship.image.claims import image_of
from flakeship.image.document import decode, decode_object
from flakeship.image.model import Image
from flakeship.image.tar.blocks import DamagedError
from flakeship.image.tar.reader import shown
from flakeship.sources.choice import choose_image

MANIFEST: Final = "manifest.json"
HINT_FILE_SYSTEM: Final = "make an image of it by dockerTools.buildImage (`copyToRoot`): a file system, as `docker import` takes it, is not an image"
_OF_ROOT: Final = frozenset({"bin", "etc", "lib", "nix", "sbin", "usr", "var"})
"""Folders at the root of a file system, of which no archive of an image has one."""
MANIFEST_LIMIT: Final = 1024 * 1024
NOT_BUILT: Final = "build the archive again: it is damaged, or made by a builder that flakeship does not know"


@dataclass(frozen=True, slots=True)
class ArchiveEntry:
    """The one image of manifest.json: names of members."""

    config: str
    layers: tuple[str, ...]
    names: tuple[str, ...]


def choose_entry(data: bytes, wanted: str) -> ArchiveEntry:
    """Return the image of manifest.json that is wanted, by name or number.

    NotAnImageError for a manifest.json that can't be read, and where a choice is needed and none was made; UsageError where
    it fits no image, or several.
    """
    try:
        listed = decode(data, limit=MANIFEST_LIMIT)
    except ValueError as error:
        raise NotAnImageError(f"the archive's {MANIFEST} can't be read: {error}", hint=NOT_BUILT) from error
    if isinstance(listed, dict) and "schemaVersion" in listed:
        raise NotAnImageError(
            f"the archive's {MANIFEST} is the manifest of one image, as `skopeo copy … dir:FOLDER` writes it",
            hint="unpack the archive, and set `source` to the folder",
        )
    entries = list(map(_as_go_reads, listed)) if isinstance(listed, list) else []
    if not entries:
        raise NotAnImageError(f"the archive's {MANIFEST} lists no image", hint=NOT_BUILT)
    entry = entries[choose_image([_names(entry) for entry in entries], wanted, what="the archive")]
    if not isinstance(entry, dict):
        raise NotAnImageError(f"the archive's {MANIFEST} lists no image", hint=NOT_BUILT)
    config, layers, names = (entry.get(key) for key in ("config", "layers", "repotags"))
    if not isinstance(config, str) or not _all_text(layers or []) or not _all_text(names or []):
        raise NotAnImageError(f"the archive's {MANIFEST} does not name a config and layers", hint=NOT_BUILT)
    return ArchiveEntry(config, tuple(layers or ()), tuple(names or ()))


def _as_go_reads(entry: object) -> object:
    """Without regard to case, and of two keys that are one the later: https://pkg.go.dev/encoding/json#Unmarshal."""
    return {key.lower(): value for key, value in entry.items()} if isinstance(entry, dict) else entry


def _all_text(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _names(entry: object) -> list[str]:
    names = entry.get("repotags") if isinstance(entry, dict) else None
    return list(map(str, names)) if isinstance(names, list) else []


def image_of_entry(config: bytes, entry: ArchiveEntry, keys: list[str] | None = None) -> Image:
    """The image of an entry of manifest.json, by its config; `keys` as for `image_of`."""
    try:
        document = decode_object(config)
    except ValueError as error:
        raise NotAnImageError(
            f"the image's config {shown(entry.config)} can't be read: {error}", hint=NOT_BUILT
        ) from error
    return image_of(
        document,
        len(entry.layers),
        what=f"the image's config {shown(entry.config)}",
        names=entry.names,
        keys=keys,
    )


def missing(name: str, *, marked: bool, there: Iterable[str] = ()) -> NotAnImageError:
    """Return the error for a member that is named and not there, but what is `there`.

    An archive that is not `marked` as ended may be cut off, and then that is what is wrong.
    """
    if not marked:
        return DamagedError(f"it ends without the end-of-archive mark, and without {shown(name)}")
    folder = next((other.rpartition("/")[0] for other in there if other.endswith(f"/{MANIFEST}")), "")
    if name == MANIFEST and folder:
        return NotAnImageError(
            f"the archive has its {MANIFEST} in a folder, {shown(folder)}, where `docker load` does not look",
            hint=f"make an archive of what is in the folder: `tar --create --directory {shown(folder)} --file image.tar .`",
        )
    if name == MANIFEST:
        at_root = {other.removeprefix("./").strip("/").partition("/")[0] for other in there}
        found = ", ".join(sorted(at_root & _OF_ROOT))
        return NotAnImageError(
            f"the archive has no {MANIFEST}, so it is not an image that `docker load` takes"
            + (f": it holds a file system ({found})" if found else ""),
            hint="name an attribute that is an image (dockerTools.buildLayeredImage, streamLayeredImage, …)"
            + (f"; or {HINT_FILE_SYSTEM}" if found else ""),
        )
    return NotAnImageError(
        f"the archive has no member {shown(name)}, which its {MANIFEST} names", hint=NOT_BUILT
    )


def too_large(name: str, limit: int) -> NotAnImageError:
    """Return the error for a document of more than `limit` bytes."""
    return NotAnImageError(
        f"the archive's {shown(name)} has more than {limit} bytes, so it can't be read", hint=NOT_BUILT
    )
