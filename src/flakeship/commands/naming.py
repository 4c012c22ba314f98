"""Reads the inputs that name and describe an image, and evaluates them for the event that started the run."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

from flakeship import events
from flakeship.commands.lower_case import tell
from flakeship.errors import UsageError
from flakeship.metadata.annotations import PlatformLevel, parse_levels
from flakeship.metadata.context import Context, NixFacts
from flakeship.metadata.engine import Evaluation, Metadata, Tag, evaluate
from flakeship.metadata.handed_on import whole_lines
from flakeship.metadata.inputs import MetadataInputs, naming_input, parse_inputs
from flakeship.metadata.rules import parse_rules
from flakeship.metadata.syntax.fields import parse_fields
from flakeship.metadata.syntax.lists import Placed
from flakeship.metadata.tags import sanitized
from flakeship.metadata.unfilled import unfilled
from flakeship.registry.reference import TRANSPORT, Reference, with_lower_repository, with_tag_suffix
from flakeship.settings.declaration import Settings

PUBLISH_LEVELS: Final = (PlatformLevel("manifest"), PlatformLevel("index"))
"""Where annotations go that name no level. GHCR describes an image of several platforms by its index:
https://docs.github.com/en/packages/working-with-a-github-packages-registry/working-with-the-container-registry.
"""

METADATA_LEVELS: Final = (PlatformLevel("manifest"),)
"""The same for the command `metadata`: the default of docker/metadata-action."""

_LIKE_A_BRANCH: Final = re.compile(r"(?!localhost/)[^.:@/]+/[^:@]+")
"""A reference without a host, a tag or a digest."""

_TEMPLATE: Final = re.compile(r"\{\{.*?\}\}")
_USE_IMAGES: Final = "or write the name in `images`, where it may be in upper case"
_USE_RULES: Final = "or write the name in `images`, and here a rule, which makes a dash of a slash: `type=ref,event=branch`, or `type=raw,value=a/b`"
_LEVELS_VARIABLE: Final = "DOCKER_METADATA_ANNOTATIONS_LEVELS"


@dataclass(frozen=True, slots=True)
class TagLines:
    """The input `tags` in two parts: full references ("ghcr.io/o/n:1"), and the rules and bare tags for `images`."""

    references: tuple[str, ...]
    rules: tuple[Placed, ...]
    written: tuple[Placed, ...] = ()
    """The references as the user wrote them: capitals of a repository are lower case in `references`."""

    # docs/decisions.md#a-branch-is-no-repository
    def check_hosts(self) -> None:
        """UsageError for a reference that may be a branch: where the image has a name, that would be pushed elsewhere."""
        for part in self.written:
            if _LIKE_A_BRANCH.fullmatch(part.text):
                raise UsageError(
                    f"tags, {part.where()}{part.text!r} may be a branch, or the repository docker.io/{part.text}",
                    hint=f"write the rule `type=raw,value={part.text}` for the tag {sanitized(part.text)}, "
                    f"or the whole reference docker.io/{part.text}:latest",
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class NamingRequest:
    """The inputs that name and describe one image, parsed and checked; nothing was asked of Nix or of a registry.

    `references` are the full references in `tags`; `uses_rules` is False where they are all the tags that are wanted.
    `first_image` is the first line of `images`, for messages. `has_destination` is True where `to` or `load` takes the
    image whatever its tags, `pushes` is False where nothing is to be pushed.
    """

    context: Context
    inputs: MetadataInputs
    references: tuple[str, ...]
    uses_rules: bool
    first_image: str
    has_destination: bool
    pushes: bool
    as_written: tuple[str, ...] = ()
    """The references as the user wrote them."""

    @classmethod
    def of(cls, settings: Settings, context: Context, environ: Mapping[str, str]) -> Self:
        """Read the inputs for `publish`. UsageError, with input, line and column, for a malformed or nameless one."""
        lines = split(settings.tags)
        images = _images(settings, context, lines)
        if lines.rules and not images:
            with naming_input("tags"):
                parse_rules(lines.rules)
            rule = lines.rules[0]
            made = "=" in rule.text
            raise UsageError(
                f"tags, {rule.where()}{rule.text!r} is {'a rule for tags' if made else 'a tag'} without a name",
                hint="name the image with `images`, or write the full reference: registry/repository:tag",
            )
        levels = levels_of(settings, environ, default=PUBLISH_LEVELS)
        return cls._of(settings, context, lines, images, levels, renders_text=False)

    @classmethod
    def for_metadata(
        cls, settings: Settings, context: Context, environ: Mapping[str, str], emit: events.Emit
    ) -> Self:
        """Read the inputs for the command `metadata`. UsageError as for `of`.

        docker/metadata-action ignores labels and annotations without a `=`; here each of them is a warning too.
        """
        lines = split(settings.tags)
        described = replace(
            settings,
            labels=tuple(_pairs(settings.labels, "labels", emit)),
            annotations=tuple(_pairs(settings.annotations, "annotations", emit)),
        )
        images = settings.images or _default_image(context)
        levels = levels_of(settings, environ, default=METADATA_LEVELS)
        return cls._of(described, context, lines, images, levels, renders_text=True)

    @classmethod
    def _of(
        cls,
        settings: Settings,
        context: Context,
        lines: TagLines,
        images: tuple[Placed, ...],
        levels: tuple[PlatformLevel, ...],
        *,
        renders_text: bool,
    ) -> Self:
        if settings.images or context.image:
            lines.check_hosts()
        return cls(
            context=context,
            inputs=parse_inputs(
                images=images,
                tags=lines.rules,
                flavor=settings.flavor,
                labels=settings.labels if renders_text else whole_lines(settings.labels),
                annotations=settings.annotations if renders_text else whole_lines(settings.annotations),
                levels=levels,
                auto_labels=settings.auto_labels,
                annotations_from_labels=settings.annotations_from_labels,
                # docs/decisions.md#labels-are-text
                renders_text=renders_text,
            ),
            references=lines.references,
            as_written=tuple(part.text for part in lines.written),
            uses_rules=bool(lines.rules or not lines.references),
            first_image=images[0].text if images else "",
            has_destination=bool(settings.to or settings.load),
            pushes=settings.push != "false",
        )


@dataclass(frozen=True, slots=True)
class Naming:
    """How an image is named. `references` are full ones, each once; `metadata` is for an image without labels."""

    references: tuple[str, ...]
    metadata: Metadata
    evaluation: Evaluation

    def marks(self, *, own: Mapping[str, str], created: str, nix: NixFacts) -> Metadata:
        """Work out labels and annotations for an image.

        `own` are the labels that it has, `created` is the date in its config (RFC 3339), "" if the config has no date.
        """
        return self.evaluation.metadata(own=own, created=created, nix=nix)


def naming_of(
    request: NamingRequest, *, emit: events.Emit, nix: Callable[[], NixFacts], variant: str = ""
) -> Naming:
    """Evaluate the inputs for `publish`; `variant` is appended to every tag ("-debug").

    `nix` is called only for a rule `type=nix`. Warnings are emitted for the image itself and not again for a variant.
    UsageError for what is wrong in a template, for a tag that no registry takes, and for an image that gets no tag.
    """
    evaluation = _evaluated(request, nix)
    metadata = evaluation.metadata()
    if not variant:
        _warn(metadata, emit)
        for written, read in zip(request.as_written, request.references, strict=False):
            tell(written, read, emit)
    tags = metadata.tags if metadata.images and request.uses_rules else ()
    named = (*request.references, *(tag.reference for tag in tags))
    references = tuple(with_tag_suffix(reference, variant) for reference in dict.fromkeys(named))
    placed = bool(references) or request.has_destination
    if metadata.images and request.pushes and not placed:
        raise UsageError(
            f"the rules give no tag for {request.first_image}, so it can't be pushed",
            hint=f"{_hint_of_head(request.context)}run `flakeship metadata --explain`, which says why for each rule; "
            'add a rule such as `type=sha`, or set `push: "false"` where there is nothing to push',
        )
    if request.context.image_variable and request.pushes and not placed and not variant:
        variable = request.context.image_variable
        why = (
            "`enable=false` switches off all that `images` names"
            if request.first_image
            else f"{variable} is not set, and neither `images` nor `tags` nor `to` says where to"
        )
        emit(events.Warned(f"nothing is pushed: {why}", hint=_hint_for_no_name(request.context)))
    return Naming(references, metadata, evaluation)


def metadata_of(request: NamingRequest, *, emit: events.Emit, nix: Callable[[], NixFacts]) -> Metadata:
    """Evaluate the inputs as docker/metadata-action does, with the full references of `tags` before the other tags.

    `nix` and UsageError are as for `naming_of`.
    """
    found = _evaluated(request, nix).metadata()
    _warn(found, emit)
    full = tuple(Tag(text, Reference.parse(text).tag or "latest", text) for text in request.references)
    tags, names = (found.tags, found.names) if request.uses_rules else ((), ())
    return replace(found, tags=(*full, *tags), names=(*dict.fromkeys(tag.name for tag in full), *names))


def levels_of(
    settings: Settings, environ: Mapping[str, str], *, default: tuple[PlatformLevel, ...]
) -> tuple[PlatformLevel, ...]:
    """Read where annotations go that name no level. UsageError, with line and column, for an unknown level."""
    variable = Placed(environ.get(_LEVELS_VARIABLE, ""), 1)
    for name, lines in {
        "annotations-levels": settings.annotations_levels,
        _LEVELS_VARIABLE: (variable,),
    }.items():
        with naming_input(name):
            if levels := tuple(level for line in lines for level in parse_levels(line)):
                return levels
    return default


def images_of(settings: Settings, context: Context) -> tuple[Placed, ...]:
    """Return the lines of `images`, or the CI's name for the project's image.

    The latter is taken where a tag needs a name, or where no reference and no destination is given.
    """
    return _images(settings, context, split(settings.tags))


def split(tags: Sequence[Placed]) -> TagLines:
    """Tell rules from references: a rule has `KEY=VALUE` in it, a reference a slash or a colon.

    UsageError, with line and column, for a malformed reference.
    """
    with naming_input("tags"):
        parts = tuple(part for line in tags for part in _parts(line))
        written = tuple(_without_transport(part) for part in parts if _is_reference(part))
        return TagLines(
            references=tuple(map(_reference, written)),
            written=written,
            rules=tuple(part for part in parts if not _is_reference(part)),
        )


def _parts(line: Placed) -> Iterator[Placed]:
    """Split a line of tags and references, which are separated by commas; a rule stays whole."""
    fields = list(parse_fields(line))
    if any(field.key for field in fields):
        yield line
        return
    yield from (field.value for field in fields if field.value.text)


def _is_reference(part: Placed) -> bool:
    bare = _TEMPLATE.sub("", part.text)
    return "=" not in bare and ("/" in bare or ":" in bare)


def _without_transport(part: Placed) -> Placed:
    """A reference as skopeo has it means the same without `docker://`."""
    return part.part(len(TRANSPORT), part.text[len(TRANSPORT) :]) if part.text.startswith(TRANSPORT) else part


def _reference(part: Placed) -> str:
    if "{{" in part.text:
        raise UsageError(
            f"{part.where()}{part.text:.200} is a full reference, in which no template may stand",
            hint="write the name in `images`, and the tag with its template in `tags` (with slashes: `type=raw,value=…`)",
        )
    read = with_lower_repository(part.text)
    try:
        Reference.parse(read)
    except UsageError as error:
        raise UsageError(f"{part.where()}{error.message}", hint=_hint_for(part.text, error.hint)) from None
    return read


def _hint_of_head(context: Context) -> str:
    """Say which tag a commit has that a branch is checked out of: rules such as `type=semver` ask for the tag itself."""
    if not context.tags_at_head:
        return ""
    return f"run `git checkout {context.tags_at_head[0]}` for the tag of this commit, since HEAD is on {context.branch}; or "


def _hint_for(reference: str, hint: str) -> str:
    if missing := unfilled(reference)[1]:
        return missing
    name, _, tag = reference.rpartition(":")
    if "/" in tag and name:
        return f"{hint}; {_USE_RULES}"
    return f"{hint}; {_USE_IMAGES}" if name != name.lower() else hint


def _hint_for_no_name(context: Context) -> str:
    given = f", or give gitlab-ci-local `{context.image_given_by}`" if context.image_given_by else ""
    return f'name the image with `images`{given}; set `push: "false"` where nothing is to be pushed'


def _images(settings: Settings, context: Context, lines: TagLines) -> tuple[Placed, ...]:
    elsewhere = lines.references or settings.to or settings.load
    return settings.images or (_default_image(context) if lines.rules or not elsewhere else ())


def _default_image(context: Context) -> tuple[Placed, ...]:
    return (Placed(context.image, 1),) if context.image else ()


def _pairs(lines: Sequence[Placed], name: str, emit: events.Emit) -> Iterator[Placed]:
    """Leave out lines without a `=`, with a warning for each."""
    for line in lines:
        if "=" in line.text:
            yield line
        else:
            emit(events.Warned(f"{name}, {line.where()}{line.text:.100} is not KEY=VALUE and is left out"))


def _evaluated(request: NamingRequest, nix: Callable[[], NixFacts]) -> Evaluation:
    return evaluate(request.inputs, request.context, nix() if request.inputs.needs_nix else None)


def _warn(metadata: Metadata, emit: events.Emit) -> None:
    for warning in metadata.warnings:
        emit(events.Warned(warning))
    for notice in metadata.notices:
        emit(events.Notice(notice))
