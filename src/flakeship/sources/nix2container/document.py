"""The JSON that nix2container's buildImage writes, parsed and checked.

https://github.com/nlewo/nix2container/blob/master/types/types.go
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from flakeship.errors import NotAnImageError
from flakeship.image.document import decode_object, without_nulls
from flakeship.image.model import Digest, parse_digest
from flakeship.sources.nix2container.patterns import GoPattern
from flakeship.sources.nix2container.tree import LayerPath, Permission
from flakeship.sources.store_files import LOCAL, StoreFiles

LIMIT: Final = 64 * 1024 * 1024
"""Bytes of the JSON, which lists every store path of the closure, with options."""

_VERSION: Final = 1
_HINT: Final = (
    "build it with nix2container's buildImage, and update its flake input if that is older than 2022"
)
_NO_MOMENT: Final = "0001-01-01T00:00:00Z"  # Go's zero time
_OCTAL: Final = re.compile(r"\s*([0-7]+)")


@dataclass(frozen=True, slots=True)
class LayerDocument:
    """One layer. `blob` is the file with the layer; where it is empty the store paths are packed. `digest` is of the
    blob, `diff_id` of the tar. `size` is a hint in bytes, 0 where the document doesn't know it.
    """

    digest: Digest
    diff_id: Digest
    size: int
    paths: tuple[LayerPath, ...]
    blob: str
    history: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ImageDocument:
    """The parsed JSON. `config` is an image-spec config without rootfs and history."""

    config: Mapping[str, Any]
    layers: tuple[LayerDocument, ...]


def parse(data: bytes, *, store: Path, what: str, files: StoreFiles = LOCAL) -> ImageDocument:
    """Parse the JSON. NotAnImageError where it is malformed or names a file outside the folder `store`.

    `what` names the JSON file in errors.
    """
    try:
        document = without_nulls(decode_object(data, limit=LIMIT))
        version = document["version"]
        if version != _VERSION:
            raise NotAnImageError(
                f"{what} has version {version!r}, but flakeship reads {_VERSION}", hint=_HINT
            )
        layers = document.get("layers", [])
        return ImageDocument(
            config=_config(document),
            layers=tuple(
                _layer(layer, _Named(files, store, f"layer {number} of {what}"))
                for number, layer in enumerate(layers, 1)
            ),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        missing = f"the key {error} is missing" if isinstance(error, KeyError) else str(error)
        raise NotAnImageError(f"{what} is not an image of nix2container: {missing}", hint=_HINT) from error


def _config(document: Mapping[str, Any]) -> dict[str, Any]:
    created = document.get("created", _NO_MOMENT)
    config: dict[str, Any] = {"os": "linux", "config": dict(document["image-config"])}
    if document.get("arch"):
        config["architecture"] = document["arch"]
    if created != _NO_MOMENT:
        config["created"] = created
    return config


@dataclass(frozen=True, slots=True)
class _Named:
    """Who names paths: `called` in errors. They must lie in the folder `store`."""

    files: StoreFiles
    store: Path
    called: str


def _layer(document: Mapping[str, Any], naming: _Named) -> LayerDocument:
    called = naming.called
    digest, diff_id = parse_digest(document["digest"]), parse_digest(document["diff_ids"])
    blob = document.get("layer-path", "")
    paths = tuple(_path(path, naming) for path in document.get("paths", []))
    if not blob and digest != diff_id:
        raise NotAnImageError(
            f"{called} is compressed, but has no layer-path that says where it is", hint=_HINT
        )
    history = {key: value for key, value in document.get("History", {}).items() if value != _NO_MOMENT}
    size = document.get("size", 0)
    if not isinstance(size, int):
        raise TypeError(f"the size of {called} is {size!r}")
    return LayerDocument(digest, diff_id, size, paths, _inside(blob, naming) if blob else "", history)


def _path(document: Mapping[str, Any], naming: _Named) -> LayerPath:
    called = naming.called
    options = document.get("options", {})
    rewrite = options.get("rewrite", {})
    regex = rewrite.get("regex", "")
    return LayerPath(
        os.fsencode(_inside(document["path"], naming)),
        (_pattern(regex, called), _text(rewrite.get("repl", ""))) if regex else None,
        tuple(_permission(item, called) for item in options.get("perms", [])),
    )


def _permission(document: Mapping[str, Any], called: str) -> Permission:
    mode = _text(document.get("mode", ""))
    octal = _OCTAL.match(mode)
    if mode and not octal:
        raise NotAnImageError(f"{called} has the mode {mode!r}, which is not an octal number", hint=_HINT)
    return Permission(
        _pattern(document["regex"], called),
        int(octal[1], 8) if octal else None,
        int(document.get("uid", 0)),
        int(document.get("gid", 0)),
        _text(document.get("uname", "")).encode(),
        _text(document.get("gname", "")).encode(),
    )


def _pattern(regex: Any, called: str) -> GoPattern:
    try:
        return GoPattern(_text(regex))
    except ValueError as error:
        raise NotAnImageError(
            f"{called} has the pattern {regex!r:.200}, which can't be read: {error}",
            hint="correct the pattern: flakeship reads those of Go's regexp",
        ) from error


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a string")
    return value


def _inside(path: Any, naming: _Named) -> str:
    """Return the path. NotAnImageError where it is missing, or it or a link on the way to it leads out of the store."""
    name = _text(path)
    if not naming.files.names_inside(name, str(naming.store)):
        raise NotAnImageError(
            f"{naming.called} names {name!r}, which is not in {naming.store}",
            hint="correct the document: an image of nix2container is made of store paths only",
        )
    if not naming.files.is_there(name):
        raise NotAnImageError(
            f"{naming.called} names {name}, which is not there",
            hint="build the image on this machine, or bring its closure here: `nix copy --from STORE IMAGE.json`",
        )
    return name
