"""Which store paths share a layer where there are more paths than layers: so that little is sent again when some change.

A path changes whenever something that it depends on does. So what a layer costs over time is its size times the
number of paths under it, and those neighbours are joined first whose union costs least.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from flakeship.sources.package import StorePath
from flakeship.store_paths import name_of

Group: TypeAlias = tuple[StorePath, ...]

_EACH: Final = 4096
"""Bytes that a path costs whatever its size: its headers, its line in the config."""


def grouped(
    paths: Sequence[StorePath], *, top: str, limit: int, previous: Sequence[frozenset[str]] = ()
) -> tuple[Group, ...]:
    """At most `limit` groups (1 or more), what changes rarely first, `top` last and, from two on, alone.

    A group of the `previous` image whose paths are all wanted still is kept as it is. The result depends on the
    arguments alone, not on the order of `paths`.
    """
    known = {path.path: path for path in paths}
    order = _neighbourly(known, top)
    if limit == 1:
        return (tuple(known[name] for name in order),)
    below = order[:-1]
    kept = _kept(known, set(below), previous, limit - 2)
    taken = {name for group in kept for name in group}
    left = [name for name in below if name not in taken]
    under = _closures(known, order)
    parts = [_Part.of([known[name]], under) for name in left]
    # docs/decisions.md#layers-of-a-package-follow-update-cost
    parts = _joined(parts, limit - 1 - len(kept))
    parts += [_Part.of([known[name] for name in below if name in group], under) for group in kept]
    place = {name: number for number, name in enumerate(order)}
    parts.sort(key=lambda part: (part.under.bit_count(), place[part.paths[-1].path]))
    return (*(part.paths for part in parts), (known[top],))


@dataclass(frozen=True, slots=True)
class _Part:
    """Bit n of `under` is set when path n is in the closure of one of `paths`; `size` is in bytes."""

    paths: Group
    size: int
    under: int

    @property
    def cost(self) -> int:
        return self.size * self.under.bit_count()

    @classmethod
    def of(cls, paths: Sequence[StorePath], closures: Mapping[str, int]) -> _Part:
        under = 0
        for path in paths:
            under |= closures[path.path]
        return cls(tuple(paths), sum(path.nar_size + _EACH for path in paths), under)

    def __add__(self, other: _Part) -> _Part:
        return _Part(self.paths + other.paths, self.size + other.size, self.under | other.under)


def _neighbourly(known: Mapping[str, StorePath], top: str) -> list[str]:
    """Dependencies first, each just before what first needs it; by name, for hashes change with every build."""
    order: dict[str, None] = {}
    needed = {reference for path in known.values() for reference in path.references} | {top}
    for root in (*sorted(known.keys() - needed, key=_by_name), top):
        stack = [(root, False)]
        while stack:
            name, finished = stack.pop()
            if finished:
                order[name] = None
            elif name not in order:
                stack.append((name, True))
                references = sorted(known[name].references, key=_by_name)
                stack += [(reference, False) for reference in reversed(references) if reference not in order]
    return [*(name for name in order if name != top), top]


def _by_name(path: str) -> tuple[str, str]:
    return name_of(path), path


def _closures(known: Mapping[str, StorePath], order: Sequence[str]) -> dict[str, int]:
    closures: dict[str, int] = {}
    for number, name in enumerate(order):
        under = 1 << number
        for reference in known[name].references:
            under |= closures.get(reference, 0)
        closures[name] = under
    return closures


def _kept(
    known: Mapping[str, StorePath], wanted: set[str], previous: Sequence[frozenset[str]], limit: int
) -> list[frozenset[str]]:
    """The largest of the groups that are still wanted, each path once."""
    whole = [group for group in dict.fromkeys(previous) if group and group <= wanted]
    whole.sort(key=lambda group: (-sum(known[name].nar_size for name in group), min(group)))
    kept: list[frozenset[str]] = []
    for group in whole:
        if len(kept) < limit and not any(group & other for other in kept):
            kept.append(group)
    return kept


def _joined(parts: list[_Part], limit: int) -> list[_Part]:
    """Join neighbours, the cheapest pair first, until there are `limit` parts."""
    alive: dict[int, _Part] = dict(enumerate(parts))
    after = {number: number + 1 for number in alive}
    before = {number: number - 1 for number in alive}
    offers = [_offer(alive, number, number + 1) for number in range(len(parts) - 1)]
    heapq.heapify(offers)
    while len(alive) > limit:
        _, left, right, joined = heapq.heappop(offers)
        if after.get(left) != right or len(alive[left].paths) + len(alive[right].paths) != joined:
            continue  # one of them has been joined since
        alive[left] += alive.pop(right)
        after[left] = after.pop(right)
        before[after[left]] = left
        if after[left] in alive:
            heapq.heappush(offers, _offer(alive, left, after[left]))
        if before[left] in alive:
            heapq.heappush(offers, _offer(alive, before[left], left))
    return list(alive.values())


def _offer(alive: Mapping[int, _Part], left: int, right: int) -> tuple[int, int, int, int]:
    one, other = alive[left], alive[right]
    extra = (one + other).cost - one.cost - other.cost
    return extra, left, right, len(one.paths) + len(other.paths)
