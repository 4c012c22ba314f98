"""The output of `flakeship cache`, as text or as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Protocol

from flakeship.printable import counted, printable
from flakeship.report.layer_cache import ago
from flakeship.report.plain import size_of


@dataclass(frozen=True, slots=True)
class KeptRoot:
    """One root. `size` is in bytes; `idle` and `oldest` are the seconds since the last use of anything in it, and of what was
    used longest ago. `problem` says why it could not be read; then the rest is empty.
    """

    tag: str
    digest: str = ""
    paths: int = 0
    size: int = 0
    packs: int = 0
    idle: float = 0.0
    oldest: float = 0.0
    problem: str = ""


class PrunedCache(Protocol):
    """What `prune` did: `flakeship.caches.packs.pruning.Pruned`."""

    @property
    def removed(self) -> Sequence[str]: ...

    @property
    def written(self) -> Sequence[str]: ...

    @property
    def left(self) -> Sequence[str]: ...

    @property
    def by_hand(self) -> Mapping[str, str]: ...

    @property
    def freed(self) -> int: ...


class VerifiedCache(Protocol):
    """What `verify` found: `flakeship.caches.packs.verifying.Verified`."""

    @property
    def roots(self) -> int: ...

    @property
    def paths(self) -> int: ...

    @property
    def size(self) -> int: ...

    @property
    def problems(self) -> Sequence[str]: ...


def roots_text(name: str, roots: Sequence[KeptRoot], others: int) -> str:
    """Return one line for the cache, then one for each root. `others` are tags of something else."""
    paths, size = sum(root.paths for root in roots), sum(root.size for root in roots)
    beside = f", and {counted(others, 'tag')} that flakeship did not make" if others else ""
    lines = [f"{name}: {counted(len(roots), 'root')}, {counted(paths, 'path')}, {size_of(size)}{beside}"]
    width = max((len(root.tag) for root in roots), default=0)
    for root in roots:
        if root.problem:
            lines.append(f"{root.tag:<{width}}  {printable(root.problem)}")
        else:
            lines.append(
                f"{root.tag:<{width}}  {counted(root.paths, 'path'):>12}  {size_of(root.size):>9}  "
                f"{counted(root.packs, 'pack'):>9}  used {ago(root.idle)}, the oldest path {ago(root.oldest)}"
            )
    return "\n".join(lines)


def roots_json(name: str, roots: Sequence[KeptRoot], others: int) -> str:
    """Return a JSON object with `cache`, `paths`, `size` in bytes, `roots` and `otherTags`."""
    document = {
        "cache": name,
        "paths": sum(root.paths for root in roots),
        "size": sum(root.size for root in roots),
        "otherTags": others,
        "roots": [{**asdict(root), "idle": round(root.idle), "oldest": round(root.oldest)} for root in roots],
    }
    return json.dumps(document, indent=2)


def pruned_text(name: str, done: PrunedCache) -> str:
    """Return what was removed and written, and what is left to do by hand."""
    did = f"removed {counted(len(done.removed), 'root')}, rewrote {counted(len(done.written), 'root')}"
    lines = [f"{name}: {did}; {size_of(done.freed)} are not needed any more"]
    lines += [f"removed  {tag}" for tag in done.removed]
    lines += [f"rewrote  {tag}" for tag in done.written]
    lines += [f"left     {tag}" for tag in done.left]
    lines += [f"remove it by hand: {tag} ({printable(why)})" for tag, why in done.by_hand.items()]
    return "\n".join(lines)


def pruned_json(name: str, done: PrunedCache) -> str:
    """Return a JSON object with `cache`, lists of tags, `freed` in bytes, and `byHand`: reasons by tag."""
    document = {
        "cache": name,
        "removed": list(done.removed),
        "rewritten": list(done.written),
        "left": list(done.left),
        "byHand": dict(done.by_hand),
        "freed": done.freed,
    }
    return json.dumps(document, indent=2)


def verified_text(name: str, found: VerifiedCache) -> str:
    """Return one line, then one for each problem."""
    whole = "all of it is whole" if found.roots else "there is nothing to verify, unless its name is misspelt"
    how = f"{counted(len(found.problems), 'problem')}" if found.problems else whole
    lines = [
        f"{name}: read {counted(found.roots, 'root')}, {counted(found.paths, 'path')}, {size_of(found.size)}: {how}"
    ]
    return "\n".join((*lines, *(f"damaged  {printable(problem)}" for problem in found.problems)))


def verified_json(name: str, found: VerifiedCache) -> str:
    """Return a JSON object with `cache`, counts, and `problems`."""
    document = {
        "cache": name,
        "roots": found.roots,
        "paths": found.paths,
        "size": found.size,
        "problems": list(found.problems),
    }
    return json.dumps(document, indent=2)
