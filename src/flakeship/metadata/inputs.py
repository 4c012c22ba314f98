"""The inputs that name and describe an image, parsed once, before the event or Nix is asked for anything."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from flakeship.errors import UsageError
from flakeship.metadata.annotations import PlatformLevel
from flakeship.metadata.flavor import Flavor, parse_flavor
from flakeship.metadata.images import parse_images
from flakeship.metadata.rules import Rule, parse_rules
from flakeship.metadata.syntax.lists import Placed


@dataclass(frozen=True, slots=True)
class MetadataInputs:
    """The inputs of docker/metadata-action as values. Templates in them are filled in later, by `engine.evaluate`.

    `images` are names without a tag, `rules` are sorted by priority, `labels` and `annotations` are lines of KEY=VALUE.
    `levels` are where annotations go that name no level. `needs_valid_tags` is False where the user wrote neither a
    rule nor an image: then a branch whose name is no tag is no error. `renders_text` is False where labels and
    annotations are text: what metadata-action gives has been rendered already, and braces may be part of it.
    """

    images: tuple[str, ...]
    rules: tuple[Rule, ...]
    flavor: Flavor
    labels: tuple[Placed, ...]
    annotations: tuple[Placed, ...]
    levels: tuple[PlatformLevel, ...]
    auto_labels: bool
    annotations_from_labels: bool
    needs_valid_tags: bool
    renders_text: bool = True

    @property
    def needs_nix(self) -> bool:
        """True if a rule is `type=nix`, whose tag only an evaluation can give."""
        return any(rule.type == "nix" for rule in self.rules)

    @property
    def needs_hash(self) -> bool:
        """True if a tag is made of the hash of a store path."""
        return any(rule.type == "nix" and rule.get("value") == "hash" for rule in self.rules)


def parse_inputs(
    *,
    images: Sequence[Placed] = (),
    tags: Sequence[Placed] = (),
    flavor: Sequence[Placed] = (),
    labels: Sequence[Placed] = (),
    annotations: Sequence[Placed] = (),
    levels: Sequence[PlatformLevel] = (PlatformLevel("manifest"),),
    auto_labels: bool = True,
    annotations_from_labels: bool = False,
    renders_text: bool = True,
) -> MetadataInputs:
    """Parse the lines of each input. UsageError, with input, line and column, for the first mistake."""
    with naming_input("flavor"):
        parsed_flavor = parse_flavor(flavor)
    with naming_input("tags"):
        rules = parse_rules(tags)
    with naming_input("images"):
        names = parse_images(images)
    return MetadataInputs(
        images=names,
        rules=rules,
        flavor=parsed_flavor,
        labels=tuple(labels),
        annotations=tuple(annotations),
        levels=tuple(levels),
        auto_labels=auto_labels,
        annotations_from_labels=annotations_from_labels,
        needs_valid_tags=bool(tags or images),
        renders_text=renders_text,
    )


@contextlib.contextmanager
def naming_input(name: str) -> Iterator[None]:
    """Put the name of an input before the message of a UsageError."""
    try:
        yield
    except UsageError as error:
        raise UsageError(f"{name}, {error.message}", hint=error.hint) from None
