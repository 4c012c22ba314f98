"""SLSA v1 provenance of an image: the facts that a run knows, and the predicate that states them. docs/provenance.md has every field.

https://slsa.dev/spec/v1.0/provenance
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from flakeship.errors import DOCS
from flakeship.image.document import encode
from flakeship.image.model import EMPTY

BUILD_TYPE: Final = f"{DOCS}/provenance.md#build-type-version-1"
"""The page that says what each field means; another meaning of a field needs another version."""

NO_PLATFORM: Final = f"{DOCS}/provenance.md#no-ci-platform"
"""The builder of a run that no CI platform started, or one that states no address of what it ran."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """Something that the image was made from. `commit` is a git commit, `nar_hash` the SHA-256 of a NAR archive,
    `sha256` of a file, all in hex.
    """

    uri: str
    name: str = ""
    commit: str = ""
    nar_hash: str = ""
    sha256: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return a ResourceDescriptor: https://github.com/in-toto/attestation/blob/main/spec/v1/resource_descriptor.md."""
        digest = {"gitCommit": self.commit, "narSha256": self.nar_hash, "sha256": self.sha256}
        return known({"uri": self.uri, "name": self.name, "digest": known(digest)})


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFacts:
    """What is known of the image for one platform. What is not known is empty or None, and is stated nowhere.

    `asked` is what the inputs say: flake, attribute, system and what shapes the image. `built` is `here`, `far` (by
    the machine of `store`), `cache` (taken from one, and `keys` are the names of those that signed it) or `published`
    (with the image, before this run). `recorded` is what Nix itself keeps about the making of a store path, as it is.
    """

    platform: str
    asked: Mapping[str, Any] = field(default_factory=lambda: EMPTY)
    derivation: str = ""
    outputs: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    built: str = ""
    keys: tuple[str, ...] = ()
    recorded: Any = None
    nix: str = ""
    sandbox: Mapping[str, Any] = field(default_factory=lambda: EMPTY)
    dirty: bool | None = None
    impure: bool | None = None
    unlocked: tuple[str, ...] | None = None
    dependencies: tuple[Dependency, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """The run that states it. `builder` is the address of what the CI platform ran, `invocation` that of this run of
    it; both empty without one.

    `started` and `finished` are in UTC, as RFC 3339 has them.
    """

    flakeship: str
    started: str
    finished: str
    builder: str = ""
    invocation: str = ""


def known(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that are known, without those that are empty. False and 0 are known."""
    return {
        name: value
        for name, value in fields.items()
        if value is not None and (isinstance(value, (bool, int)) or len(value))
    }


def predicate_of(images: Sequence[ImageFacts], run: RunFacts) -> dict[str, Any]:
    """Return the predicate for images that one run made."""
    return _predicate(
        [known({"platform": each.platform, **each.asked}) for each in images],
        [_found(each) for each in images],
        [each.to_json() for image in images for each in image.dependencies],
        run,
    )


def merged_predicate(legs: Sequence[tuple[str, Mapping[str, Any] | None]], run: RunFacts) -> dict[str, Any]:
    """Return the predicate for an index of images that other runs made. Each leg is a platform with the predicate of
    its run, None where it has none.

    ValueError for a predicate that is not of our build type, or is about another number of images than one.
    """
    asked: list[Mapping[str, Any]] = []
    found: list[Mapping[str, Any]] = []
    dependencies: list[Mapping[str, Any]] = []
    for platform, predicate in legs:
        if predicate is None:
            asked.append({"platform": platform})
            continue
        check_predicate(predicate)
        definition, details = predicate["buildDefinition"], predicate["runDetails"]
        parts = [definition[name]["images"] for name in ("externalParameters", "internalParameters")]
        if definition["buildType"] != BUILD_TYPE or [len(each) for each in parts] != [1, 1]:
            raise ValueError("it is not the provenance of one image that flakeship made")
        made_by = known(
            {
                "builder": details["builder"]["id"],
                "invocation": details.get("metadata", {}).get("invocationId", ""),
            }
        )
        asked.append({**parts[0][0], "platform": platform})
        found.append({**parts[1][0], "platform": platform, "run": made_by})
        dependencies += definition.get("resolvedDependencies", ())
    return _predicate(asked, found, dependencies, run)


def check_predicate(predicate: Mapping[str, Any]) -> None:
    """Raise ValueError, with the reason, for a predicate without the shape of SLSA v1. Any build type passes.

    Of our own build type the lists of images are looked at too.
    """
    definition = _object(predicate, "buildDefinition")
    details = _object(predicate, "runDetails")
    build_type = _text(definition, "buildType")
    for dependency in _list(definition, "resolvedDependencies"):
        if not isinstance(dependency, dict) or not (dependency.keys() & {"uri", "digest", "content"}):
            raise ValueError("an entry of resolvedDependencies has neither uri nor digest")
        if not isinstance(dependency.get("digest", {}), dict):
            raise ValueError("a digest in resolvedDependencies is no object")  # noqa: TRY004  bad data, not a bug
    external = _object(definition, "externalParameters")
    _text(_object(details, "builder"), "id")
    if not isinstance(details.get("metadata", {}), dict):
        raise ValueError("metadata is no object")  # noqa: TRY004  bad data, not a bug
    if build_type == BUILD_TYPE:
        for part in (external, _object(definition, "internalParameters")):
            images = _list(part, "images")
            if not all(isinstance(each, dict) for each in images):
                raise ValueError("an image in its parameters is no object")


def _predicate(
    asked: Sequence[Mapping[str, Any]],
    found: Sequence[Mapping[str, Any]],
    dependencies: Sequence[Mapping[str, Any]],
    run: RunFacts,
) -> dict[str, Any]:
    once = {encode(each): each for each in dependencies}
    return {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {"images": list(asked)},
            "internalParameters": {"images": list(found)},
            "resolvedDependencies": list(once.values()),
        },
        "runDetails": {
            "builder": {"id": run.builder or NO_PLATFORM, "version": {"flakeship": run.flakeship}},
            "metadata": known(
                {
                    "invocationId": run.invocation,
                    "startedOn": run.started,
                    "finishedOn": run.finished,
                }
            ),
        },
    }


def _found(image: ImageFacts) -> dict[str, Any]:
    unlocked = {} if image.unlocked is None else {"unlocked": list(image.unlocked)}
    return {
        **known(
            {
                "platform": image.platform,
                "derivation": image.derivation,
                "outputs": dict(image.outputs),
                "built": image.built,
                "keys": list(image.keys),
                "recorded": image.recorded if isinstance(image.recorded, (dict, list, str)) else None,
                "nix": image.nix,
                "sandbox": dict(image.sandbox),
                "dirty": image.dirty,
                "impure": image.impure,
            }
        ),
        **unlocked,
    }


def _object(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = document.get(name)
    if not isinstance(value, dict):
        raise ValueError(f"{name} is {'missing' if value is None else 'no object'}")  # noqa: TRY004  bad data
    return value


def _list(document: Mapping[str, Any], name: str) -> Sequence[Any]:
    value = document.get(name, [])
    if not isinstance(value, list):
        raise ValueError(f"{name} is no list")  # noqa: TRY004  bad data
    return value


def _text(document: Mapping[str, Any], name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} is {'missing' if value is None else 'no text'}")
    return value
