"""What the image is to be called and to carry: the inputs, the event and what Nix knows, put before the metadata engine."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from flakeship import events
from flakeship.commands.runtime import Runtime
from flakeship.errors import UsageError
from flakeship.metadata.annotations import parse_levels
from flakeship.metadata.context import Context, NixFacts
from flakeship.metadata.engine import EMPTY, Metadata, Tag, about, compute
from flakeship.metadata.rules import parse_rules
from flakeship.metadata.syntax.fields import parse_fields
from flakeship.metadata.syntax.lists import numbered, placed, where
from flakeship.registry.reference import Reference, with_tag_suffix
from flakeship.settings.declaration import Settings

MIRRORED: Final = ("manifest", "index")
"""Where annotations go when nobody says: GHCR describes an image by the index, where there is one."""

_TEMPLATE: Final = re.compile(r"\{\{.*?\}\}")
_MENDED: Final = "With the name in `images`, case and slashes are no matter: `type=ref,event=branch`, `type=raw,value=a/b`."
_VARIABLE: Final = "DOCKER_METADATA_ANNOTATIONS_LEVELS"


@dataclass(frozen=True, slots=True)
class Lines:
    """The input `tags`, taken apart: full references, which docker/metadata-action hands over, and all that is a rule."""

    full: tuple[str, ...]
    rules: tuple[str, ...]

    @property
    def named(self) -> bool:
        """Whether the references are all the tags there are to be."""
        return bool(self.full and not self.rules)

    @property
    def want_nix(self) -> bool:
        """Whether a tag says something that only an evaluation can tell."""
        with about("tags"):
            return any(rule.type == "nix" for rule in parse_rules(self.rules))


@dataclass(frozen=True, slots=True)
class Naming:
    """How an image is named: all that `marks` needs to tell what it carries. `references` are full ones, each once."""

    references: tuple[str, ...]
    metadata: Metadata
    settings: Settings
    context: Context
    levels: tuple[str, ...]
    nix: NixFacts | None
    """What the tags were made with."""

    def marks(self, *, own: Mapping[str, str], created: str, nix: NixFacts) -> Metadata:
        """Labels and annotations over the labels that the image has; `created` is the image's own, as it says it."""
        lines = split(self.settings.tags)
        return _computed(
            self.settings, self.context, lines, self.levels, self.nix or nix, own=own, created=created
        )


def naming_of(
    settings: Settings,
    context: Context,
    *,
    runtime: Runtime,
    variant: str = "",
    nix: Callable[[], NixFacts],
) -> Naming:
    """UsageError for a malformed image name, tag, label or annotation. `variant` is what every tag ends with, `nix` is
    asked only for a tag that says something of the build.
    """
    lines = split(settings.tags)
    settings = replace(settings, images=images_of(settings, context))
    if lines.rules and not settings.images:
        first = lines.rules[0]
        raise UsageError(
            f"tags, {where(first)}{str(first)!r} is a tag without a name",
            hint="name the image with `images`, or write the full reference: registry/repository:tag",
        )
    levels = levels_of(settings, runtime.environ, default=MIRRORED)
    facts = nix() if lines.want_nix else None
    metadata = _computed(settings, context, lines, levels, facts)
    if not variant:  # what it goes beside has said it
        _warn(metadata, runtime)
    tags = metadata.tags if metadata.images and not lines.named else ()
    named = (*lines.full, *(tag.reference for tag in tags))
    references = tuple(with_tag_suffix(reference, variant) for reference in dict.fromkeys(named))
    if metadata.images and not (references or settings.to or settings.load or settings.push == "false"):
        raise UsageError(
            f"no tag comes of the rules for {settings.images[0]}, so it can't be pushed",
            hint="`flakeship metadata --explain` says why of each; "
            "add a rule such as `type=sha`, or set `push: false` where there is nothing to push",
        )
    if context.image_variable and not (references or settings.to or settings.load or variant):
        why = f"{context.image_variable} is not set, and neither `images` nor `tags` nor `to` says where to"
        runtime.emit(events.Notice(f"nothing is pushed: {why}", prominent=True))
    return Naming(references, metadata, settings, context, levels, facts)


def metadata_of(
    settings: Settings, context: Context, *, runtime: Runtime, nix: Callable[[], NixFacts]
) -> Metadata:
    """What docker/metadata-action would give, with full references among the tags. The rest is as for `naming_of`, but for
    labels and annotations without a `=`: it leaves them out, so here they are a warning.
    """
    lines = split(settings.tags)
    settings = replace(
        settings,
        images=settings.images or ((context.image,) if context.image else ()),
        labels=tuple(_pairs(settings.labels, "labels", runtime)),
        annotations=tuple(_pairs(settings.annotations, "annotations", runtime)),
    )
    levels = levels_of(settings, runtime.environ, default=MIRRORED[:1])
    found = _computed(settings, context, lines, levels, nix() if lines.want_nix else None)
    _warn(found, runtime)
    full = tuple(Tag(text, Reference.parse(text).tag or "latest", text) for text in lines.full)
    given = () if lines.named else found.tags
    names = (*dict.fromkeys(tag.name for tag in full), *(() if lines.named else found.names))
    return replace(found, tags=(*full, *given), names=names)


def levels_of(settings: Settings, environ: Mapping[str, str], *, default: tuple[str, ...]) -> tuple[str, ...]:
    """Of the annotations that name none. UsageError, with line and column, for one that there is not."""
    said = {"annotations-levels": settings.annotations_levels, _VARIABLE: (environ.get(_VARIABLE, ""),)}
    for name, texts in said.items():
        with about(name):
            if levels := tuple(level for text in numbered(texts) for level in parse_levels(text)):
                return levels
    return default


def split(tags: Sequence[str]) -> Lines:
    """Tell rules from references: a rule has `KEY=VALUE` in it, a reference a slash or a colon. UsageError, with line and
    column, for what is neither.
    """
    with about("tags"):
        parts = tuple(part for line in numbered(tags) for part in _parts(line))
        return Lines(
            full=tuple(_reference(part) for part in parts if _is_full(part)),
            rules=tuple(part for part in parts if not _is_full(part)),
        )


def _parts(line: str) -> Iterator[str]:
    """A rule is a line; tags and references may share one, separated by commas."""
    fields = list(parse_fields(line))
    if any(field.key for field in fields):
        yield line
        return
    yield from (placed(line, field.value_offset, field.value) for field in fields if field.value)


def _is_full(part: str) -> bool:
    bare = _TEMPLATE.sub("", part)
    return "=" not in bare and ("/" in bare or ":" in bare)


def _reference(part: str) -> str:
    if "{{" in part:
        raise UsageError(
            f"{where(part)}{part!s:.200} is a reference with a template in it",
            hint="put the name in `images`; a tag alone may hold templates, and slashes behind `type=raw,value=`",
        )
    try:
        Reference.parse(part)
    except UsageError as error:
        name, _, tag = part.rpartition(":")
        foreign = name != name.lower() or "/" in tag
        raise UsageError(
            f"{where(part)}{error.message}", hint=f"{error.hint} {_MENDED}" if foreign else error.hint
        ) from None
    return part


def images_of(settings: Settings, context: Context) -> tuple[str, ...]:
    """The platform's own name for the project's image is used where a tag lacks one, or nothing says where to."""
    lines = split(settings.tags)
    elsewhere = lines.full or settings.to or settings.load
    if settings.images or not context.image or (elsewhere and not lines.rules):
        return settings.images
    return (context.image,)


def _pairs(lines: Sequence[str], name: str, runtime: Runtime) -> Iterator[str]:
    for line in numbered(lines):
        if "=" in line:
            yield line
        else:
            runtime.emit(
                events.Warned(f"{name}, {where(line)}{line!s:.100} is not KEY=VALUE and is left out")
            )


def _warn(metadata: Metadata, runtime: Runtime) -> None:
    for warning in metadata.warnings:
        runtime.emit(events.Warned(warning))


def _computed(
    settings: Settings,
    context: Context,
    lines: Lines,
    levels: Sequence[str],
    nix: NixFacts | None,
    *,
    own: Mapping[str, str] = EMPTY,
    created: str | None = None,
) -> Metadata:
    return compute(
        context,
        images=settings.images,
        tags=lines.rules,
        flavor=settings.flavor,
        labels=settings.labels,
        annotations=settings.annotations,
        auto_labels=settings.auto_labels,
        annotations_from_labels=settings.annotations_from_labels,
        levels=levels,
        created=created,
        nix=nix,
        own=own,
    )
