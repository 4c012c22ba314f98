"""Make an `Image` of an untrusted config document: it is checked, and cleaned of what image-spec does not allow."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from flakeship.errors import NotAnImageError
from flakeship.image.document import without_nulls
from flakeship.image.engine_config import (
    DOCUMENT,
    Fields,
    WrongTypeError,
    as_engines_read,
    check_types,
    field_of,
)
from flakeship.image.model import Digest, Image, Platform, parse_digest

# What nixpkgs' buildImage leaves behind of its own derivation's attributes
_STRAY: Final = frozenset({"preferLocalBuild", "allowSubstitutes"})

_DAMAGED: Final = "build the image again: it is damaged, or made by a builder that flakeship does not know"

_HISTORY_TYPES: Final[dict[str, type]] = {
    "author": str,
    "created_by": str,
    "comment": str,
    "empty_layer": bool,
}

# RFC 3339, section 5.6
_MOMENT: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)


def image_of(
    document: Mapping[str, Any],
    layers: int,
    *,
    what: str,
    names: Sequence[str] = (),
    keys: Sequence[str] | None = None,
) -> Image:
    """Check the config document of an image that has so many layers, and return the image.

    `keys` are those of the layers from the bottom up; by default the diff_ids of the config. `what` names the document
    in errors. NotAnImageError where the document is not an image-spec config.
    """
    _check_types(document, what)
    read = _with_members(as_engines_read(document))
    cleaned = _cleaned({key: value for key, value in read.items() if key not in _STRAY}, DOCUMENT)
    diff_ids = _diff_ids(cleaned.pop("rootfs", None), what)
    if len(diff_ids) != layers:
        raise NotAnImageError(
            f"{what} has another number of diff_ids ({len(diff_ids)}) than the image has layers ({layers})",
            hint=_DAMAGED,
        )
    history = _history(cleaned.pop("history", ()), layers, what)
    cleaned.setdefault("config", {})
    if "created" in cleaned:
        _check_moment(cleaned["created"], "created", what)
    for key, usual in {"os": "linux", "architecture": "amd64"}.items():
        cleaned[key] = cleaned.get(key) or usual
    for key in ("os", "architecture", "variant", "author", "os.version"):
        if not isinstance(cleaned.get(key, ""), str):
            raise NotAnImageError(f"{what}: {key} is not a string", hint=_DAMAGED)
    features = cleaned.get("os.features", [])
    if not isinstance(features, list) or not all(isinstance(item, str) for item in features):
        raise NotAnImageError(f"{what}: os.features is not a list of strings", hint=_DAMAGED)
    return Image(
        config=cleaned,
        platform=Platform(
            cleaned["os"],
            cleaned["architecture"],
            cleaned.get("variant", ""),
            cleaned.get("os.version", ""),
            tuple(cleaned.get("os.features", ())),
        ),
        layers=diff_ids if keys is None else tuple(keys),
        diff_ids=diff_ids,
        history=history,
        names=tuple(names),
    )


def _cleaned(document: Mapping[str, Any], fields: Fields) -> dict[str, Any]:
    """Drop nulls; those in a list that no engine knows stay, for only its reader can say what they mean."""
    return {
        key: _cleaned(value, known)
        if isinstance(value, dict) and isinstance(known := fields.get(key), Mapping)
        else without_nulls(value, in_lists=key in fields)
        for key, value in document.items()
        if value is not None
    }


def _with_members(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Keep members that are null where they count: Go reads {} in ExposedPorts and Volumes, "" in Labels and in lists."""
    runtime = document.get("config")
    if not isinstance(runtime, dict):
        return document
    named: dict[str, Any] = {"ExposedPorts": {}, "Volumes": {}, "Labels": ""}
    members: dict[str, Any] = {
        key: {name: empty if item is None else item for name, item in runtime[key].items()}
        for key, empty in named.items()
        if isinstance(runtime.get(key), dict)
    }
    words = {
        key: ["" if item is None else item for item in runtime[key]]
        for key in ("Entrypoint", "Cmd", "Env", "Shell", "OnBuild")
        if isinstance(runtime.get(key), list)
    }
    return {**document, "config": {**runtime, **members, **words}}


def _diff_ids(rootfs: Any, what: str) -> tuple[Digest, ...]:
    listed = rootfs.get("diff_ids", []) if isinstance(rootfs, dict) else None
    if not isinstance(listed, list):
        raise NotAnImageError(
            f"{what} has no rootfs.diff_ids, so it is not the config of an image", hint=_DAMAGED
        )
    try:
        return tuple(parse_digest(item) for item in listed)
    except ValueError as error:
        raise NotAnImageError(f"{what}: in rootfs.diff_ids, {error}", hint=_DAMAGED) from error


def _history(listed: Any, layers: int, what: str) -> tuple[Mapping[str, Any], ...]:
    """The history, or nothing where it does not account for exactly the layers: readers pair the two up by count."""
    if not isinstance(listed, (list, tuple)) or not all(isinstance(entry, dict) for entry in listed):
        raise NotAnImageError(f"{what}: history is not a list of objects", hint=_DAMAGED)
    for entry in listed:
        for key, kind in _HISTORY_TYPES.items():
            if not isinstance(entry.get(key, kind()), kind):
                raise NotAnImageError(f"{what}: in history, {key} is not a {kind.__name__}", hint=_DAMAGED)
        if "created" in entry:
            _check_moment(entry["created"], "created of history", what)
    filled = sum(not entry.get("empty_layer", False) for entry in listed)
    return tuple(listed) if filled == layers else ()


def _check_types(document: Mapping[str, Any], what: str) -> None:
    """Refuse a `config` that engines can't read; each of them, for Go reads all keys that differ in case alone."""
    for key, runtime in document.items():
        if field_of(key) != "config" or runtime is None:
            continue
        if not isinstance(runtime, dict):
            raise NotAnImageError(f"{what}: config is not an object", hint=_DAMAGED)
        try:
            check_types(runtime)
        except WrongTypeError as error:
            example = f" ({error.help})" if error.help else ""
            raise NotAnImageError(
                f"{what}: {error}", hint=f"correct `{error.key}` in the Nix expression of the image{example}"
            ) from error


def _check_moment(value: Any, key: str, what: str) -> None:
    try:
        found = _MOMENT.fullmatch(value)
        datetime.fromisoformat(found[1] if found else "")
    except (TypeError, ValueError) as error:
        raise NotAnImageError(
            f"{what}: {key} is {ascii(value)[:60]}, which is not a date of RFC 3339",
            hint="correct `created` in the Nix expression of the image, or build it again",
        ) from error
