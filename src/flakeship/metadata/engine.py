"""From a context and the user's rules to tags, labels and annotations: the one function that the rest of the tool calls."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from flakeship.errors import UsageError
from flakeship.metadata.annotations import Annotation, at_levels, names_level, parse_annotation
from flakeship.metadata.context import Context, NixFacts
from flakeship.metadata.flavor import Flavor, parse_flavor
from flakeship.metadata.images import parse_images
from flakeship.metadata.labels import Labels, automatic, timestamp, written
from flakeship.metadata.rules import parse_rules
from flakeship.metadata.syntax.lists import numbered, pair, where
from flakeship.metadata.tags import TAG, Outcome, evaluate, flaw, sanitized, scope

EMPTY: Final[Mapping[str, str]] = MappingProxyType({})
_FLAW_HINT: Final = "Give the rule another value or prefix=, or switch it off with enable=."
_LATEST_HINT: Final = (
    "Write a prefix without a template beside onlatest=true, or switch it off with latest=false."
)


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag: `reference` is what is pushed ("ghcr.io/o/n:1.2", or the bare tag without images), `rule` its origin."""

    reference: str
    name: str
    rule: str


@dataclass(frozen=True, slots=True)
class Metadata:
    """What came out. `version` is the first tag's name, or empty; `names` are the tags without an image.

    `outcomes` has one entry a rule, for explanations. `annotation_pairs` go to all `levels`, `placed` are the lines
    that named their own.
    """

    version: str
    names: tuple[str, ...]
    tags: tuple[Tag, ...]
    images: tuple[str, ...]
    labels: Labels
    annotation_pairs: tuple[tuple[str, str], ...]
    levels: tuple[str, ...]
    placed: tuple[Annotation, ...]
    outcomes: tuple[Outcome, ...]
    auto_labels: bool

    @property
    def annotations(self) -> tuple[Annotation, ...]:
        return (*at_levels(self.annotation_pairs, self.levels), *self.placed)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should hear of without asking."""
        doubts = (f"tags, {doubt}" for outcome in self.outcomes for doubt in outcome.rule.doubts)
        rules = (f"{outcome.rule}: {outcome.reason}" for outcome in self.outcomes if outcome.surprising)
        keys = (
            f"annotations: {key.partition(':')[0]!r} is no level, so {key!r} is taken for the key"
            for key, _ in self.annotation_pairs
            if ":" in key
        )
        return (*doubts, *rules, *keys)


def compute(
    context: Context,
    *,
    images: Sequence[str] = (),
    tags: Sequence[str] = (),
    flavor: Sequence[str] = (),
    labels: Sequence[str] = (),
    annotations: Sequence[str] = (),
    auto_labels: bool = True,
    annotations_from_labels: bool = False,
    levels: Sequence[str] = ("manifest",),
    created: str | None = None,
    nix: NixFacts | None = None,
    own: Mapping[str, str] = EMPTY,
) -> Metadata:
    """Apply the rules to one event. Lines come as `lists.parse_list(…, comma=False)` gives them.

    `created` is the image's own time as it is to be written, the run's if None, and none if empty. `own` are the labels
    that the image has already: annotations say what labels will. UsageError, with line and column, for what is wrong
    in the lines, and for a tag that no registry would take.
    """
    with about("flavor"):
        parsed_flavor = parse_flavor(numbered(flavor))
        view = scope(context, parsed_flavor, nix)
    with about("tags"):
        outcomes = _settled(
            (evaluate(rule, view) for rule in parse_rules(numbered(tags))), wanted=bool(tags or images)
        )
    names = _names(outcomes, parsed_flavor)
    version = names[0][0] if names else ""
    with about("images"):
        names_of_images = parse_images(numbered(images))
    date = timestamp(context.run_date) if created is None else created
    auto = automatic(context, version=version, created=date, nix=nix)
    with about("labels"):
        user = dict(pair(line, what="") for line in written(numbered(labels), view.names, what="a label"))
    found = replace(auto, user=user) if auto_labels else Labels(user, {}, {}, {})
    with about("annotations"):
        notes = written(numbered(annotations), view.names, what="an annotation")
        placed = tuple(note for line in notes if names_level(line) for note in parse_annotation(line))
    mirrored = found.over(own) if annotations_from_labels else _automatic(found, own)
    plain = mirrored | dict(pair(line, what="") for line in notes if not names_level(line))
    return Metadata(
        version=version,
        names=tuple(name for name, _ in names),
        tags=tuple(_tags(names, names_of_images)),
        images=names_of_images,
        labels=found,
        annotation_pairs=tuple(plain.items()),
        levels=tuple(levels),
        placed=placed,
        outcomes=outcomes,
        auto_labels=auto_labels,
    )


@contextlib.contextmanager
def about(name: str) -> Iterator[None]:
    """Say in an error which input it is about."""
    try:
        yield
    except UsageError as error:
        raise UsageError(f"{name}, {error.message}", hint=error.hint) from None


def _settled(outcomes: Iterable[Outcome], *, wanted: bool) -> tuple[Outcome, ...]:
    """Check every tag, and let the first of several rules with the same tag have it. Where nobody wrote a rule, nor an
    image to be tagged by it, the name of a branch may be none.
    """
    settled: list[Outcome] = []
    for outcome in outcomes:
        tag, rule = outcome.tag, outcome.rule
        if why := flaw(tag) if tag else "":
            if wanted:
                raise rule.error("value", f"the tag {tag!s:.150} {why} (from {rule})", _FLAW_HINT)
            reason = f"the tag {tag!s:.150} {why}"
        else:
            first = next((other for other in settled if tag and other.tag == tag), None)
            reason = f"{first.rule} gives {tag} already" if first else ""
        settled.append(replace(outcome, tag="", reason=reason) if reason else outcome)
    return tuple(settled)


def _names(outcomes: Sequence[Outcome], flavor: Flavor) -> list[tuple[str, str]]:
    """Each tag and the rule it came from, in order; the first rule with a tag decides on `latest`, which comes last, as
    there also where a rule has given it already.
    """
    names = [(outcome.tag, str(outcome.rule)) for outcome in outcomes if outcome.tag]
    if next((outcome.latest for outcome in outcomes if outcome.tag), False):
        latest = sanitized(flavor.latest_tag)
        if not TAG.fullmatch(latest):
            raise UsageError(
                f"flavor, {where(flavor.prefix or flavor.suffix)}the tag {latest!s:.150} is not one that a registry takes",
                hint=_LATEST_HINT,
            )
        names.append((latest, f"flavor latest={flavor.latest}"))
    return names


def _tags(names: Sequence[tuple[str, str]], images: Sequence[str]) -> Iterable[Tag]:
    for image in images or ("",):
        for name, rule in names:
            yield Tag(f"{image}:{name}" if image else name, name, rule)


def _automatic(found: Labels, own: Mapping[str, str]) -> dict[str, str]:
    """The labels that nobody wrote, each with the value that it will have on the image."""
    labels = replace(found, user={})
    return {key: labels.over(own)[key] for key in labels.over({})}
