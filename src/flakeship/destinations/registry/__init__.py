"""`docker://REFERENCE`, and every reference of `tags`: a repository of a registry."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final

from flakeship.destinations.kind import Defaults, Target
from flakeship.destinations.options import DestinationOptions
from flakeship.destinations.protocol import Destination
from flakeship.errors import UsageError
from flakeship.registry.reference import TRANSPORT, Reference, with_lower_repository, with_tag_suffix

SCHEMES: Final = ("docker",)
SYNTAX: Final = ("docker://REFERENCE",)


@dataclass(frozen=True)
class Repository(Target):
    """One repository of a registry, and the tags to write there."""

    registry: str
    repository: str
    tags: tuple[str, ...]

    @property
    def name(self) -> str:
        """The repository's name with its registry, without a tag."""
        return f"{self.registry}/{self.repository}"

    def open(self, options: DestinationOptions) -> AbstractContextManager[Destination]:
        """Open it for a push, or only look at it where the push policy withholds the image."""
        from flakeship.destinations.registry.opening import opened

        return opened(Reference(self.registry, self.repository), self.tags, options)


def parse(text: str, _defaults: Defaults, /) -> Repository:
    """Understand `docker://REFERENCE`; a reference without a tag means `latest`."""
    if not text.startswith(TRANSPORT):
        raise UsageError(
            f"to: {text!r} lacks the two slashes behind `docker:`",
            hint=f"write `docker://{text.partition(':')[2]}`",
        )
    return repository_of(Reference.parse(with_lower_repository(text.removeprefix(TRANSPORT))))


def with_suffix(text: str, suffix: str, /) -> str:
    """Append `suffix` to the tag, which is `latest` if the reference has no tag."""
    reference = with_lower_repository(text.partition(":")[2].removeprefix("//"))
    return f"{TRANSPORT}{with_tag_suffix(reference, suffix)}"


def repository_of(reference: Reference) -> Repository:
    """Return the repository of a reference with its one tag. UsageError for a reference with a digest."""
    if reference.digest:
        raise UsageError(
            f"{reference} names a digest, but the digest of the image is known only when it is made",
            hint="write a tag in place of the digest",
        )
    return Repository(reference.registry, reference.repository, (reference.tag or "latest",))


def merged(repositories: Iterable[Repository]) -> tuple[Repository, ...]:
    """Return each repository once, with all of its tags in the order in which they were given."""
    tags: dict[tuple[str, str], list[str]] = {}
    for each in repositories:
        tags.setdefault((each.registry, each.repository), []).extend(each.tags)
    return tuple(Repository(*place, tuple(dict.fromkeys(written))) for place, written in tags.items())
