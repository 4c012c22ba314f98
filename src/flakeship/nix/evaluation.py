"""Many attributes of a flake described by one evaluation, which builds nothing: its packages share what they have in common."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from flakeship.errors import BuildError
from flakeship.nix.command import Nix
from flakeship.nix.derivation import QUESTION, Derivation, describe, read_description
from flakeship.nix.failure import Failure
from flakeship.nix.installable import Installable
from flakeship.nix.system_attributes import installable_in, nix_list, places, states_system

_QUESTION: Final = f"""kind:
let
  describe = {QUESTION};
  at = set: names:
    if names == [ ] then describe set
    else if builtins.isAttrs set && builtins.hasAttr (builtins.head names) set
    then at (builtins.getAttr (builtins.head names) set) (builtins.tail names)
    else null;
in map (at kind) %s"""
_MOST_BYTES: Final = 100_000
"""Of an expression: Linux takes no argument of 128 KiB or more, and its fixed part takes less than 4 KiB."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """An attribute as a machine of `system` looks for it."""

    installable: Installable
    system: str


@dataclass(frozen=True, slots=True)
class Found:
    """Where it is, by its whole path, and what it is."""

    installable: Installable
    description: Derivation


@dataclass(frozen=True, slots=True)
class _Asked:
    wanted: Wanted
    whole: Installable
    names: tuple[str, ...]

    @property
    def text(self) -> str:
        return nix_list(self.names)


def describe_together(nix: Nix, wanted: Sequence[Wanted]) -> dict[Wanted, Found]:
    """Describe what the flakes have; what is nowhere by the names that Nix looks for is left out, and Nix says best why.

    What is in `packages` is evaluated once for all attributes of a flake, as far as their names fit into an argument.
    What is not there takes a second evaluation, of `legacyPackages`. The first attribute that can't be evaluated raises
    the error that its build raises.
    """
    found: dict[Wanted, Found] = {}
    for turn in range(2):
        groups: dict[tuple[Installable, str], list[_Asked]] = {}
        for each in wanted:
            if each not in found and (place := _place(each, turn)):
                kind, asked = place
                of_flake = replace(each.installable, attribute=kind, outputs=())
                groups.setdefault((of_flake, kind), []).append(asked)
        for (of_flake, _), group in groups.items():
            for some in _fitting(group):
                found |= _described(nix, of_flake, some)
    return found


def _place(wanted: Wanted, turn: int) -> tuple[str, _Asked] | None:
    """The set in which to look first, or second, and the names in it; None where nothing is left to look at."""
    installable, system = wanted.installable, wanted.system
    if installable.file or installable.attribute.startswith("."):
        return None
    if states_system(installable):
        kind, *names = installable.names
        return (kind, _Asked(wanted, installable, tuple(names))) if turn == 0 else None
    kind, within = places(installable)[turn]
    return kind, _Asked(wanted, installable_in(kind, system, installable), (system, *within))


def _fitting(group: Sequence[_Asked]) -> Iterator[list[_Asked]]:
    """Cut into as few pieces as arguments of a program may have."""
    piece: list[_Asked] = []
    size = 0
    for each in group:
        length = len(each.text.encode()) + 1
        if piece and size + length > _MOST_BYTES:
            yield piece
            piece, size = [], 0
        piece.append(each)
        size += length
    yield piece


def _described(
    nix: Nix, of_flake: Installable, group: Sequence[_Asked], *, flake_is_sound: bool = False
) -> Mapping[Wanted, Found]:
    """Describe all by one call. Where it fails, each half is asked, down to the one attribute whose error is raised."""
    done = nix.run("eval", "--json", "--apply", _question(group), "--", of_flake.target, cwd=of_flake.cwd)
    if done.returncode == 0:
        return {
            each.wanted: Found(each.whole, read_description(nix, each.wanted.installable, answer))
            for each, answer in zip(group, _answers(nix, done.stdout), strict=True)
            if answer
        }
    failure = Failure(nix, of_flake, done.returncode)
    for line in done.stderr.splitlines():
        failure.log.take(line)
    if failure.may_be_cached:
        return _described(nix.without_evaluation_cache(), of_flake, group, flake_is_sound=flake_is_sound)
    if "does not provide attribute" in failure.said:
        return {}
    first = group[0]
    if len(group) == 1 or not (flake_is_sound or _can_be_evaluated(nix, of_flake)):
        return {first.wanted: Found(first.whole, describe(nix, first.whole))}
    half = len(group) // 2
    return {
        **_described(nix, of_flake, group[:half], flake_is_sound=True),
        **_described(nix, of_flake, group[half:], flake_is_sound=True),
    }


def _can_be_evaluated(nix: Nix, of_flake: Installable) -> bool:
    """Whether the flake itself can: an input that can't be fetched is tried once more, and not for each half."""
    words = ("--json", "--apply", _question(()), "--", of_flake.target)
    return nix.run("eval", *words, cwd=of_flake.cwd).returncode == 0


def _question(group: Sequence[_Asked]) -> str:
    return _QUESTION.replace("%s", f"[ {' '.join(each.text for each in group)} ]")


def _answers(nix: Nix, text: bytes) -> list[dict[str, Any] | None]:
    try:
        return list(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise BuildError(
            f"nix eval printed no JSON that can be read: {text[:200]!r}",
            hint=f"use one of Nix 2.8 to 2.34, which are known to work; this is {nix.release}",
        ) from error
