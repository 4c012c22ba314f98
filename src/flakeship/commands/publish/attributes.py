"""Several flake attributes in one run: which inputs belong to which of them, worked out before anything is built."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from flakeship.commands.naming import images_of, split
from flakeship.destinations.grammar import holds_one_image
from flakeship.errors import UsageError
from flakeship.metadata.context import Context
from flakeship.metadata.syntax.lists import Placed
from flakeship.settings.declaration import Settings

# A flake reference may hold an `=` only behind a `:`, `/` or `?`
_NAMED: Final = re.compile(r"([A-Za-z0-9_][A-Za-z0-9_-]*)=(.+)")
_HALF: Final = re.compile(r"([A-Za-z0-9_][A-Za-z0-9_-]*)=\s*|=.*")
"""A line whose name, or all that follows it, is missing: mostly a variable that is not set."""
_ATTRIBUTE: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")


@dataclass(frozen=True, slots=True)
class Attribute:
    """`name` is what its lines begin with; `settings` are those of a run for it alone.

    `tag` names it in a layout where nothing else does: of several, the flakes' own tags are often all `latest`.
    """

    name: str
    settings: Settings
    tag: str = ""


def attributes_of(settings: Settings) -> tuple[Attribute, ...]:
    """One for each name in `flake`: `NAME=INSTALLABLE`, or an installable that goes by the end of its attribute path.

    Lines of one name that begin with a platform, `NAME=PLATFORM=INSTALLABLE`, are one image. UsageError where two have one
    name, or nothing says that they go to different places.
    """
    if settings.source or len(settings.flake) < 2:
        return (_single(settings),)
    grouped = _by_name([_line(text) for text in settings.flake])
    if len(grouped) == 1:
        (lines,) = grouped.values()
        name, explicit = lines[0].name, {line.name for line in lines if line.explicit}
        own = tuple(line.text for line in lines)
        return (Attribute(name, _for(settings, name, own, explicit)),)
    names = set(grouped)
    made = tuple(
        Attribute(name, _for(settings, name, tuple(line.text for line in lines), names), plain_name(name))
        for name, lines in grouped.items()
    )
    _check_apart(made, settings)
    return made


def names_its_image(settings: Settings) -> bool:
    """Tell whether `flake` is a single `NAME=INSTALLABLE`: jobs of a matrix may each build one of several images."""
    return not settings.source and len(settings.flake) == 1 and _line(settings.flake[0]).explicit


def check_default(made: Sequence[Attribute], context: Context) -> None:
    """UsageError where several would go by the one name that the platform has for the project's image, or one has no name."""
    named = next((each for each in made if each.settings.images), None)
    for each in made:
        if named and not each.settings.images and not context.image and split(each.settings.tags).rules:
            image = named.settings.images[0].text.rpartition("/")[0]
            raise UsageError(
                f"images has no line for {each.name}, and its tags need a name",
                hint=f"add the line {each.name}={image or 'REGISTRY'}/{each.name}",
            )
    unnamed = [each.name for each in made if not each.settings.images and images_of(each.settings, context)]
    if len(unnamed) > 1:
        raise UsageError(
            f"{context.image!r}, the name of this project's image, would be that of {', '.join(unnamed)}",
            hint=f"give each a name of its own with `images`: {unnamed[0]}={context.image}/{unnamed[0]}",
        )


@dataclass(frozen=True, slots=True)
class _Line:
    """One line of `flake`: its name, whether it was written, whether a platform follows it, and the rest as it was written."""

    name: str
    explicit: bool
    has_platform: bool
    text: str


def _by_name(lines: Sequence[_Line]) -> dict[str, list[_Line]]:
    """The lines of each image. Those of a platform that say no name belong to the one image that there is."""
    unnamed = [line for line in lines if line.has_platform and not line.explicit]
    grouped: dict[str, list[_Line]] = {}
    for line in lines:
        if line not in unnamed:
            grouped.setdefault(line.name, []).append(line)
    for name, own in grouped.items():
        if sum(not line.has_platform for line in own) > 1:
            raise UsageError(
                f"flake: two attributes go by the name {name!r}",
                hint="name them: one=.#x.image and two=.#y.image",
            )
    if not unnamed:
        return grouped
    if len(grouped) > 1:
        raise UsageError(
            f"flake: {unnamed[0].text!r} does not say which of {', '.join(sorted(grouped))} it belongs to",
            hint=f"begin it with the name: {min(grouped)}={unnamed[0].text}",
        )
    named = next(iter(grouped.values()), [])
    return {next(iter(grouped), unnamed[0].name): [*named, *unnamed]}


def _single(settings: Settings) -> Attribute:
    line = _line(settings.flake[0] if settings.flake else ".")
    return Attribute(
        line.name, _for(settings, line.name, (line.text,), {line.name} if line.explicit else set())
    )


def _line(text: str) -> _Line:
    if half := _HALF.fullmatch(text):
        raise UsageError(
            f"flake: {text!r} {'says nothing to build' if half[1] else 'has no name before its `=`'} (an unset variable?)",
            hint=f"write the name and the attribute: {half[1] or 'api'}=.#image",
        )
    platform, installable = _platform_before(text)
    hit = None if platform else _NAMED.fullmatch(text)
    rest = text
    if hit:
        rest = hit[2].strip()
        platform, installable = _platform_before(rest)
        return _Line(hit[1], True, bool(platform), rest)
    end = installable.partition("#")[2].partition("^")[0].rpartition(".")[2].strip('"')
    return _Line(end if _ATTRIBUTE.fullmatch(end) else installable, False, bool(platform), rest)


def _platform_before(text: str) -> tuple[str, str]:
    if "=" not in text:
        return "", text
    from flakeship.commands.platforms import split_line

    return split_line(text)


def _for(settings: Settings, name: str, lines: tuple[str, ...], names: set[str]) -> Settings:
    return dataclasses.replace(
        settings,
        flake=lines,
        # docs/decisions.md#labels-have-no-attribute-of-their-own
        images=_own_lines(settings.images, name, names, "images"),
        tags=_own_lines(settings.tags, name, names, "tags"),
        to=tuple(own for text in settings.to if (own := _own(text, name, names, "to: ")) is not None),
    )


def _own_lines(lines: Sequence[Placed], name: str, names: set[str], where: str) -> tuple[Placed, ...]:
    own = ((line, _own(line.text, name, names, f"{where}, {line.where()}")) for line in lines)
    return tuple(line.part(len(line.text) - len(text), text) for line, text in own if text is not None)


def _own(line: str, name: str, names: set[str], where: str) -> str | None:
    """Return a line that is for all, or one for `name` without its `NAME=`; None for a line of another attribute.

    No reference and no path has an `=` where the name ends. UsageError, begun by `where`, for a `NAME=` with nothing behind it:
    the image would be pushed nowhere, and the run would seem to have done what it was told.
    """
    who, equals, rest = line.partition("=")
    if not (equals and who in names and who):
        return line
    if not rest.strip():
        raise UsageError(
            f"{where}{line!r} gives {who} nothing (an unset variable?)",
            hint=f"write behind it what {who} gets, or leave the line out",
        )
    return rest.strip() if who == name else None


def plain_name(name: str) -> str:
    """The name of an attribute in the characters of tags, artifacts and jobs; it begins with no dot and is not empty."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-")[:128] or "image"


def _is_reference(line: str) -> bool:
    return ("/" in line or ":" in line) and not line.startswith("type=")


def _check_apart(made: Sequence[Attribute], settings: Settings) -> None:
    """A place that every attribute would write to is a mistake: the last one would win."""
    names = {each.name for each in made}
    places = [
        *(line.text for line in settings.images),
        *(line.text for line in settings.tags if _is_reference(line.text)),
        *filter(holds_one_image, settings.to),
    ]
    shared = (line for line in places if line.partition("=")[0] not in names)
    if place := next(shared, None):
        stranger = _NAMED.fullmatch(place)
        from flakeship.outside.nearness import nearest_word

        if stranger and (meant := nearest_word(stranger[1], names)):
            raise UsageError(
                f"{place!r} is for an attribute {stranger[1]}, and there are {', '.join(sorted(names))}",
                hint=f"write {meant}={stranger[2]}",
            )
        raise UsageError(
            f"{place!r} would hold {', '.join(sorted(names))}, each of which would replace the one before",
            hint=f"name the attribute that goes there: {made[0].name}={place}",
        )
