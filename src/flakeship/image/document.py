"""JSON documents of an image: read from untrusted bytes within limits, written in one canonical form."""

from __future__ import annotations

import itertools
import json
import math
import re
from typing import Any, Final

DOCUMENT_LIMIT: Final = 4 * 1024 * 1024
"""Bytes of a manifest, index or config: https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-manifests."""

_DEPTH_LIMIT: Final = 64
_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")


def encode(document: Any) -> bytes:
    """The one spelling of a document: keys sorted, no white space, UTF-8."""
    try:
        return _dumps(document, ascii_only=False).encode()
    except UnicodeEncodeError:  # the environment's bytes that were no UTF-8
        return _dumps(document, ascii_only=True).encode()


def _dumps(document: Any, *, ascii_only: bool) -> str:
    return json.dumps(
        document, ensure_ascii=ascii_only, sort_keys=True, separators=(",", ":"), allow_nan=False
    )


def decode(data: bytes, *, limit: int = DOCUMENT_LIMIT) -> Any:
    """Parse. ValueError with a reason if it is too long, too deep, not UTF-8, not JSON, or if two readers could
    read it in two ways: a key that occurs twice, half of a surrogate pair, a number beyond all bounds.
    """
    if len(data) > limit:
        raise ValueError(f"it has more than {limit} bytes")
    try:
        document = json.loads(
            data.decode(),
            parse_constant=_refuse_constant,
            parse_float=_finite,
            object_pairs_hook=_object,
        )
        if _SURROGATE.search(data):
            _dumps(document, ascii_only=False).encode()
    except UnicodeDecodeError as error:
        raise ValueError("it is not UTF-8") from error
    except UnicodeEncodeError as error:
        raise ValueError("it holds half of a surrogate pair") from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if _deeper_than(document, _DEPTH_LIMIT):
        raise ValueError("it is nested too deeply")
    return document


def decode_object(data: bytes, *, limit: int = DOCUMENT_LIMIT) -> dict[str, Any]:
    """Parse a JSON object. ValueError as by `decode`, and for what is no object."""
    document = decode(data, limit=limit)
    if not isinstance(document, dict):
        raise ValueError("it is not a JSON object")  # noqa: TRY004  bad data, not a bug
    return document


def without_nulls(value: Any, *, in_lists: bool = True) -> Any:
    """Drop the keys whose value is null, at any depth: Nix writes them for attributes that are null.

    With `in_lists` the nulls of lists are dropped too.
    """
    match value:
        case dict():
            return {
                key: without_nulls(item, in_lists=in_lists) for key, item in value.items() if item is not None
            }
        case list():
            kept = (item for item in value if item is not None or not in_lists)
            return [without_nulls(item, in_lists=in_lists) for item in kept]
        case _:
            return value


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7396: what `target` becomes under `patch`; neither is changed."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


def patch_between(before: Any, after: Any) -> Any:
    """The merge patch that turns `before` into `after`; both without nulls, or it could not say so."""
    if not (isinstance(before, dict) and isinstance(after, dict)):
        return after
    removed: dict[str, Any] = {key: None for key in before if key not in after}
    changed = {
        key: patch_between(before[key], value) if key in before else value
        for key, value in after.items()
        if key not in before or encode(before[key]) != encode(value)  # in Python 1 == True
    }
    return removed | changed


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    if math.isinf(number := float(text)):
        raise ValueError(f"{text[:20]} is too large a number")
    return number


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        keys = sorted(key for key, _ in pairs)
        twice = next(key for key, after in itertools.pairwise(keys) if key == after)
        raise ValueError(f"the key {twice!a} occurs twice in one object")
    return document


def _deeper_than(value: Any, levels: int) -> bool:
    layer = [value]
    for _ in range(levels):
        layer = [item for container in layer for item in _items(container) if isinstance(item, (dict, list))]
        if not layer:
            return False
    return True


def _items(container: Any) -> list[Any]:
    match container:
        case dict():
            return list(container.values())
        case list():
            return container
        case _:
            return []
