"""The tags and annotations of the merged image: those that are given, else those that the legs would have got."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from flakeship.commands.merge.images import LegImage
from flakeship.commands.merge.legs import Leg
from flakeship.commands.naming import Naming, NamingRequest, naming_of, split
from flakeship.commands.run import Run
from flakeship.errors import RejectedError, UsageError
from flakeship.metadata.context import NixFacts
from flakeship.metadata.labels import PREFIX
from flakeship.metadata.syntax.lists import Placed
from flakeship.registry.reference import Reference
from flakeship.settings.declaration import Settings


@dataclass(frozen=True, slots=True)
class Names:
    """`references` are full ones, in repositories that have every leg; `naming` has the user's annotations."""

    references: tuple[str, ...]
    naming: Naming

    @property
    def repositories(self) -> tuple[str, ...]:
        """The names of the repositories that the tags are in."""
        return tuple(dict.fromkeys(Reference.parse(text).name for text in self.references))


def names_of(settings: Settings, legs: Sequence[Leg], run: Run) -> Names:
    """Work out the tags. UsageError for malformed ones, and if the rules give no tag; RejectedError for one in another repository."""
    rules = split(settings.tags).rules
    given = bool(settings.tags or settings.images)
    repositories = legs[0].repositories or {Reference.parse(tag).name for tag in legs[0].tags}
    images = settings.images or (
        tuple(Placed(name, 1) for name in sorted(repositories)) if rules or not given else ()
    )
    request = NamingRequest.of(
        replace(settings, images=images, to=(), load="", auto_labels=False, labels=()),
        run.event,
        run.runtime.environ,
    )
    if not given:
        request = replace(request, uses_rules=False, references=_tags_of(legs))
    naming = naming_of(request, emit=run.emit, nix=_no_nix)
    for text in naming.references:
        if Reference.parse(text).name not in repositories:
            raise RejectedError(
                f"the tag {text} is in another repository than the legs, which are at {', '.join(sorted(repositories))}",
                hint="push the legs to every repository that is to have the image: name all of them in the jobs that build",
            )
    return Names(naming.references, naming)


def annotations_of(images: Sequence[LegImage], names: Names, level: str) -> dict[str, str]:
    """Return the annotations of the index or, as `index-descriptor`, of its descriptor; the user's win.

    Without a file of a leg they are the labels of image-spec that all images share.
    """
    own = images[0].labels
    marks = names.naming.marks(own=own, created="", nix=NixFacts())
    user = {note.key: note.value for note in marks.annotations if level in note.levels and not note.platform}
    if level != "index":
        return user
    labels = _shared([each.labels for each in images])
    labels = {key: text for key, text in labels.items() if key.startswith(PREFIX)}
    return {**labels, **_shared([each.leg.annotations for each in images if not each.leg.bare]), **user}


def _shared(each: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """What all of them say, and say alike."""
    first = each[0] if each else {}
    return {key: text for key, text in first.items() if all(other.get(key) == text for other in each)}


def _tags_of(legs: Sequence[Leg]) -> tuple[str, ...]:
    known = [leg for leg in legs if not leg.bare]
    for leg in known[1:]:
        if leg.tags != known[0].tags:
            raise RejectedError(
                f"{leg.name} would be tagged {_listed(leg)}, and {known[0].name} {_listed(known[0])}",
                hint="give all jobs the same `tags`, or say here which ones are meant",
            )
    if not known or not known[0].tags:
        raise UsageError(
            "nothing says how to tag the image", hint="give `tags`: a reference, or a bare tag such as `1.2`"
        )
    return known[0].tags


def _listed(leg: Leg) -> str:
    return ", ".join(leg.tags) or "not at all"


def _no_nix() -> NixFacts:
    raise UsageError(
        "tags: `type=nix` asks the flake, and `merge` evaluates nothing",
        hint="leave `tags` out: the files of the legs have the tags that the rules gave there",
    )
