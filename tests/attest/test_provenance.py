"""What provenance states, and that it states nothing which is not known."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from flakeship.attest.provenance import (
    BUILD_TYPE,
    NO_PLATFORM,
    Dependency,
    ImageFacts,
    RunFacts,
    check_predicate,
    merged_predicate,
    predicate_of,
)

PAGE = Path(__file__).parent.parent.parent / "docs/provenance.md"
RUN = RunFacts(flakeship="1.2", started="2026-01-01T00:00:00Z", finished="2026-01-01T00:01:00Z")
IN_CI = RunFacts(
    flakeship="1.2",
    started="2026-01-01T00:00:00Z",
    finished="2026-01-01T00:01:00Z",
    builder="https://github.com/o/r/.github/workflows/x.yml@refs/heads/main",
    invocation="https://github.com/o/r/actions/runs/7/attempts/1",
)
WHOLE = ImageFacts(
    platform="linux/amd64",
    asked={"flake": ".", "attribute": "app", "system": "x86_64-linux", "inputs": {"user": "nobody"}},
    derivation="/nix/store/x-app.drv",
    outputs={"out": "/nix/store/x-app"},
    built="cache",
    keys=("cache.example-1",),
    recorded={"type": "build"},
    nix="nix (Nix) 2.30.0",
    sandbox={"setting": "on", "fallback": True, "possible": True},
    dirty=False,
    impure=True,
    unlocked=("nixpkgs",),
    dependencies=(
        Dependency(uri="git+https://github.com/o/r", name="source", commit="ab" * 20, nar_hash="cd" * 32),
        Dependency(uri="file:///nix/store/x-app.drv", name="derivation", sha256="ef" * 32),
    ),
)


def test_what_is_not_known_is_not_there() -> None:
    made = predicate_of([ImageFacts(platform="linux/amd64")], RUN)
    check_predicate(made)
    assert made == {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {"images": [{"platform": "linux/amd64"}]},
            "internalParameters": {"images": [{"platform": "linux/amd64"}]},
            "resolvedDependencies": [],
        },
        "runDetails": {
            "builder": {"id": NO_PLATFORM, "version": {"flakeship": "1.2"}},
            "metadata": {"startedOn": "2026-01-01T00:00:00Z", "finishedOn": "2026-01-01T00:01:00Z"},
        },
    }


def test_what_is_false_or_empty_by_knowledge_is_there() -> None:
    """That nothing is unlocked, and that nothing was changed, is knowledge."""
    facts = ImageFacts(platform="linux/amd64", dirty=False, impure=False, unlocked=())
    (said,) = predicate_of([facts], RUN)["buildDefinition"]["internalParameters"]["images"]
    assert said == {"platform": "linux/amd64", "dirty": False, "impure": False, "unlocked": []}


def names_in(value: Any) -> set[str]:
    match value:
        case dict():
            return {*value, *(name for item in value.values() for name in names_in(item))}
        case list():
            return {name for item in value for name in names_in(item)}
        case _:
            return set()


def test_the_page_states_every_field() -> None:
    """What stands in backticks in the tables of the page, for all that can be stated at once."""
    described = set(re.findall(r"`([A-Za-z0-9]+)`", PAGE.read_text()))
    merged = merged_predicate([("linux/amd64", predicate_of([WHOLE], IN_CI))], IN_CI)
    values = {
        "buildDefinition",
        "user",
        "type",
        "out",
    }  # the rest of the form, the words of the example and of Nix
    assert not names_in(merged) - values - described
    assert {item.name for item in fields(ImageFacts)} - {"asked", "dependencies"} <= names_in(merged)


def test_two_platforms_share_what_they_are_made_from() -> None:
    made = predicate_of([WHOLE, WHOLE], IN_CI)
    assert len(made["buildDefinition"]["resolvedDependencies"]) == 2
    assert len(made["buildDefinition"]["externalParameters"]["images"]) == 2


def test_legs_say_which_run_made_them() -> None:
    """Of a leg that was given as a reference nothing is stated but that it is there."""
    leg = json.loads(json.dumps(predicate_of([WHOLE], IN_CI)))
    made = merged_predicate([("linux/amd64", leg), ("linux/arm64", None)], RUN)
    check_predicate(made)
    (said,) = made["buildDefinition"]["internalParameters"]["images"]
    assert said["run"] == {"builder": IN_CI.builder, "invocation": IN_CI.invocation}
    asked = made["buildDefinition"]["externalParameters"]["images"]
    assert [each["platform"] for each in asked] == ["linux/amd64", "linux/arm64"]
    assert asked[1] == {"platform": "linux/arm64"}
    assert made["runDetails"]["builder"]["id"] == NO_PLATFORM
    with pytest.raises(ValueError, match="not the provenance of one image"):
        merged_predicate([("linux/amd64", made)], RUN)


SPOILED: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "no definition": (lambda said: said.pop("buildDefinition"), "buildDefinition is missing"),
    "a definition that is text": (
        lambda said: said.update(buildDefinition="x"),
        "buildDefinition is no object",
    ),
    "no details": (lambda said: said.pop("runDetails"), "runDetails is missing"),
    "no build type": (lambda said: said["buildDefinition"].pop("buildType"), "buildType is missing"),
    "a build type that is a number": (
        lambda said: said["buildDefinition"].update(buildType=1),
        "buildType is no text",
    ),
    "no parameters": (
        lambda said: said["buildDefinition"].pop("externalParameters"),
        "externalParameters is missing",
    ),
    "no builder": (lambda said: said["runDetails"].pop("builder"), "builder is missing"),
    "a builder without id": (lambda said: said["runDetails"].update(builder={}), "id is missing"),
    "metadata that is a list": (lambda said: said["runDetails"].update(metadata=[]), "metadata is no object"),
    "dependencies that are an object": (
        lambda said: said["buildDefinition"].update(resolvedDependencies={}),
        "resolvedDependencies is no list",
    ),
    "an empty dependency": (
        lambda said: said["buildDefinition"].update(resolvedDependencies=[{"name": "x"}]),
        "has neither uri nor digest",
    ),
    "a digest that is text": (
        lambda said: said["buildDefinition"].update(resolvedDependencies=[{"digest": "x"}]),
        "a digest in resolvedDependencies is no object",
    ),
    "images that are text": (
        lambda said: said["buildDefinition"].update(internalParameters={"images": "x"}),
        "images is no list",
    ),
    "an image that is text": (
        lambda said: said["buildDefinition"].update(internalParameters={"images": ["x"]}),
        "an image in its parameters is no object",
    ),
}


@pytest.mark.parametrize("how", SPOILED)
def test_what_is_no_provenance_is_refused(how: str) -> None:
    said = json.loads(json.dumps(predicate_of([WHOLE], IN_CI)))
    change, reason = SPOILED[how]
    change(said)
    with pytest.raises(ValueError, match=reason):
        check_predicate(said)
    with pytest.raises(ValueError):
        merged_predicate([("linux/amd64", said)], RUN)


def test_provenance_of_other_builders_has_another_shape() -> None:
    check_predicate(
        {
            "buildDefinition": {"buildType": "https://other.example/v1", "externalParameters": {"x": 1}},
            "runDetails": {"builder": {"id": "https://other.example"}},
        }
    )
