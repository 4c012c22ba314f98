"""A difference as JSON: what `diff --json` prints, and what the metadata file holds."""

from __future__ import annotations

from typing import Any

from flakeship.difference.model import Bytes, ConfigChange, Difference, Held, PackageChange


def document_of(found: Difference) -> dict[str, Any]:
    """Return the whole difference of one platform. Sizes are in bytes, and null where they are not known."""
    return {
        "old": _held(found.old),
        "new": _held(found.new),
        "platform": found.new.platform or found.old.platform or None,
        "counts": counts_of(found),
        "packages_compared": found.compares_packages,
        "packages": [_package(each) for each in found.packages],
        "layers": {
            name: _bytes(each)
            for name, each in zip(("added", "shared", "removed"), found.layers, strict=True)
        },
        "layers_reordered": found.reordered,
        "layers_untold": found.untold,
        "config": [_config(each) for each in found.config],
    }


def counts_of(found: Difference) -> dict[str, int]:
    """Return the number of packages with each kind of change."""
    return {
        "changed": len(found.of_kind("changed")),
        "added": len(found.of_kind("added")),
        "removed": len(found.of_kind("removed")),
        "outputs": len(found.of_kind("outputs")),
        "rebuilt": len(found.of_kind("rebuilt")),
    }


def _held(held: Held) -> dict[str, Any]:
    return {"name": held.name, "digest": held.digest or None}


def _package(change: PackageChange) -> dict[str, Any]:
    return {
        "name": change.name,
        "kind": change.kind,
        "old": list(change.old),
        "new": list(change.new),
        "old_size": change.old_size if change.old else None,
        "new_size": change.new_size if change.new else None,
        "old_paths": list(change.old_paths),
        "new_paths": list(change.new_paths),
    }


def _bytes(found: Bytes) -> dict[str, Any]:
    return {"layers": found.layers, "size": found.size, "unpacked_size": found.unpacked}


def _config(change: ConfigChange) -> dict[str, Any]:
    return {"field": change.field, "key": change.key or None, "old": change.old, "new": change.new}
