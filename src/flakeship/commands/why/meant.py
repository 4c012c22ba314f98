"""Which store paths of an image a name means: a package, a version of it, a hash, a whole path, or a pattern."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Final

from flakeship.difference.model import PackageName
from flakeship.difference.packages import package_name
from flakeship.errors import UsageError
from flakeship.outside.nearness import nearest_word
from flakeship.store_paths import STORE, name_of, store_path_of

_HASH: Final = re.compile(r"[0-9a-df-np-sv-z]{7,32}")
"""A hash, or its beginning, of seven letters at least as `git` shows them. Nix's base 32 has no e, o, t, u."""

_PATTERN: Final = re.compile(r"[*?\[]")
_NEAR: Final = 5


def check_package(text: str) -> None:
    """UsageError for a text that only an image can have as its name, as when the two were written in the wrong order."""
    if not text.startswith(STORE) and re.search("[/:]", text):
        raise UsageError(
            f"{text!r} is no name of a package: the image stands first, and the package behind it",
            hint="write `flakeship why IMAGE PACKAGE`, with the package as `openssl`, a store path or a pattern",
        )


def meant_by(
    text: str, paths: Iterable[str], stated: Mapping[str, PackageName], what: str
) -> tuple[str, ...]:
    """Return the store paths that `text` means. UsageError, which tells names that are near, where the image has none."""
    found = _found(text, sorted(paths), stated)
    if found:
        return tuple(found)
    names = {package_name(path, stated).name for path in paths}
    inside = sorted(name for name in names if len(text) > 2 and text.lower() in name.lower())[:_NEAR]
    near = inside or list(filter(None, [nearest_word(text, sorted(names))]))
    raise UsageError(
        f"{text!r} is not in {what}{'; it has ' + ', '.join(near) if near else ''}",
        hint="write a name as `flakeship sbom` lists it, a store path, its hash, or a pattern such as `'*ssl*'`",
    )


def _found(text: str, paths: list[str], stated: Mapping[str, PackageName]) -> list[str]:
    if text.startswith(STORE):
        whole = store_path_of(text)
        return [path for path in paths if path == whole]
    if _PATTERN.search(text):
        return [path for path in paths if fnmatchcase(name_of(path), text)]
    exact = [path for path in paths if text in _names(path, stated)]
    if exact or not _HASH.fullmatch(text):
        return exact
    return [path for path in paths if path.removeprefix(STORE).startswith(text)]


def _names(path: str, stated: Mapping[str, PackageName]) -> tuple[str, ...]:
    """All that the path is called: `openssl`, `openssl-3.0.8`, `openssl-3.0.8-bin`, and with its hash."""
    name, version = package_name(path, stated)
    return name, f"{name}-{version}", name_of(path), path.removeprefix(STORE)
