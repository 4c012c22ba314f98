"""Chains of references: why a store path is in an image."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from flakeship.store_paths import name_of


@dataclass(frozen=True, slots=True)
class References:
    """What refers to what. `below` has each store path whose references are known; `sizes` are in bytes, of NAR archives.

    `standing_for` leads from a store path to the one that stands for it, where the outputs of a derivation are known as one.
    """

    below: Mapping[str, Collection[str]] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    standing_for: Mapping[str, str] = field(default_factory=dict)

    def node(self, path: str) -> str:
        """Return the path under which this one is known."""
        return self.standing_for.get(path, path)

    def beside(self, other: References) -> References:
        """Return what both know; of a path that both know, what this one does."""
        return References(
            {**other.below, **self.below},
            {**other.sizes, **self.sizes},
            {**other.standing_for, **self.standing_for},
        )


@dataclass(frozen=True, slots=True)
class Chains:
    """The shortest chain from each root to one path, both included; the shortest comes first.

    `direct` are the paths that refer to it. `chains` are empty for a root itself, and where nothing known refers to it.
    """

    chains: tuple[tuple[str, ...], ...]
    direct: tuple[str, ...]


def tops(paths: Iterable[str], known: References) -> frozenset[str]:
    """Return the paths that no other of `paths` refers to, as far as that is known."""
    nodes = {known.node(path) for path in paths}
    needed = {
        below for node in nodes for below in map(known.node, known.below.get(node, ())) if below != node
    }
    return frozenset(nodes - needed)


def referrers(paths: Iterable[str], known: References) -> Mapping[str, Sequence[str]]:
    """Return what refers to each path, by references between `paths` alone and in the order that readers expect."""
    nodes = {known.node(each) for each in paths}
    above: dict[str, list[str]] = defaultdict(list)
    for node in sorted(nodes, key=_by_name):
        for below in set(map(known.node, known.below.get(node, ()))):
            if below != node and below in nodes:
                above[below].append(node)
    return above


def chains_to(
    path: str, roots: Collection[str], above: Mapping[str, Sequence[str]], known: References
) -> Chains:
    """Find the shortest chain from each of `roots` to `path`; `above` is what `referrers` returns."""
    target = known.node(path)
    towards: dict[str, str] = {target: target}
    ahead = deque([target])
    while ahead:
        node = ahead.popleft()
        for upper in above.get(node, ()):
            if upper not in towards:
                towards[upper] = node
                ahead.append(upper)
    starts = {known.node(root) for root in roots} & towards.keys() - {target}
    found = sorted(
        (_chain(start, target, towards) for start in starts),
        key=lambda chain: (len(chain), *map(_by_name, chain)),
    )
    return Chains(tuple(found), tuple(above.get(target, ())))


def _by_name(path: str) -> tuple[str, str]:
    """The order that readers expect: that of a hash tells nothing."""
    return name_of(path), path


def _chain(start: str, target: str, towards: Mapping[str, str]) -> tuple[str, ...]:
    chain = [start]
    while chain[-1] != target:
        chain.append(towards[chain[-1]])
    return tuple(chain)
