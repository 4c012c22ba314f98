"""The names of the files that hold the legs of a run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from flakeship.commands.publish.result import Result

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]+")


def file_names(legs: Sequence[tuple[str, Result]]) -> list[str]:
    """Return `flakeship-octo-harbour-linux-arm64.json`: named by repository and platform, so that legs lie side by side.

    Each leg comes with the name of its attribute, and the variant of an image behind that. Its file has `debug` in its name;
    images that go to one repository by several tags have the names of their attributes in theirs.
    """
    found: dict[str, list[int]] = {}
    variants = [bool(place) and legs[place - 1][0] == name for place, (name, _) in enumerate(legs)]
    for place, (_, each) in enumerate(legs):
        found.setdefault(_file_name(each, ["debug"] * variants[place]), []).append(place)
    names = {place: name for name, places in found.items() for place in places}
    for places in found.values():
        for place in places if len(places) > 1 else ():
            attribute, each = legs[place]
            names[place] = _file_name(each, [attribute, *["debug"] * variants[place]])
    return [names[place] for place in range(len(legs))]


def _file_name(made: Result, within: Sequence[str]) -> str:
    assert made.leg
    name = next((item.destination for item in made.published if item.untagged), "image")
    image = name.partition("/")[2] or name
    text = "-".join(["flakeship", image, *within, made.leg.platform])
    return f"{_UNSAFE.sub('-', text)}.json"
