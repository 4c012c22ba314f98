"""Whether the legs make one image: exactly the platforms that are wanted, of one run, one revision and one name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from flakeship import events
from flakeship.commands.merge.legs import Leg
from flakeship.errors import RejectedError
from flakeship.image.model import Platform

_CHANGED: Final = "a working tree with changes"


def check_alike(legs: Sequence[Leg], emit: events.Emit) -> None:
    """RejectedError that names two legs which differ. What can't be compared, because a leg does not say it, is told."""
    _check_once(legs)
    first = legs[0]
    for leg in legs[1:]:
        if leg.repositories != first.repositories:
            raise RejectedError(
                f"{leg.name} is at {_named(leg)}, and {first.name} at {_named(first)}",
                hint="push all platforms of an image to the same repository: give every job the same `images` or `tags`",
            )
    # docs/decisions.md#legs-must-be-of-one-run
    _compare(
        legs,
        "run",
        lambda leg: leg.run,
        emit,
        hint="merge what one run has built; look for a file that an earlier run left behind, or an artifact of another run",
    )
    _compare(
        legs,
        "revision",
        _revision_of,
        emit,
        hint="build all platforms from one commit, in one run",
    )


def check_platforms(legs: Sequence[Leg], wanted: Sequence[Platform], *, all_known: bool) -> None:
    """RejectedError unless the legs are for exactly the `wanted` platforms.

    `all_known` is False while the platforms of bare references are not known: then one may be the leg that is missing.
    """
    known = [(leg, leg.platform) for leg in legs if leg.platform]
    for place, (leg, platform) in enumerate(known):
        for other, of_other in known[:place]:
            if platform.means(of_other):
                raise RejectedError(
                    f"two legs are for {platform}: {other.name} and {leg.name}",
                    hint="leave one of them out; of several images, or of one and its variant, name the files of one",
                )
        if not any(platform.means(each) for each in wanted):
            raise RejectedError(
                f"{leg.name} is for {platform}, which is not among the wanted platforms: {_listed(wanted)}",
                hint="add it to `platforms`, or leave the leg out",
            )
    lacking = [each for each in wanted if not any(platform.means(each) for _, platform in known)]
    if lacking and (all_known or len(known) == len(legs)):
        raise RejectedError(
            f"there is no leg for {_listed(lacking)}; those given are {', '.join(leg.name for leg in legs)}",
            hint=f"look whether its job failed, handed nothing on, or ran on a machine that is not {_listed(lacking)} (state "
            "`platforms` in each job); without the leg, that platform would be taken from its users",
        )


def check_withheld(legs: Sequence[Leg]) -> str:
    """Return why nothing is merged where no leg was pushed; empty where all were. RejectedError where only some were."""
    withheld = [leg for leg in legs if leg.withheld]
    if withheld and len(withheld) < len(legs):
        raise RejectedError(
            f"{withheld[0].name} was not pushed: {withheld[0].withheld}",
            hint="give all jobs the same rights and the same `push`",
        )
    return withheld[0].withheld if withheld else ""


def _check_once(legs: Sequence[Leg]) -> None:
    for place, leg in enumerate(legs):
        for other in legs[:place]:
            if leg.name == other.name:
                raise RejectedError(f"{leg.name} is given twice", hint="name each leg once")
            if leg.digest and leg.digest == other.digest:
                raise RejectedError(
                    f"{other.name} and {leg.name} are one image, {leg.digest}",
                    hint="name each leg once; each platform has an image of its own",
                )


def _compare(
    legs: Sequence[Leg], what: str, of: Callable[[Leg], str], emit: events.Emit, *, hint: str
) -> None:
    known = [leg for leg in legs if of(leg)]
    for leg in known[1:]:
        if of(leg) != of(known[0]):
            raise RejectedError(
                f"{leg.name} is of another {what} than {known[0].name}: {of(leg)}, and not {of(known[0])}",
                hint=hint,
            )
    silent = [leg.name for leg in legs if of(leg) in {"", _CHANGED}]
    if silent and len(legs) > 1:
        emit(events.Notice(f"the {what} is not compared, for nothing says that of {', '.join(silent)}"))


def _revision_of(leg: Leg) -> str:
    """The commit; what has changes is of none, and so not of the same as a leg that is. Two of these may differ or not."""
    return leg.revision or (_CHANGED if leg.flake and leg.flake.get("dirty") else "")


def _named(leg: Leg) -> str:
    return ", ".join(sorted(leg.repositories)) or "no registry"


def _listed(platforms: Sequence[Platform]) -> str:
    return ", ".join(map(str, platforms))
