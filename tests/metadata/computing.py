"""From texts to metadata in one call, as `flakeship metadata` goes from inputs to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from flakeship.metadata.annotations import parse_levels
from flakeship.metadata.context import Context, NixFacts
from flakeship.metadata.engine import EMPTY, Metadata, evaluate
from flakeship.metadata.inputs import parse_inputs
from flakeship.metadata.syntax.lists import Placed


def placed(*texts: str) -> tuple[Placed, ...]:
    """Lines as `parse_list` gives them, each text on a line of its own."""
    return tuple(Placed(text, number) for number, text in enumerate(texts, 1))


def compute(
    context: Context,
    *,
    images: Iterable[str] = (),
    tags: Iterable[str] = (),
    flavor: Iterable[str] = (),
    labels: Iterable[str] = (),
    annotations: Iterable[str] = (),
    auto_labels: bool = True,
    annotations_from_labels: bool = False,
    levels: Sequence[str] = ("manifest",),
    created: str | None = None,
    nix: NixFacts | None = None,
    own: Mapping[str, str] = EMPTY,
) -> Metadata:
    """The metadata of an image that has the labels `own` and the date `created`; `nix` is known to tags and labels."""
    inputs = parse_inputs(
        images=placed(*images),
        tags=placed(*tags),
        flavor=placed(*flavor),
        labels=placed(*labels),
        annotations=placed(*annotations),
        levels=parse_levels(Placed(",".join(levels))),
        auto_labels=auto_labels,
        annotations_from_labels=annotations_from_labels,
    )
    return evaluate(inputs, context, nix).metadata(own=own, created=created)
