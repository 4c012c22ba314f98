"""How a `source` is written: as a path, in one of the forms of containers-transports(5), or as `-` for stdin.

https://github.com/containers/image/blob/main/docs/containers-transports.5.md
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from flakeship.errors import UsageError
from flakeship.registry.reference import TRANSPORT, Reference

PATH_FORMS: Final = ("docker-archive", "oci-archive", "oci", "dir")
"""The words before a path. What lies there is told by itself, whichever of them was written."""
ENGINE_FORMS: Final = ("docker-daemon", "containers-storage")
"""The words before the name of an image of an engine."""

_STDINS: Final = frozenset({"-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"})
_BY_NUMBER: Final = re.compile(r"@([0-9]{1,6})")


@dataclass(frozen=True, slots=True)
class WrittenSource:
    """`name` is a reference in a `registry`, the name of an image of an `engine`, empty for `stdin`, or a `path` as written.

    `form` is the word before it, empty for a plain path. `image` is the one meant of several in an archive, as the input
    `image-in-archive` has it.
    """

    place: Literal["registry", "engine", "stdin", "path"]
    name: str = ""
    form: str = ""
    image: str = ""

    @property
    def shown(self) -> str:
        """How messages call it."""
        if self.place == "stdin":
            return "stdin"
        return f"{self.form}:{self.name}" if self.place == "engine" else self.name


def written_source(text: str, cwd: Path) -> WrittenSource:
    """Understand the input `source`. A file that is there by the whole of the text is meant before anything else.

    UsageError for a form that names nothing, and for a malformed name of an image.
    """
    if text.startswith(TRANSPORT):
        return WrittenSource("registry", text)
    if text in _STDINS:
        return WrittenSource("stdin")
    form, colon, rest = text.partition(":")
    if not colon or form not in (*PATH_FORMS, *ENGINE_FORMS) or _exists(cwd / text):
        return WrittenSource("path", text)
    if not rest:
        what = "an image" if form in ENGINE_FORMS else "a path"
        raise UsageError(
            f"source: {text!r} names no {what.partition(' ')[2]}",
            hint=f"write {what} behind the colon, as in {form}:{'app:1' if form in ENGINE_FORMS else 'result'}",
        )
    if form in ENGINE_FORMS:
        Reference.parse(rest)
        return WrittenSource("engine", rest, form)
    path, _, image = (rest, "", "") if _exists(cwd / rest) else rest.partition(":")
    if path in _STDINS:
        return WrittenSource("stdin", form=form, image=_numbered(image))
    return WrittenSource("path", path, form, _numbered(image))


def _numbered(image: str) -> str:
    """skopeo counts the images of an archive from `@0` on, `image-in-archive` from 1 on."""
    hit = _BY_NUMBER.fullmatch(image)
    return str(int(hit[1]) + 1) if hit else image


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that is too long, or holds a zero byte
        return False
