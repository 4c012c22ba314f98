"""Names that the pages promise: each is found in the text, and asked for where its readers would find it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

from release import IMAGE, PROJECT, NotReleasableError
from release.git import MAIN, git, refs
from release.image import PLATFORMS, ActionImage
from release.version import versions

Kind: TypeAlias = Literal["action", "component", "flake", "image", "package"]
_PATTERNS: Final[dict[Kind, str]] = {
    "action": rf"(?<![\w./-]){PROJECT}(?P<path>(?:/native|/metadata|/merge)?)@(?P<version>v[\w.]+)",
    "component": rf"{PROJECT}/(?P<path>\w+)@(?P<version>[0-9][\w.]*|~latest)",
    "flake": rf"github:{PROJECT}(?P<path>)(?:/(?P<version>[\w.]+))?",
    "image": rf"{re.escape(IMAGE)}(?P<path>):(?P<version>[\w.-]*\w)",
    "package": r"(?:pipx install|uvx|pip install) (?P<path>flakeship)(?P<version>)\b",
}


@dataclass(frozen=True, slots=True, order=True)
class Name:
    """`path` is the folder of an action, the name of a component or of a package; `version` what the page asks for."""

    kind: Kind
    path: str
    version: str


@dataclass(frozen=True, slots=True)
class Places:
    """Where names are asked for: Git remotes, the image, and the files of a package index."""

    github: str
    gitlab: str
    image: ActionImage
    distributions: Path


def documented(pages: Iterable[Path]) -> frozenset[Name]:
    """Return every name of a release that these pages tell people to use."""
    return frozenset(name for page in pages for name in _in(page.read_text()))


def pages(root: Path) -> list[Path]:
    """The files that people copy names from."""
    return [root / "README.md", *sorted((root / "docs").glob("*.md")), *sorted(_files(root / "nix/template"))]


def check(root: Path, names: Iterable[Name], places: Places) -> None:
    """NotReleasableError that lists the names which don't lead anywhere. `root` is any clone: commits are fetched into it."""
    missing = [f"- {why}" for name in sorted(names) if (why := _missing(root, name, places))]
    if missing:
        raise NotReleasableError(
            "\n".join(["the pages name what can't be found:", *missing]),
            hint="run the release again; docs/releasing.md says what only a person can do",
        )


def _in(text: str) -> Iterator[Name]:
    for kind, pattern in _PATTERNS.items():
        for found in re.finditer(pattern, text):
            yield Name(kind, found["path"].strip("/"), found["version"] or "")


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def _missing(root: Path, name: Name, places: Places) -> str:
    match name.kind:
        case "action":
            file = f"{name.path}/action.yml".lstrip("/")
            return _without(root, places.github, f"refs/tags/{name.version}", file)
        case "component":
            tag = _newest(root, places.gitlab, name.version)
            return _without(root, places.gitlab, f"refs/tags/{tag}", f"templates/{name.path}.yml")
        case "flake":
            ref = f"refs/tags/{name.version}" if name.version else MAIN
            return _without(root, places.github, ref, "flake.nix")
        case "image":
            _, platforms = places.image.named(name.version)
            named = f"{places.image.name}:{name.version}"
            return "" if platforms == PLATFORMS else f"{named} is for {platforms}, and not for {PLATFORMS}"
        case "package":
            found = list(places.distributions.glob(f"{name.path}-*"))
            return "" if found else f"{places.distributions} has no {name.path}"


def _newest(root: Path, remote: str, wanted: str) -> str:
    """The tag that a partial version stands for: https://docs.gitlab.com/ci/components/#partial-semantic-versions."""
    tags = [ref.removeprefix("refs/tags/") for ref in refs(root, remote) if ref.startswith("refs/tags/")]
    fitting = [each for each in versions(tags) if wanted == "~latest" or f"{each}.".startswith(f"{wanted}.")]
    return str(max(fitting, default=wanted))


def _without(root: Path, remote: str, ref: str, file: str) -> str:
    """Say that `remote` has no `ref` with this file; empty if it has."""
    commit = refs(root, remote).get(ref)
    if not commit:
        return f"{remote} has no {ref}"
    git(root, "fetch", "--quiet", remote, ref)
    there = git(root, "ls-tree", "--name-only", commit, file)
    return "" if there == file else f"{remote} has no {file} at {ref}"
