"""Store paths by package: what has one name is one row, whatever outputs and versions of it there are."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final

from flakeship.difference.model import Held, Kind, PackageChange, PackageName
from flakeship.sbom.identity import split_name, without_output
from flakeship.store_paths import name_of

_NO_PACKAGE: Final = "-customisation-layer"
"""How dockerTools calls what lies outside the store, which its history lists like a store path."""


def package_name(path: str, stated: Mapping[str, PackageName]) -> PackageName:
    """Return name and version of a store path: those that are stated, else those in its own name, without the name of an output."""
    return stated.get(path) or PackageName(*split_name(without_output(name_of(path))))


def only_packages(paths: Iterable[str]) -> frozenset[str]:
    """Leave out entries that the history lists like store paths, and that are not in the store."""
    return frozenset(path for path in paths if not path.endswith(_NO_PACKAGE))


def package_changes(old: Held, new: Held) -> tuple[PackageChange, ...]:
    """Compare by name. A path that both images have makes no row of its own; its version is in the row if other paths of that name differ."""
    gone, came = old.paths - new.paths, new.paths - old.paths
    names = {package_name(path, old.stated).name for path in gone}
    names |= {package_name(path, new.stated).name for path in came}
    before, after = _Named(old, names), _Named(new, names)
    return tuple(_change(name, before, after, gone, came) for name in sorted(names))


class _Named:
    """The packages of one image that have one of `names`."""

    def __init__(self, held: Held, names: set[str]) -> None:
        self.paths: dict[str, set[str]] = defaultdict(set)
        self.versions: dict[str, set[str]] = defaultdict(set)
        of_path: dict[str, str] = {}
        for path in held.paths:
            name, version = package_name(path, held.stated)
            of_path[path] = name
            if name in names:
                self.paths[name].add(path)
                self.versions[name].add(version)
        self._alone: dict[str, int] = {}
        shared: set[str] = set()
        for layer in dict.fromkeys(held.layers):
            if len({of_path.get(path, "") for path in layer.paths}) == 1 and layer.size is not None:
                share = layer.size
                for path in dict.fromkeys(layer.paths):
                    self._alone[path], share = self._alone.get(path, 0) + share, 0
            else:
                shared.update(layer.paths)
        for path in shared & self._alone.keys():
            del self._alone[path]

    def size(self, name: str) -> int | None:
        """The bytes of its layers, if it shares none of them with another package."""
        if not all(path in self._alone for path in self.paths[name]):
            return None
        return sum(self._alone[path] for path in self.paths[name])


def _change(
    name: str, before: _Named, after: _Named, gone: frozenset[str], came: frozenset[str]
) -> PackageChange:
    old_paths, new_paths = before.paths[name] & gone, after.paths[name] & came
    return PackageChange(
        name,
        _kind(name, before, after),
        tuple(sorted(before.versions[name], key=_as_counted)),
        tuple(sorted(after.versions[name], key=_as_counted)),
        tuple(sorted(old_paths)),
        tuple(sorted(new_paths)),
        before.size(name),
        after.size(name),
    )


def _as_counted(version: str) -> list[tuple[int, str]]:
    """1.9 comes before 1.10. A number is compared as a text: one of an SBOM may have thousands of digits."""
    parts = re.findall(r"0*([0-9]+)|([^0-9]+)", version)
    return [(len(number) if number else -1, number or word) for number, word in parts]


def _kind(name: str, before: _Named, after: _Named) -> Kind:
    if not before.paths[name]:
        return "added"
    if not after.paths[name]:
        return "removed"
    if before.versions[name] != after.versions[name]:
        return "changed"
    outputs = [sorted(name_of(path) for path in side.paths[name]) for side in (before, after)]
    return "rebuilt" if outputs[0] == outputs[1] else "outputs"
