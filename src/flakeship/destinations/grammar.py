"""Where an image is to go, worked out from `to` and the references that name it; nothing is opened or asked yet."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

from flakeship.destinations.archive.name import Form, Name
from flakeship.errors import UsageError
from flakeship.registry.reference import Reference

# https://github.com/opencontainers/image-spec/blob/main/annotations.md, org.opencontainers.image.ref.name
_REF_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/:@+-]{0,254}")
_STORAGES: Final = {"": (), "docker": ("docker-daemon:",), "podman": ("containers-storage:",)}
DEFAULT_LAYOUT: Final = "./flakeship-image"


@dataclass(frozen=True, slots=True)
class Repository:
    """One repository of a registry, and the tags to write there."""

    registry: str
    repository: str
    tags: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.registry}/{self.repository}"


@dataclass(frozen=True, slots=True)
class Layout:
    """An OCI image layout; an empty `tag` takes the image's own."""

    directory: Path
    tag: str


@dataclass(frozen=True, slots=True)
class Archive:
    """One file; `path` None is stdout. Without `names` the image keeps its own."""

    path: Path | None
    form: Form
    names: tuple[Name, ...]


@dataclass(frozen=True, slots=True)
class Storage:
    """What a container engine runs images from. Without `names` the image keeps its own."""

    engine: Literal["docker", "podman"]
    names: tuple[Name, ...]


Target: TypeAlias = Repository | Layout | Archive | Storage


def takes_own_name(target: Target) -> bool:
    """Whether an image is called there what it calls itself."""
    match target:
        case Repository():
            return False
        case Layout(tag=tag):
            return not tag
        case Archive(names=names) | Storage(names=names):
            return not names


def targets(
    *, to: Sequence[str], references: Sequence[str], cwd: Path, load: str = "", tag: str = ""
) -> tuple[Target, ...]:
    """Each place once, a repository with all of its tags. UsageError for a malformed or unknown destination.

    `references` are full ones. Without any, and without `to` and `load` (docker, podman), the image goes to a layout
    in the current folder. A layout that is given no tag takes `tag`, else the first reference's, else the image's own.
    """
    to = [*to, *_STORAGES[load]]
    local: list[Layout | Archive | Storage] = []
    named = [Reference.parse(text) for text in references]
    tag = tag or next((reference.tag or "latest" for reference in named), "")
    for text in to:
        scheme, _, rest = text.partition(":")
        match scheme:
            case "docker":
                named.append(_registry_reference(text))
            case "oci":
                local.append(_layout(rest, text, cwd, tag))
            case "docker-archive" | "oci-archive":
                local.append(_archive(rest, scheme, cwd, references))
            case "-" if text == "-":
                local.append(Archive(None, "docker-archive", _names("", text, references)))
            case "docker-daemon":
                local.append(Storage("docker", _names(rest, text, references)))
            case "containers-storage":
                local.append(Storage("podman", _names(rest, text, references)))
            case _:
                raise UsageError(
                    f"to: {text!r} is no destination that flakeship knows",
                    hint="write docker://REFERENCE, docker-daemon:[REFERENCE], containers-storage:[REFERENCE], "
                    "docker-archive:FILE[:REFERENCE], oci-archive:FILE[:TAG], oci:DIR[:TAG], or - for stdout",
                )
    if not named and not to:
        local.append(_layout(DEFAULT_LAYOUT, DEFAULT_LAYOUT, cwd, tag))
    distinct = tuple(dict.fromkeys(local))
    _check_files(distinct)
    return (*_repositories(named), *distinct)


def _check_files(targets: Sequence[Target]) -> None:
    """UsageError where the second of two archives would be written in place of the first."""
    files = [str(target.path or "-") for target in targets if isinstance(target, Archive)]
    if twice := next((file for file in files if files.count(file) > 1), None):
        raise UsageError(
            f"to: two destinations write {twice}, the second in place of the first",
            hint="name a file for each; docker and skopeo read a docker-archive as an oci-archive too",
        )


def _registry_reference(text: str) -> Reference:
    if not text.startswith("docker://"):
        raise UsageError(
            f"to: {text!r} lacks the two slashes", hint=f"write docker://{text.partition(':')[2]}"
        )
    return Reference.parse(text.removeprefix("docker://"))


def _layout(rest: str, text: str, cwd: Path, default: str) -> Layout:
    folder, _, own = rest.partition(":")
    tag = own or default
    if not folder:
        raise UsageError(f"to: {text!r} names no folder", hint="write oci:DIR or oci:DIR:TAG")
    if "\0" in rest or "\n" in rest:
        raise UsageError(
            "to: the folder's name holds a line break or a NUL", hint="write oci:DIR or oci:DIR:TAG"
        )
    if tag and not _REF_NAME.fullmatch(tag):
        raise UsageError(
            f"to: {tag!r} can't name an image of a layout", hint="use letters, digits and . _ - / : @ +"
        )
    return Layout(cwd / folder, tag)


def _archive(rest: str, form: Form, cwd: Path, references: Sequence[str]) -> Archive:
    file, _, name = rest.partition(":")
    text = f"{form}:{rest}"
    if not file or "\0" in file or "\n" in file:
        raise UsageError(f"to: {text!r} names no file", hint=f"write {form}:FILE")
    if form == "oci-archive" and name:
        if not _REF_NAME.fullmatch(name):
            raise UsageError(
                f"to: {name!r} can't name an image of a layout", hint="use letters, digits and . _ - / : @ +"
            )
        return Archive(cwd / file, form, (Name(name),))
    return Archive(cwd / file, form, _names(name, text, references))


def _names(name: str, text: str, references: Sequence[str]) -> tuple[Name, ...]:
    """The one that stands in a destination, else those that the image has everywhere."""
    return tuple(_name(known, text) for known in ([name] if name else dict.fromkeys(references)))


def _name(name: str, text: str) -> Name:
    reference = Reference.parse(name)
    if reference.digest:
        raise UsageError(
            f"to: {text!r} names a digest: that of what is loaded is known only when it is made",
            hint="name a tag",
        )
    tag = "" if reference.tag else ":latest"
    return Name(f"{name}{tag}", full=f"{reference}{tag}")


def _repositories(named: Iterable[Reference]) -> tuple[Repository, ...]:
    tags: dict[tuple[str, str], list[str]] = {}
    for reference in named:
        if reference.digest:
            raise UsageError(
                f"{reference} names a digest: that of what is pushed is known only when it is made",
                hint="name a tag",
            )
        tags.setdefault((reference.registry, reference.repository), []).append(reference.tag or "latest")
    return tuple(Repository(*place, tuple(dict.fromkeys(written))) for place, written in tags.items())
