"""The values of what files carry, and how those of several files become those of a store path."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

Kind: TypeAlias = Literal["cargo", "golang", "pypi"]
"""The types of purl that are found inside files."""


class UnreadableError(ValueError):
    """A file begins like one that carries parts, but it is damaged, or claims more of them than anybody would write."""


@dataclass(frozen=True, slots=True, order=True)
class Part:
    """A package of a language. `source` says where cargo took a crate from (`git`, `local`), and is empty for crates.io."""

    kind: Kind
    name: str
    version: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class Carried:
    """What a file carries, or all files of a store path. Each part is a key of `needs`, which says what it is made from.

    `tops` are the parts that the file itself is made from.
    """

    tops: frozenset[Part]
    needs: Mapping[Part, frozenset[Part]]

    @classmethod
    def of(cls, parts: Iterable[Part]) -> Carried:
        """Return parts of which no file states what they are made from."""
        found = frozenset(parts)
        return cls(found, dict.fromkeys(found, frozenset()))


def together(several: Iterable[Carried]) -> Carried:
    """Return what all of them carry."""
    tops: set[Part] = set()
    needs: dict[Part, frozenset[Part]] = defaultdict(frozenset)
    for each in several:
        tops |= each.tops
        for part, below in each.needs.items():
            needs[part] |= below
    return Carried(frozenset(tops), dict(needs))


_MOST_NAMED: Final = 10_000
"""The most files that are named as unreadable: an image with more was made to fill our memory."""


@dataclass(slots=True)
class Findings:
    """What was found in the files of store paths. `read` are the paths of which every file was looked at.

    `unreadable` are files that begin as one that carries something, and are damaged or too large.
    """

    read: set[str] = field(default_factory=set)
    unreadable: set[str] = field(default_factory=set)
    _tops: dict[str, set[Part]] = field(default_factory=dict)
    _needs: dict[str, dict[Part, frozenset[Part]]] = field(default_factory=dict)
    _parts: dict[Part, Part] = field(default_factory=dict, repr=False, compare=False)
    _sets: dict[frozenset[Part], frozenset[Part]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def by_path(self) -> dict[str, Carried]:
        """What each store path carries. It is put together anew with each call."""
        return {path: Carried(frozenset(tops), self._needs[path]) for path, tops in self._tops.items()}

    def note(self, path: str, carried: Carried) -> None:
        """Add what a file of a store path carries."""
        if not carried.needs:
            return
        needs = self._needs.setdefault(path, {})
        for part, below in carried.needs.items():
            one = self._parts.setdefault(part, part)
            needs[one] = self._shared(needs[one] | below if one in needs else below)
        self._tops.setdefault(path, set()).update(self._parts.setdefault(part, part) for part in carried.tops)

    def _shared(self, parts: frozenset[Part]) -> frozenset[Part]:
        """One object for what is equal: a crate is in many programs."""
        if parts not in self._sets:
            self._sets[parts] = frozenset(self._parts.setdefault(part, part) for part in parts)
        return self._sets[parts]

    def damaged(self, name: str) -> None:
        """Note a file that can't be read."""
        if len(self.unreadable) < _MOST_NAMED:
            self.unreadable.add(name)

    def add(self, other: Findings) -> None:
        """Add what was found elsewhere."""
        for path, carried in other.by_path.items():
            self.note(path, carried)
        self.read |= other.read
        for name in other.unreadable:
            self.damaged(name)
