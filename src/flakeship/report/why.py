"""The output of `flakeship why`: chains of references, as a tree for each, or all of them as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from flakeship.difference.model import Held, HeldLayer
from flakeship.printable import counted, escaped_json, printable
from flakeship.report.plain import size_of
from flakeship.sbom.chains import Chains, References
from flakeship.store_paths import name_of

_SHOWN: Final = 5
"""Chains that are shown of each path."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why one path is in the image; `layer` is None where it is in none, as in a package."""

    path: str
    layer: HeldLayer | None
    chains: Chains
    is_root: bool


@dataclass(frozen=True, slots=True)
class Why:
    """`words` say of roots what makes them one: the setting that names them, or that the image was made of them.

    `all_known` tells whether the references of all paths are known.
    """

    held: Held
    reasons: tuple[Reason, ...]
    known: References
    words: Mapping[str, str]
    all_known: bool


def why_text(found: Why) -> str:
    """Return a block of lines for each path."""
    return "\n\n".join("\n".join(_lines(found, reason)) for reason in found.reasons)


def why_json(found: Why) -> str:
    """Return a JSON object; `chains` begin with the root, and there may be many."""
    document = {
        "image": found.held.name,
        "digest": found.held.digest or None,
        "platform": found.held.platform or None,
        "references_known": found.all_known,
        "found": [_document(found, reason) for reason in found.reasons],
    }
    return escaped_json(json.dumps(document, indent=2, ensure_ascii=False))


def _document(found: Why, reason: Reason) -> dict[str, Any]:
    node = found.known.node(reason.path)
    return {
        "path": reason.path,
        "layer": reason.layer.digest or reason.layer.diff_id or None if reason.layer else None,
        "nar_size": found.known.sizes.get(node),
        "root": reason.is_root and found.all_known,
        "named_by": found.words.get(reason.path),
        "referrers": list(reason.chains.direct),
        "chains": [list(chain) for chain in reason.chains.chains],
    }


def _lines(found: Why, reason: Reason) -> Iterator[str]:
    yield f"{reason.path}{_size(found, reason.path)}"
    if layer := reason.layer:
        yield f"  in layer {_layer(layer)}"
    word = found.words.get(reason.path, "")
    node = found.known.node(reason.path)
    if word:
        yield f"  {_named(word)}"
    elif reason.is_root and node in found.known.below and found.all_known:
        yield "  a root of the image: no other store path of it refers to this one"
    chains = reason.chains.chains
    if not chains and not reason.is_root and found.all_known:
        yield f"  refers in a circle: {', '.join(map(name_of, reason.chains.direct))}"
    if not chains and not found.all_known:
        yield "  what refers to it is not known"
    for chain in chains[:_SHOWN]:
        yield from _tree(found, chain)
    if len(chains) > _SHOWN:
        yield f"  and from {counted(len(chains) - _SHOWN, 'more root')}, which --json shows"


def _tree(found: Why, chain: Sequence[str]) -> Iterator[str]:
    for depth, path in enumerate(chain):
        mark = f"{'   ' * (depth - 1)}└─ " if depth else ""
        word = found.words.get(path, "") if not depth else ""
        yield f"  {mark}{name_of(path)}{_size(found, path)}{f'  ({_named(word)})' if word else ''}"


def _named(word: str) -> str:
    return "the image was made of it" if word == "the package" else f"{word} names it"


def _size(found: Why, path: str) -> str:
    size = found.known.sizes.get(found.known.node(path))
    return f"  {size_of(size)}" if size else ""


def _layer(layer: HeldLayer) -> str:
    facts = [f"{size_of(layer.size)} compressed"] if layer.size is not None else []
    facts += [f"{size_of(layer.unpacked)} unpacked"] if layer.unpacked is not None else []
    facts.append("alone" if len(layer.paths) == 1 else f"with {counted(len(layer.paths) - 1, 'other')}")
    return printable(f"{(layer.digest or layer.diff_id)[:19]} ({', '.join(facts)})")
