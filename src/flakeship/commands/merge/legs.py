"""What is to be merged: files that `push-by-digest` wrote, folders of them, their text, and bare references."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from flakeship.commands.platforms import platform_of
from flakeship.commands.publish.leg import FILES, LEG, VERSION
from flakeship.errors import UsageError
from flakeship.image.model import EMPTY, Digest, Platform, parse_digest
from flakeship.outside.reading import json_of, read_file
from flakeship.registry.reference import TRANSPORT, Reference, with_lower_repository

_LIMIT: Final = 8 << 20
"""Bytes of one file: its longest list is that of the blobs."""

_MOST: Final = 32
_STATED: Final = re.compile(r"([A-Za-z0-9_-]+(?:/[A-Za-z0-9_-]+){0,2})\s*=(.+)", re.ASCII)
_PATTERN: Final = re.compile(r"[*?\[]")
_AGAIN: Final = "give the file that the job wrote, whole and as it is"


@dataclass(frozen=True, slots=True)
class Leg:
    """One image to merge. `name` is what messages call it, `references` are where it is, by the repository's name.

    Of a bare reference only that is known, and `platform` if the user stated it. `withheld` says why the job that built it
    pushed nothing. `config` is the digest that the file states of the image's config; `run` and `revision` are empty where
    they are not known, `tags` and `annotations` those that the file has.
    """

    name: str
    references: Mapping[str, Reference]
    platform: Platform | None = None
    bare: bool = False
    withheld: str = ""
    config: Digest | None = None
    run: str = ""
    revision: str = ""
    tags: tuple[str, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    of_descriptor: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    image: str = ""
    """The attribute's name, of several; empty for one, and for a bare reference."""

    flake: Mapping[str, Any] | None = None
    """The flake that the image was made from, as the file states it; the metadata file of the index repeats it."""

    provenance: Mapping[str, Any] | None = None
    """What its job states of how the image came about, as the file has it."""

    @property
    def repositories(self) -> frozenset[str]:
        """The names of the repositories that have it."""
        return frozenset(self.references)

    @property
    def digest(self) -> Digest | None:
        """Its digest; None for a reference by a tag, before that was looked at."""
        return next((reference.digest for reference in self.references.values()), None)


def read_legs(lines: Sequence[str], cwd: Path) -> tuple[Leg, ...]:
    """Read the lines of the input `legs`. UsageError for a line that is no leg, and for more than any index has."""
    found: list[Leg] = []
    for number, line in enumerate(lines, 1):
        for leg in _legs_of(line.strip(), number, cwd):
            found.append(leg)
            if len(found) > _MOST:
                raise UsageError(
                    f"more than {_MOST} legs are given, and an image has one for each platform",
                    hint="name the files of one image; a folder or a pattern may be too wide",
                )
    if not found:
        raise UsageError(
            "there is nothing to merge",
            hint=f"name the files that `push-by-digest` wrote, {FILES}, the folder that they lie in, or references",
        )
    return tuple(found)


def _legs_of(line: str, number: int, cwd: Path) -> Iterator[Leg]:
    stated = _STATED.fullmatch(line) if not (cwd / line[:200]).exists() else None
    if stated:
        platform = platform_of(stated[1], name="legs")
        for leg in _legs_of(stated[2].strip(), number, cwd):
            yield _as_stated(leg, platform)
    elif line.startswith("{"):
        yield _of_text(line.encode(), f"leg {number}")
    elif files := _files(line, cwd):
        for path in files:
            shown = str(path.relative_to(cwd)) if path.is_relative_to(cwd) else str(path)
            yield _of_text(_bytes(path, shown), shown)
    else:
        yield _of_reference(line)


def _as_stated(leg: Leg, platform: Platform) -> Leg:
    if leg.platform and not leg.platform.means(platform):
        raise UsageError(
            f"{leg.name} is said to be {platform}, and it says {leg.platform}",
            hint="leave the platform out: a file has its own",
        )
    return replace(leg, platform=platform)


def _files(line: str, cwd: Path) -> list[Path]:
    """The files that a line names; none for a reference. UsageError where it names some that are not there."""
    try:
        path = cwd / line
        if path.is_dir():
            files = sorted(path.rglob(FILES))
            what = f"the folder {line}"
        elif path.exists():
            return [path]
        elif _PATTERN.search(line):
            files = sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
            what = line
        elif line.startswith((".", "/")) or line.endswith(".json"):
            files, what = [], line
        else:
            return []
    except (OSError, ValueError) as error:
        raise UsageError(
            f"legs: {line[:100]!r} can't be looked at: {error}", hint="name a file or a reference"
        ) from None
    if not files:
        raise UsageError(
            f"legs: {what} has no file of a leg" if path.is_dir() else f"legs: there is no file {what}",
            hint=f"let the jobs that build hand on {FILES} as an artifact, or the output `metadata`",
        )
    return files


def _bytes(path: Path, name: str) -> bytes:
    try:
        return read_file(path, _LIMIT)
    except OSError as error:
        raise UsageError(f"{name} can't be read: {error.strerror}", hint=_AGAIN) from None
    except ValueError as error:
        raise UsageError(f"{name} is no leg: {error}", hint=_AGAIN) from None


def _of_reference(line: str) -> Leg:
    reference = Reference.parse(with_lower_repository(line.removeprefix(TRANSPORT)))
    return Leg(str(reference), {reference.name: reference}, bare=True)


def _of_text(data: bytes, name: str) -> Leg:
    try:
        document = json_of(data)
    except ValueError as error:
        raise UsageError(f"{name} is no leg: {error}", hint=f"look whether it was cut; {_AGAIN}") from None
    if not isinstance(document, dict):
        raise UsageError(f"{name} is no leg: it is no JSON object", hint=_AGAIN)
    record = document.get(LEG)
    if record is None:
        raise _of_something_else(document, name)
    try:
        version = _typed(record, dict, "the record").get("version")
        if type(version) is int and version > VERSION:
            raise UsageError(
                f"{name} was written by a newer flakeship: its record has the version {version}, and this one reads {VERSION}",
                hint="use one version of flakeship in all jobs",
            )
        if version != VERSION:
            raise ValueError("its record has no version")
        return _of_record(name, document, record)
    except KeyError as error:
        raise UsageError(f"{name} is no whole leg: it has no {error}", hint=_AGAIN) from None
    except (ValueError, TypeError) as error:
        raise UsageError(f"{name} is no whole leg: {error}", hint=_AGAIN) from None


def _of_something_else(document: Mapping[str, Any], name: str) -> UsageError:
    several = [key for key, each in document.items() if isinstance(each, dict) and LEG in each]
    if several:
        return UsageError(
            f"{name} has legs of several images: {', '.join(several)[:200]}",
            hint="merge each image by itself, from the files that were written for it",
        )
    what = (
        "the metadata file of an image that was not pushed by its digest alone, or of another tool"
        if "containerimage.digest" in document
        else "a file of another tool"
    )
    return UsageError(f"{name} is {what}", hint="give the jobs that build `push-by-digest: true`")


def _of_record(name: str, document: Mapping[str, Any], record: Mapping[str, Any]) -> Leg:
    """ValueError, KeyError or TypeError for what is not as `publish` writes it."""
    platforms = _typed(record["platform"], str, "platform")
    if "," in platforms:
        raise UsageError(
            f"{name} is an index of {platforms.replace(',', ', ')}, and a leg is one image",
            hint="choose one of them with `platforms` in the job that pushes it",
        )
    try:
        platform = platform_of(platforms, name=name)
    except UsageError:
        raise ValueError(f"it states the platform {platforms[:50]!r}") from None
    destinations = [
        each
        for each in _typed(document["flakeship.destinations"], list, "destinations")
        if _is_registry(each)
    ]
    withheld = ", ".join(dict.fromkeys(str(each.get("why", "")) for each in destinations if not each["sent"]))
    leg = Leg(
        f"{platform} ({name})",
        {},
        platform,
        withheld=withheld,
        run=_typed(record["run"], str, "run"),
        revision=_typed(record["revision"], str, "revision"),
        tags=tuple(_typed(tag, str, "a tag") for tag in _typed(record["tags"], list, "tags")),
        annotations=_texts(record["annotations"]),
        image=_typed(record.get("image") or "", str, "image"),
        provenance=_typed(record.get("provenance") or {}, dict, "provenance") or None,
        flake=_typed(document.get("flakeship.flake") or {}, dict, "flake") or None,
    )
    for tag in leg.tags:
        _parsed(tag)
    return leg if withheld else _with_places(leg, document, [each["reference"] for each in destinations])


def _with_places(leg: Leg, document: Mapping[str, Any], references: Sequence[str]) -> Leg:
    digest = parse_digest(document["containerimage.digest"])
    descriptor = _typed(document["containerimage.descriptor"], dict, "descriptor")
    parsed = [_parsed(text) for text in references]
    stated = {descriptor.get("digest"), *(each.digest for each in parsed)} - {digest}
    if not parsed or stated:
        raise ValueError(f"it gives {digest} and {', '.join(map(str, stated)) or 'no repository'}")
    said = descriptor.get("platform")
    if isinstance(said, dict):
        other = Platform.of(*(str(said.get(key) or "") for key in ("os", "architecture", "variant")))
        if leg.platform and not other.means(leg.platform):
            raise ValueError(f"it states {leg.platform}, and {other} in its descriptor")
    return replace(
        leg,
        references={each.name: each for each in parsed},
        config=parse_digest(document["containerimage.config.digest"]),
        of_descriptor=_texts(descriptor.get("annotations") or {}),
    )


def _is_registry(destination: Any) -> bool:
    """Registries alone name what they hold by a digest, sent or not."""
    if not isinstance(destination, dict):
        raise TypeError("a destination is no object")
    place = destination if destination["sent"] else destination["would-be"]
    return "@" in _typed(place["reference"], str, "reference")


def _parsed(text: str) -> Reference:
    """ValueError, so that the message names the file."""
    try:
        return Reference.parse(text)
    except UsageError as error:
        raise ValueError(error.message) from None


def _typed(value: Any, kind: type, what: str) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"{what} is not what it should be")
    return value


def _texts(value: Any) -> dict[str, str]:
    if not all(isinstance(text, str) for text in _typed(value, dict, "annotations").values()):
        raise TypeError("an annotation is no text")
    return dict(value)
