"""What a config document claims, checked and cleaned: the way from untrusted JSON to an `Image`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from flakeship.errors import NotAnImageError
from flakeship.image.document import without_nulls
from flakeship.image.model import Digest, Image, Platform, parse_digest

# What nixpkgs' buildImage leaves behind of its own derivation's attributes
_STRAY: Final = frozenset({"preferLocalBuild", "allowSubstitutes"})

_DAMAGED: Final = "the image was not made by a builder that flakeship knows, or is damaged; build it again"

# The types that image-spec gives the keys of `config`; a value of another type would be refused by every runtime
_CONFIG_TYPES: Final[dict[str, Any]] = {
    "User": str,
    "ExposedPorts": dict,
    "Env": list,
    "Entrypoint": list,
    "Cmd": list,
    "Volumes": dict,
    "WorkingDir": str,
    "Labels": dict,
    "StopSignal": str,
}


def image_of(
    document: Mapping[str, Any], layers: Sequence[str], *, what: str, names: Sequence[str] = ()
) -> Image:
    """The image that a config document and the keys of its layers describe.

    `what` names the document in errors. NotAnImageError where the document is not an image-spec config.
    """
    cleaned = without_nulls({key: value for key, value in document.items() if key not in _STRAY})
    diff_ids = _diff_ids(cleaned.pop("rootfs", None), what)
    if len(diff_ids) != len(layers):
        raise NotAnImageError(
            f"{what} lists {len(diff_ids)} diff_ids, but the image has {len(layers)} layers", hint=_DAMAGED
        )
    history = _history(cleaned.pop("history", ()), len(layers), what)
    cleaned["config"] = _runtime(cleaned.get("config", {}), what)
    platform = Platform(
        os=_text(cleaned.setdefault("os", "linux"), "os", what),
        architecture=_text(cleaned.setdefault("architecture", "amd64"), "architecture", what),
        variant=_text(cleaned.get("variant", ""), "variant", what),
    )
    return Image(
        config=cleaned,
        platform=platform,
        layers=tuple(layers),
        diff_ids=diff_ids,
        history=history,
        names=tuple(names),
    )


def _diff_ids(rootfs: Any, what: str) -> tuple[Digest, ...]:
    listed = rootfs.get("diff_ids", []) if isinstance(rootfs, dict) else None
    if not isinstance(listed, list):
        raise NotAnImageError(f"{what} has no rootfs.diff_ids: it is no image config", hint=_DAMAGED)
    try:
        return tuple(parse_digest(item) for item in listed)
    except ValueError as error:
        raise NotAnImageError(f"{what}: in rootfs.diff_ids, {error}", hint=_DAMAGED) from error


def _history(listed: Any, layers: int, what: str) -> tuple[Mapping[str, Any], ...]:
    """The history, or nothing where it does not account for exactly the layers: readers pair the two up by count."""
    if not isinstance(listed, (list, tuple)) or not all(isinstance(entry, dict) for entry in listed):
        raise NotAnImageError(f"{what}: history is not a list of objects", hint=_DAMAGED)
    filled = sum(not entry.get("empty_layer", False) for entry in listed)
    return tuple(listed) if filled == layers else ()


def _runtime(config: Any, what: str) -> dict[str, Any]:
    if not isinstance(config, dict):
        raise NotAnImageError(f"{what}: config is not an object", hint=_DAMAGED)
    for key, kind in _CONFIG_TYPES.items():
        value: Any = config.get(key, kind())
        if not isinstance(value, kind):
            raise NotAnImageError(
                f"{what}: config.{key} is {type(value).__name__}, image-spec wants {kind.__name__}",
                hint=f"correct `config.{key}` in the Nix expression of the image",
            )
        items = [*value, *value.values()] if key == "Labels" else value if kind is list else ()
        if not all(isinstance(item, str) for item in items):
            raise NotAnImageError(
                f"{what}: config.{key} holds a value that is not a string",
                hint=f"correct `config.{key}` in the Nix expression of the image (toString helps)",
            )
    return config


def _text(value: Any, key: str, what: str) -> str:
    if not isinstance(value, str):
        raise NotAnImageError(f"{what}: {key} is not a string", hint=_DAMAGED)
    return value
