"""The program that the container starts is in the image."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from flakeship.lint.finding import Finding
from flakeship.lint.view import ImageView
from flakeship.store_paths import STORE, store_path_of

_USUAL_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where engines look for a program if the image sets no PATH."""
_LINKS: Final = 40
"""Links that are followed at most, as Linux does: https://man7.org/linux/man-pages/man7/path_resolution.7.html."""
_SHOWN: Final = 8


def findings(image: ImageView) -> Iterator[Finding]:
    """Report a program that is certainly not there. Nothing is reported where a layer or a store path can't be seen."""
    command = [*(image.runtime.get("Entrypoint") or ()), *(image.runtime.get("Cmd") or ())]
    program = str(command[0]) if command else ""
    absolute = program.startswith("/")
    if not program or ("/" in program and not absolute):
        return
    folders = _path_of(image)
    places = [program] if absolute else [f"{folder}/{program}" for folder in folders]
    if not places or any(_is_there(image, place) is not False for place in places):
        return
    why = "which is not in the image" if absolute else "and no folder in its PATH has such a program"
    yield Finding(
        "program",
        "warning",
        f"the image starts {program!r}, {why}: the container will not start",
        _fix(program.rpartition("/")[2], _programs(folders)),
    )


def _path_of(image: ImageView) -> Sequence[str]:
    variables = dict(str(entry).partition("=")[::2] for entry in image.runtime.get("Env") or ())
    path = variables.get("PATH", _USUAL_PATH)
    return [folder.rstrip("/") for folder in path.split(":") if folder.startswith("/")]


def _is_there(image: ImageView, path: str, links: int = _LINKS) -> bool | None:
    """Whether the image has this file, which has a leading slash; None where that can't be told."""
    if not links or ".." in path.split("/"):
        return None
    if path.startswith(STORE):
        return _is_in_store(image, path)
    parts = path.strip("/").split("/")
    for length in range(1, len(parts) + 1):
        above, below = "/".join(parts[:length]), parts[length:]
        if target := image.link(above):
            base = target if target.startswith("/") else f"/{'/'.join(parts[: length - 1])}/{target}"
            return _is_there(image, "/".join((base, *below)), links - 1)
    if image.has("/".join(parts)):
        return True
    return False if _sees_everything(image) else None


def _is_in_store(image: ImageView, path: str) -> bool | None:
    store_path = store_path_of(path)
    if store_path in image.store_paths:
        return os.path.exists(path) if os.path.lexists(store_path) else None  # noqa: PTH110 - a folder may be closed to us
    return False if _sees_everything(image) else None


def _sees_everything(image: ImageView) -> bool:
    """True if each layer holds nothing but store paths, or was looked at as a whole."""
    entries = [entry for entry in image.packed.image.history if not entry.get("empty_layer", False)]
    return all(
        str(entry.get("comment", "")).startswith("store paths: ['")
        or (key in image.glimpses and image.glimpses[key].whole)
        for key, entry in zip(image.packed.image.layers, entries, strict=False)
    ) and len(entries) == len(image.packed.image.layers)


def _programs(folders: Sequence[str]) -> Sequence[str]:
    """The programs that PATH finds in the store of this machine."""
    found: dict[str, None] = {}
    for folder in folders:
        if folder.startswith(STORE) and Path(folder).is_dir():
            names = sorted(path.name for path in Path(folder).iterdir())
            found |= dict.fromkeys(name for name in names if not name.startswith("."))
    return list(found)


def _fix(wanted: str, programs: Sequence[str]) -> str:
    if not programs:
        return "name a program of the image in the input `entrypoint`, or in `config.Entrypoint` of the flake"
    from flakeship.outside.nearness import nearest_word

    near = nearest_word(wanted, programs)
    others = [name for name in programs if name != near][:_SHOWN]
    more = " …" if len(programs) > _SHOWN + bool(near) else ""
    if near and others:
        return f"write `entrypoint: {near}`; PATH finds {', '.join(others)}{more} too"
    return (
        f"write `entrypoint: {near or programs[0]}`"
        if near or len(programs) == 1
        else (f"set `entrypoint` to a program that PATH finds: {', '.join(others)}{more}")
    )
