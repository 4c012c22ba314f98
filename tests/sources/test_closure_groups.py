"""Which store paths share a layer: bounded, deterministic, stable when something changes, and cheaper than the usual way."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakeship.sources.closure.groups import Group, grouped
from tests.testbed.calls import calls_of

LETTERS = "0123456789abcdfghijklmnpqrsvwxyz"


@dataclass(frozen=True)
class Part:
    path: str
    nar_hash: str
    nar_size: int
    references: tuple[str, ...]


def name_of(name: str, salt: int = 0) -> str:
    return f"/nix/store/{''.join(random.Random(f'{name} {salt}').choices(LETTERS, k=32))}-{name}"


def part(name: str, *needs: Part, size: int = 1000, salt: int = 0) -> Part:
    return Part(name_of(name, salt), f"sha256:{name}{salt}", size, tuple(sorted(each.path for each in needs)))


def system(count: int, *, seed: int = 0) -> list[Part]:
    """A closure like those of nixpkgs: few roots of everything, many leaves, sizes over four decades; the top is last."""
    chance = random.Random(seed)
    parts: list[Part] = []
    for number in range(count - 1):
        needs = {min(int(chance.paretovariate(0.6)) - 1, number - 1) for _ in range(4)} if number else set()
        size = int(10 ** chance.uniform(3, 7.5))
        parts.append(part(f"part-{number}", *(parts[each] for each in needs), size=size))
    return [*parts, part("app", *parts[-50:])]


def paths(groups: Sequence[Group]) -> list[list[str]]:
    return [[each.path for each in group] for group in groups]


@given(count=st.integers(1, 60), seed=st.integers(0, 50), limit=st.integers(1, 70))
def test_every_path_once_within_the_limit_and_the_package_last(count: int, seed: int, limit: int) -> None:
    parts = system(count, seed=seed)
    groups = paths(grouped(parts, top=parts[-1].path, limit=limit))
    assert len(groups) <= limit
    assert sorted(itertools.chain(*groups)) == sorted(each.path for each in parts)
    if limit > 1:
        assert groups[-1] == [parts[-1].path]
    if limit >= count:
        assert len(groups) == count


@given(seed=st.integers(0, 20), shuffle=st.integers(0, 20))
def test_the_order_of_asking_does_not_count(seed: int, shuffle: int) -> None:
    parts = system(40, seed=seed)
    mixed = parts[:]
    random.Random(shuffle).shuffle(mixed)
    assert grouped(parts, top=parts[-1].path, limit=9) == grouped(mixed, top=parts[-1].path, limit=9)


def test_dependencies_lie_below() -> None:
    libc = part("libc")
    library = part("library", libc)
    tool = part("tool", libc, library)
    app = part("app", tool)
    assert paths(grouped([app, tool, library, libc], top=app.path, limit=10)) == [
        [each.path] for each in (libc, library, tool, app)
    ]


def test_what_changes_together_lies_together() -> None:
    """Two stacks on one library of C: each stack shares its fate, the large library shares none."""
    libc = part("libc", size=30_000_000)
    stacks = []
    for name in ("a", "b"):
        one = part(f"{name}-one", libc, size=100_000)
        two = part(f"{name}-two", one, size=100_000)
        stacks.append((one, two, part(f"{name}-three", two, size=100_000)))
    app = part("app", *(stack[-1] for stack in stacks))
    groups = grouped([libc, *stacks[0], *stacks[1], app], top=app.path, limit=4)
    assert [{each.path for each in group} for group in groups] == [
        {libc.path},
        *({each.path for each in stack} for stack in stacks),
        {app.path},
    ]


def cost(parts: Sequence[Part], groups: Sequence[Sequence[str]]) -> int:
    """Bytes sent again, summed over each path's change in turn; a change changes all that depends on it."""
    known = {each.path: each for each in parts}
    under: dict[str, set[str]] = {}
    for each in parts:
        under[each.path] = {each.path}.union(*(under[path] for path in each.references))
    total = 0
    for group in groups:
        changing = set().union(*(under[path] for path in group))
        total += len(changing) * sum(known[path].nar_size for path in group)
    return total


def by_popularity(parts: Sequence[Part], limit: int) -> list[list[str]]:
    """What dockerTools does: the paths that most others need get a layer each, the rest share the last."""
    score = {each.path: 1 for each in parts}
    for each in reversed(parts):
        for path in each.references:
            score[path] += score[each.path]
    order = sorted(score, key=lambda path: (-score[path], path))
    return [*([path] for path in order[: limit - 1]), order[limit - 1 :]]


@pytest.mark.parametrize("seed", range(6))
def test_less_is_sent_again_than_by_popularity(seed: int) -> None:
    parts = system(300, seed=seed)
    ours = cost(parts, paths(grouped(parts, top=parts[-1].path, limit=40)))
    assert ours < 0.8 * cost(parts, by_popularity(parts, 40))


def rebuilt(parts: Sequence[Part], changed: str) -> list[Part]:
    """The closure after one path changed: it and all that depends on it have other names."""
    renamed: dict[str, str] = {}
    result = []
    for each in parts:
        references = tuple(sorted(renamed.get(path, path) for path in each.references))
        if each.path == changed or references != each.references:
            renamed[each.path] = name_of(each.path[44:], 1)
        result.append(Part(renamed.get(each.path, each.path), each.nar_hash, each.nar_size, references))
    return result


@pytest.mark.parametrize("limit", [10, 40])
def test_layers_of_the_previous_image_survive(limit: int) -> None:
    parts = system(150, seed=3)
    before = paths(grouped(parts, top=parts[-1].path, limit=limit))
    changed = rebuilt(parts, parts[-20].path)
    wanted = {each.path for each in changed}
    top = changed[-1].path
    after = paths(grouped(changed, top=top, limit=limit, previous=[frozenset(group) for group in before]))
    whole = [set(group) for group in before if set(group) <= wanted]
    assert len(after) <= limit
    assert sorted(itertools.chain(*after)) == sorted(wanted)
    assert len(whole) > 2
    kept = [group for group in whole if group in [set(each) for each in after]]
    assert len(kept) == min(len(whole), limit - 2)


def test_groups_that_overlap_are_kept_once() -> None:
    a, b, c = part("a", size=5), part("b", size=7), part("c", size=9)
    app = part("app", a, b, c)
    previous = [
        frozenset({a.path, b.path}),
        frozenset({b.path, c.path}),
        frozenset({"/nix/store/gone"}),
        frozenset(),
    ]
    groups = grouped([a, b, c, app], top=app.path, limit=5, previous=previous)
    assert sorted(map(sorted, paths(groups))) == sorted([sorted([b.path, c.path]), [a.path], [app.path]])


@pytest.mark.slow
def test_the_cost_of_grouping_grows_with_the_number_of_paths() -> None:
    few, many = system(500), system(2000)
    small = calls_of(lambda: grouped(few, top=few[-1].path, limit=100))
    large = calls_of(lambda: grouped(many, top=many[-1].path, limit=100))
    assert large < 5 * small


@pytest.mark.slow
def test_a_closure_of_five_thousand_paths_is_grouped() -> None:
    parts = system(5000)
    assert len(grouped(parts, top=parts[-1].path, limit=100)) == 100
