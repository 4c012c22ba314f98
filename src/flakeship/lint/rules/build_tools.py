"""Compilers and headers stay out of the image."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from flakeship.lint.finding import Finding
from flakeship.lint.view import ImageView
from flakeship.store_paths import name_of, store_path_of

_BUILD_TOOL: Final = re.compile(
    r"(gcc|gcc-wrapper|clang|clang-wrapper|llvm|binutils|binutils-wrapper|rustc|cargo|go|ghc|cmake|gnumake"
    r"|linux-headers|stdenv-linux|jdk|openjdk|nodejs-slim-dev|python3-dev)-[0-9][0-9a-z.+_-]*?(?P<output>-[a-z]+)?"
    r"|.+-dev"
)
_RUNTIME_OUTPUTS: Final = frozenset({"-lib", "-libgcc", "-libs", "-out", "-man", "-doc", "-info"})
_SHOWN: Final = 5


def findings(image: ImageView) -> Iterator[Finding]:
    """Report packages that are for building, the largest layer first, with the chain of references to the largest."""
    sized = sorted(
        (
            (-layer.descriptor.size if len(paths) == 1 else 0, path)
            for layer, paths in zip(image.packed.layers, image.contents, strict=True)
            for path in paths
            if _is_for_building(name_of(path))
        )
    )
    if not sized:
        return
    names = [name_of(path) for _, path in sized]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    largest, root = sized[0][1], store_path_of(image.program)
    chain = image.why_depends(root, largest) if root else ()
    shown = "shows where" if chain else "shows what refers to it"
    yield Finding(
        "build-tools",
        "warning",
        f"what builds programs is in the image: {', '.join(names[:_SHOWN])}{more}"
        + (f"; the way to it: {' → '.join(map(name_of, chain))}" if chain else ""),
        f"`nix why-depends {'--precise ' if chain else ''}{root if chain else 'RESULT'} {largest}` {shown}; "
        "removeReferencesTo, or another output, mends it",
    )


def _is_for_building(name: str) -> bool:
    hit = _BUILD_TOOL.fullmatch(name)
    return hit is not None and hit["output"] not in _RUNTIME_OUTPUTS
