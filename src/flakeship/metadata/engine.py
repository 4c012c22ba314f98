"""Evaluates the parsed inputs for one event: first the tags, before a build; then labels and annotations of an image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from flakeship.errors import UsageError
from flakeship.metadata.annotations import Annotation, PlatformLevel, at_levels, names_level, parse_annotation
from flakeship.metadata.context import Context, NixFacts
from flakeship.metadata.flavor import Flavor
from flakeship.metadata.inputs import MetadataInputs, naming_input
from flakeship.metadata.labels import Labels, automatic, fill, timestamp
from flakeship.metadata.syntax.lists import parse_pair
from flakeship.metadata.tags import Outcome, apply, sanitized, scope, tag_defect
from flakeship.registry.reference import TAG_PATTERN

EMPTY: Final[Mapping[str, str]] = MappingProxyType({})
_DEFECT_HINT: Final = "give the rule another value or prefix=, or switch it off by enable="
_LATEST_HINT: Final = (
    "write a prefix without a template beside onlatest=true, or switch it off by latest=false"
)


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag: `reference` is what is pushed ("ghcr.io/o/n:1.2", or the bare tag without images), `rule` its origin."""

    reference: str
    name: str
    rule: str


@dataclass(frozen=True, slots=True)
class Metadata:
    """Tags, labels and annotations. `version` is the first tag's name, or empty; `names` are the tags without an image.

    `outcomes` has one entry a rule, for explanations. `annotation_pairs` (KEY, VALUE) go to all `levels`;
    `annotations_at_levels` are those whose lines name levels.
    """

    version: str
    names: tuple[str, ...]
    tags: tuple[Tag, ...]
    images: tuple[str, ...]
    labels: Labels
    annotation_pairs: tuple[tuple[str, str], ...]
    levels: tuple[PlatformLevel, ...]
    annotations_at_levels: tuple[Annotation, ...]
    outcomes: tuple[Outcome, ...]
    auto_labels: bool
    repeated: tuple[str, ...] = ()
    """Which keys the user gave several values: "labels: KEY"."""

    @property
    def annotations(self) -> tuple[Annotation, ...]:
        """All annotations, each with its levels."""
        return (*at_levels(self.annotation_pairs, self.levels), *self.annotations_at_levels)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Messages about rules and annotations that may not do what the user expects."""
        doubts = (f"tags, {doubt}" for outcome in self.outcomes for doubt in outcome.rule.doubts)
        rules = (f"{outcome.rule}: {outcome.reason}" for outcome in self.outcomes if outcome.surprising)
        keys = (
            f"annotations: {key.partition(':')[0]!r} is not a level, so {key!r} is taken for the key"
            for key, _ in self.annotation_pairs
            if ":" in key
        )
        return (*doubts, *rules, *keys)

    @property
    def notices(self) -> tuple[str, ...]:
        """What became of inputs that are taken otherwise than they are written."""
        tags = (
            f"tags: {each.wanted:.150} becomes the tag {each.tag}, for a tag has letters, digits and . _ - alone"
            for each in self.outcomes
            if each.wanted and each.tag
        )
        keys = (f"{each} has several values, of which the last is taken" for each in self.repeated)
        return (*tags, *keys)


def _repeated(pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Keys that have several values."""
    values: dict[str, set[str]] = {}
    for key, value in pairs:
        values.setdefault(key, set()).add(value)
    return (key for key, found in values.items() if len(found) > 1)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The inputs evaluated for one event: everything that does not depend on the image.

    `names` pairs each tag with the rule that it came from; `labels` and `annotation_pairs` are the user's, filled in;
    `nix` are the facts that tags were made with, None if no rule needed them.
    """

    inputs: MetadataInputs
    context: Context
    nix: NixFacts | None
    outcomes: tuple[Outcome, ...]
    names: tuple[tuple[str, str], ...]
    labels: Mapping[str, str]
    annotation_pairs: Mapping[str, str]
    annotations_at_levels: tuple[Annotation, ...]
    repeated: tuple[str, ...] = ()

    def metadata(
        self, *, own: Mapping[str, str] = EMPTY, created: str | None = None, nix: NixFacts | None = None
    ) -> Metadata:
        """Add the labels and annotations of an image to the tags.

        `own` are the labels that the image has already; annotations repeat the values that labels will have. `created`
        is the image's own time as it is to be written: the run's if None, no label if empty. `nix` describes the flake,
        unless the tags were made with facts from Nix already.
        """
        inputs = self.inputs
        version = self.names[0][0] if self.names else ""
        date = timestamp(self.context.run_date) if created is None else created
        found = Labels(self.labels, EMPTY, EMPTY, EMPTY)
        if inputs.auto_labels:
            found = automatic(self.context, version=version, created=date, nix=self.nix or nix)
            found = replace(found, user=self.labels)
        mirrored = found.over(own) if inputs.annotations_from_labels else _automatic(found, own)
        return Metadata(
            version=version,
            names=tuple(name for name, _ in self.names),
            tags=tuple(_tags(self.names, inputs.images)),
            images=inputs.images,
            labels=found,
            annotation_pairs=tuple((mirrored | dict(self.annotation_pairs)).items()),
            levels=inputs.levels,
            annotations_at_levels=self.annotations_at_levels,
            outcomes=self.outcomes,
            auto_labels=inputs.auto_labels,
            repeated=self.repeated,
        )


def evaluate(inputs: MetadataInputs, context: Context, nix: NixFacts | None = None) -> Evaluation:
    """Apply the rules to an event and fill in the templates of labels and annotations.

    UsageError, with input, line and column, for what is wrong in a template, for a tag that no registry would take,
    and for a label or an annotation that is not KEY=VALUE.
    """
    with naming_input("flavor"):
        view = scope(context, inputs.flavor, nix)
    with naming_input("tags"):
        found = (apply(rule, view) for rule in inputs.rules)
        outcomes = _checked(found, needs_valid_tags=inputs.needs_valid_tags)
    names = _names(outcomes, inputs.flavor)
    with naming_input("labels"):
        lines = fill(inputs.labels, view.names) if inputs.renders_text else inputs.labels
        labelled = [parse_pair(line, what="a label") for line in lines]
    with naming_input("annotations"):
        filled = fill(inputs.annotations, view.names) if inputs.renders_text else inputs.annotations
        pairs = [(line, parse_pair(line, what="an annotation")) for line in filled]
        own_levels = tuple(
            annotation for line, _ in pairs if names_level(line) for annotation in parse_annotation(line)
        )
    return Evaluation(
        inputs=inputs,
        context=context,
        nix=nix,
        outcomes=outcomes,
        names=tuple(names),
        labels=dict(labelled),
        annotation_pairs=dict(pair for line, pair in pairs if not names_level(line)),
        annotations_at_levels=own_levels,
        repeated=(
            *(f"labels: {key}" for key in _repeated(labelled)),
            *(f"annotations: {key}" for key in _repeated(pair for _, pair in pairs)),
        ),
    )


def _checked(outcomes: Iterable[Outcome], *, needs_valid_tags: bool) -> tuple[Outcome, ...]:
    """Check every tag, and give a tag of several rules to the first of them.

    UsageError for a tag that no registry takes; without `needs_valid_tags` its outcome says so instead.
    """
    checked: list[Outcome] = []
    for outcome in outcomes:
        tag, rule = outcome.tag, outcome.rule
        if why := tag_defect(tag) if tag else "":
            if needs_valid_tags:
                raise rule.error("value", f"the tag {tag!s:.150} {why} (from {rule})", _DEFECT_HINT)
            reason = f"the tag {tag!s:.150} {why}"
        else:
            first = next((other for other in checked if tag and other.tag == tag), None)
            reason = f"{first.rule} gives {tag} already" if first else ""
        checked.append(replace(outcome, tag="", reason=reason) if reason else outcome)
    return tuple(checked)


def _names(outcomes: Sequence[Outcome], flavor: Flavor) -> list[tuple[str, str]]:
    """Return each tag and the rule it came from, in order. The first rule with a tag decides whether there is `latest`.

    `latest` comes last, as in docker/metadata-action also where a rule has given it already.
    """
    names = [(outcome.tag, str(outcome.rule)) for outcome in outcomes if outcome.tag]
    if next((outcome.latest for outcome in outcomes if outcome.tag), False):
        latest = sanitized(flavor.latest_tag)
        if not TAG_PATTERN.fullmatch(latest):
            affix = flavor.prefix if flavor.prefix.text else flavor.suffix
            raise UsageError(
                f"flavor, {affix.where()}the tag {latest!s:.150} is not a tag that a registry takes",
                hint=_LATEST_HINT,
            )
        names.append((latest, f"flavor latest={flavor.latest}"))
    return names


def _tags(names: Sequence[tuple[str, str]], images: Sequence[str]) -> Iterator[Tag]:
    for image in images or ("",):
        for name, rule in names:
            yield Tag(f"{image}:{name}" if image else name, name, rule)


def _automatic(found: Labels, own: Mapping[str, str]) -> dict[str, str]:
    """Return the labels that the user did not write, each with the value that it will have on the image."""
    labels = replace(found, user={})
    return {key: labels.over(own)[key] for key in labels.over({})}
