"""The provenance of an image: what this run and its Nix know of how it came about, and nothing that they don't know."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from flakeship import __version__
from flakeship.attest.artifact import IN_TOTO, PREDICATE_TYPE, Artifact
from flakeship.attest.provenance import (
    Dependency,
    ImageFacts,
    RunFacts,
    known,
    predicate_of,
)
from flakeship.attest.statement import SLSA_PROVENANCE, statement
from flakeship.commands.publish.outputs import platforms_of_entries
from flakeship.commands.publish.parts import Obtained, Part
from flakeship.commands.run import Run
from flakeship.errors import Error
from flakeship.image.document import decode_object
from flakeship.image.model import IndexEntry, Packed, PackedIndex
from flakeship.nix.addresses import without_secrets
from flakeship.redaction import redacted_result
from flakeship.settings.declaration import Settings
from flakeship.settings.fields import Meaning

if TYPE_CHECKING:  # of a `source` Nix knows nothing
    from flakeship.commands.building.buildable import Buildable
    from flakeship.commands.building.builder import Builder
    from flakeship.nix.flake import FlakeMetadata
    from flakeship.nix.lock import FlakeLock
    from flakeship.sources.blobs import RegistryImage

_SHAPING: Final[tuple[Meaning, ...]] = ("shapes-layers", "starts-container", "packages-only")
_FOR_NIX: Final = ("nix_path", "pass_env", "accept_flake_config", "allow_unfree")
_BY_NAME: Final = frozenset({"env"})
"""Inputs whose values are left out: a variable may hold what the image may know, and the public may not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Makes the provenance of each image of a run. `inputs` are those that shape it, as they were given."""

    inputs: Mapping[str, Any]
    source: str
    run: Run

    @classmethod
    def of(cls, settings: Settings, run: Run) -> Provenance:
        """Read the inputs that say how an image is made."""
        given = {name: value for meaning in _SHAPING for name, value in settings.given(meaning).items()}
        given.pop("debug", None)  # asks for another image
        given |= {name: value for name in _FOR_NIX if (value := getattr(settings, name))}
        shown = {name.replace("_", "-"): _shown(name, value) for name, value in sorted(given.items())}
        if settings.nix_config:
            names = dict.fromkeys(line.partition("=")[0].strip() for line in settings.nix_config)
            shown["nix-config"] = [name for name in names if name and not name.startswith("#")]
        return cls(inputs=shown, source=settings.source, run=run)

    def artifacts(self, packed: Packed | PackedIndex, parts: Sequence[Part]) -> tuple[Artifact, ...]:
        """Return the one artifact, about the image and all that it lists."""
        facts = [
            self._facts(name, entry, _part_of(entry, parts))
            for name, entry in platforms_of_entries(packed).items()
        ]
        return (artifact_of(packed, predicate_of(facts, run_facts(self.run))),)

    def _facts(self, platform: str, entry: IndexEntry, part: Part) -> ImageFacts:
        obtained = part.obtained
        made = ImageFacts(platform=platform, asked=known({"inputs": self.inputs}))
        if obtained.remote:
            return replace(
                made,
                asked={"source": self.source, **made.asked},
                dependencies=(_image(obtained.remote),),
            )
        base = (_image(obtained.base),) if obtained.base and _is_of_package(entry) else ()
        if obtained.buildable is None or obtained.output is None:
            return replace(made, asked={"source": self.source, **made.asked}, dependencies=base)
        return self._built(made, obtained, obtained.buildable, base)

    def _built(
        self, made: ImageFacts, obtained: Obtained, buildable: Buildable, base: tuple[Dependency, ...]
    ) -> ImageFacts:
        from flakeship.nix.lock import read_lock

        output, flake, builder = obtained.output, obtained.flake, buildable.builder
        assert output, "it was built"
        wanted = buildable.installable
        system = (
            obtained.system or output.system or (buildable.description().system if obtained.published else "")
        )
        asked = known(
            {
                "flake": without_secrets(wanted.flake),
                "file": wanted.file,
                "attribute": wanted.attribute,
                "outputs": list(wanted.outputs),
                "system": system,
            }
        )
        lock = read_lock(flake.answer) if flake else None
        return replace(
            _with_making(made, obtained, builder),
            asked={**asked, **made.asked},
            derivation=output.drv_path,
            outputs=dict(output.outputs),
            dirty=flake.dirty if flake else None,
            impure=builder.nix.impure or bool(wanted.file),
            unlocked=_unlocked(lock, flake, wanted.flake, self.inputs) if flake and lock else None,
            dependencies=(*self._dependencies(flake, lock), *base, *_derivation(output.drv_path)),
        )

    def _dependencies(self, flake: FlakeMetadata | None, lock: FlakeLock | None) -> Iterator[Dependency]:
        if not flake or not lock:
            return
        event = self.run.event
        here = flake.revision == event.sha and event.describes_source and event.repository.url
        uri = (
            f"git+{event.repository.url}" + (f"@{event.ref}" if event.ref else "")
            if here
            else lock.source_url
        )
        yield Dependency(uri=uri, name="source", commit=flake.revision or "", nar_hash=lock.source_nar_hash)
        for node in lock.nodes:
            yield Dependency(uri=node.url, name=node.name, commit=node.revision, nar_hash=node.nar_hash)


def predicate_in(artifacts: Iterable[Artifact]) -> dict[str, Any] | None:
    """Return the predicate of the provenance among these artifacts, None without one."""
    data = next((each.data for each in artifacts if each.kind == "provenance"), None)
    return dict(decode_object(data, limit=len(data))["predicate"]) if data else None


def artifact_of(packed: Packed | PackedIndex, predicate: Mapping[str, Any]) -> Artifact:
    """Return the artifact that states `predicate` of an image, and of each image that it lists."""
    digests = dict.fromkeys([packed.descriptor.digest, *(each.descriptor.digest for each in packed.entries)])
    data = statement(
        [("", digest) for digest in digests], SLSA_PROVENANCE, _each_text(predicate, redacted_result)
    )
    return Artifact(
        kind="provenance",
        subject=packed.descriptor,
        artifact_type=IN_TOTO,
        data=data,
        annotations={PREDICATE_TYPE: SLSA_PROVENANCE},
        statement=data,
        predicate_type=SLSA_PROVENANCE,
        unless_alike=True,
        only_if_new=True,
    )


def run_facts(run: Run) -> RunFacts:
    """What is known of this run, up to now."""
    runtime = run.runtime
    begun = runtime.now.astimezone(UTC)
    ended = begun + timedelta(seconds=max(0.0, runtime.clock() - runtime.begun))
    return RunFacts(
        flakeship=__version__,
        started=f"{begun:%Y-%m-%dT%H:%M:%SZ}",
        finished=f"{ended:%Y-%m-%dT%H:%M:%SZ}",
        builder=run.event.builder,
        invocation=run.event.invocation,
    )


def _part_of(entry: IndexEntry, parts: Sequence[Part]) -> Part:
    """The part that an image of the index came from; one that has no platform of its own holds them all."""
    platform = entry.image.image.platform if entry.image else entry.descriptor.platform
    found = (part for part in parts if part.platform and platform and part.platform.means(platform))
    return next(found, parts[0])


def _with_making(made: ImageFacts, obtained: Obtained, builder: Builder) -> ImageFacts:
    """Add who built it, and with what. The sandbox of this machine matters only to what was built on it."""
    assert obtained.output, "it was built"
    if obtained.published:
        return replace(made, built="published")
    if builder.far:
        return replace(made, built="far", nix=builder.nix.release)
    from flakeship.nix.provided import provided

    made = replace(made, nix=builder.nix.release)
    try:
        found = list(provided(builder.nix, obtained.output.paths).values())
    except Error:  # what is not known is left out
        return made
    recorded = _each_text(next((each.statement for each in found if each.statement), None), without_secrets)
    if found and all(each.built_here for each in found):
        state = builder.sandbox
        sandbox = known({"setting": state.setting, "fallback": state.fallback, "possible": state.possible})
        return replace(made, built="here", sandbox=sandbox, recorded=recorded)
    keys = dict.fromkeys(key for each in found for key in each.keys)
    taken = bool(found) and all(each.keys and not each.built_here for each in found)
    return replace(made, built="cache" if taken else "", keys=tuple(keys), recorded=recorded)


def _unlocked(
    lock: FlakeLock, flake: FlakeMetadata, written: str, inputs: Mapping[str, Any]
) -> tuple[str, ...] | None:
    """The inputs of the flake that no lock file pins, and what lies beside a package and is looked up anew in each run."""
    from flakeship.nix.lock import is_pinned_text

    beside = [
        text for text in _list(inputs.get("contents")) if not is_pinned_text(text, flake.inputs, written)
    ]
    return None if lock.unlocked is None else (*lock.unlocked, *beside)


def _derivation(path: str) -> Iterator[Dependency]:
    """The `.drv` with the digest of its file, where it lies in this store."""
    if not path:
        return
    try:
        digest = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError:
        digest = ""
    yield Dependency(uri=f"file://{path}", name="derivation", sha256=digest)


def _image(image: RegistryImage) -> Dependency:
    digest = image.entry.digest
    algorithm, _, value = digest.partition(":")
    return Dependency(
        uri=f"docker://{image.repository}@{digest}",
        name="image",
        sha256=value if algorithm == "sha256" else "",
    )


def _is_of_package(entry: IndexEntry) -> bool:
    """Whether flakeship made the image of a package, so that inputs for packages count."""
    history = entry.image.image.history if entry.image else ()
    return any(each.get("created_by") == "flakeship" for each in history)


def _shown(name: str, value: Any) -> Any:
    if name in _BY_NAME:
        return [str(line).partition("=")[0] for line in value]
    return _each_text(list(value) if isinstance(value, tuple) else value, without_secrets)


def _list(value: Any) -> Sequence[str]:
    return value if isinstance(value, list) else [value] if value else []


def _each_text(value: Any, change: Callable[[str], str]) -> Any:
    """The same value with each text in it changed, at any depth."""
    match value:
        case str():
            return change(value)
        case Mapping():
            return {key: _each_text(item, change) for key, item in value.items()}
        case list() | tuple():
            return [_each_text(item, change) for item in value]
        case _:
            return value
