"""The SBOMs of the images of a run: one for each platform, made of what this run has evaluated and of what its layers hold."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from flakeship import __version__, events
from flakeship.attest.artifact import CYCLONEDX, SPDX, Artifact
from flakeship.attest.statement import CYCLONEDX_BOM, SPDX_DOCUMENT, STATEMENT
from flakeship.commands.publish.parts import Part, open_parts
from flakeship.commands.run import Run
from flakeship.commands.sbom.holding import date_of, read_through
from flakeship.commands.sbom.knowledge import is_here, knowledge_of, meta_of, tell
from flakeship.errors import BuildError, UsageError
from flakeship.image.annotations import SOURCE
from flakeship.image.model import Layer, Packed, PackedIndex
from flakeship.lint.view import CUSTOMISED, OUTSIDE, contents_of
from flakeship.printable import counted
from flakeship.redaction import redacted_result
from flakeship.registry.reference import Reference
from flakeship.report.plain import size_of
from flakeship.sbom.carried.layers import PassingLayers
from flakeship.sbom.components import Knowledge, bill_of
from flakeship.sbom.formats import FORMATS, Format, written_as
from flakeship.sbom.layer_paths import LayerPaths, paths_left
from flakeship.settings.declaration import Settings
from flakeship.store_paths import name_of

if TYPE_CHECKING:
    from flakeship.commands.building.buildable import Buildable
    from flakeship.nix.closure import PathInfo
    from flakeship.nix.package_meta import PackageMeta

_TYPES: Final = {"cyclonedx": (CYCLONEDX, CYCLONEDX_BOM), "spdx": (SPDX, SPDX_DOCUMENT)}
_WARNED: Final = 12_000_000
"""Bytes: GitHub takes attestations of up to 16 MB. https://docs.github.com/rest/users/attestations"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bills:
    """`forms` are the formats, `signed` says whether what they state is signed too. `passing` notes what the layers hold, `contents` are those of the input, `told` is what packages
    say of themselves, where that is asked before anything is packed.
    """

    forms: tuple[Format, ...]
    signed: bool
    run: Run
    passing: PassingLayers
    contents: tuple[str, ...] = ()
    told: list[Mapping[str, PackageMeta]] = field(default_factory=list)

    @classmethod
    def of(cls, settings: Settings, run: Run, *, signed: bool) -> Bills | None:
        """UsageError for a format that there is not. None where no SBOM is asked for."""
        forms = forms_of(settings.sbom)
        if not forms:
            return None
        passing = PassingLayers(lambda: run.store.directory, is_here)
        return cls(forms=forms, signed=signed, run=run, passing=passing, contents=tuple(settings.contents))

    def ask_now(self, parts: Sequence[Part]) -> None:
        """Evaluate what the SBOMs will say: where this run writes into the folder of the flake, Nix must not read it later."""
        if not self.told:
            with contextlib.suppress(BuildError):  # which is told when the SBOMs are made
                self.told.append(meta_of(self._buildables(parts), self.run))

    def watched(self, layers: Iterable[Layer], *, far: bool) -> Iterable[Layer]:
        """Return the layers, which are noticed while they are read; not those of store paths that lie on this machine."""
        from flakeship.sources.package import BY_PATHS

        for layer in layers:
            yield layer if layer.key.startswith(BY_PATHS) and not far else self.passing.watch(layer)

    def made(self, packed: Packed | PackedIndex, parts: Sequence[Part]) -> tuple[Artifact, ...]:
        """Return the SBOMs of every image whose bytes this run has; none where `merge` puts together what others sent."""
        if not parts:
            return ()
        held = [(image, self._paths(image, parts)) for image in packed.images]
        everything = sorted({path for _, (paths, _) in held for path in paths})
        if not everything:
            self.run.emit(
                events.Warned(
                    "no SBOM is made: no store path is in the image, so Nix knows nothing of what is in it",
                    "use a scanner that reads the files of an image, such as syft or trivy, and leave `sbom` out",
                )
            )
            return ()
        with self.run.stage("sbom", "listing what is in the image"):
            known = knowledge_of(
                everything,
                self._buildables(parts),
                self.run,
                closure=self._closure_elsewhere(parts),
                passed=self.passing.found,
                meta=self.told[0] if self.told else None,
            )
            return tuple(
                artifact
                for image, (paths, unread) in held
                if paths
                for artifact in self._documents(image, paths, unread, known, parts)
            )

    def _buildables(self, parts: Sequence[Part]) -> list[Buildable]:
        """What the images are made of, and what lies beside it."""
        found: list[Buildable] = []
        for part in parts:
            if part.obtained.buildable:
                found.append(part.obtained.buildable)
            if self.contents:
                from flakeship.commands.publish.beside import buildables_beside

                found += buildables_beside(
                    self.contents, part.obtained, self.run.builder, self.run.runtime.cwd
                )
        return found

    def _closure_elsewhere(self, parts: Sequence[Part]) -> list[PathInfo]:
        """What is known of results that lie on another machine, or in caches, and of what lies beside them."""
        found: dict[str, PathInfo] = {}
        for part in parts:
            if (place := part.obtained.place) and part.obtained.output:
                found |= {
                    info.path: info for path in part.obtained.output.paths for info in place.closure(path)
                }
                found |= place.infos
        return list(found.values())

    def _documents(
        self, image: Packed, paths: Iterable[str], unread: int, known: Knowledge, parts: Sequence[Part]
    ) -> Iterable[Artifact]:
        bill = bill_of(
            paths,
            known,
            name=_name(image, parts),
            version=image.descriptor.digest,
            created=date_of(image.image.config.get("created")),
            maker=__version__,
            layers_unread=unread,
        )
        tell(bill.counts, len(bill.components), self.run.emit)
        for form in self.forms:
            text = redacted_result(written_as(bill, form))
            data = text.encode()
            if len(data) > _WARNED:
                self.run.emit(
                    events.Warned(
                        f"the SBOM in the format {form} has {size_of(len(data))}: GitHub refuses attestations above 16 MB, and a registry "
                        "may refuse it too",
                        "leave packages out of the image, or take `cyclonedx` alone, which is the shorter format",
                    )
                )
            artifact_type, predicate = _TYPES[form]
            yield Artifact(
                kind="sbom",
                subject=image.descriptor,
                artifact_type=artifact_type,
                data=data,
                statement=_statement(image, predicate, text) if self.signed else b"",
                predicate_type=predicate,
                # docs/decisions.md#an-image-gets-one-sbom-of-each-format
                unless_alike=True,
            )

    def _paths(self, packed: Packed, parts: Sequence[Part]) -> tuple[frozenset[str], int]:
        """The store paths that the history names, and of layers of which it names none those that were seen in them, without what a layer that was seen removes; and the number of layers that nobody
        looked into.
        """
        told = [
            {path for path in paths if not path.endswith(CUSTOMISED)}
            for paths in contents_of(packed.image.history, len(packed.layers))
        ]
        keys = packed.image.layers
        unknown = {key for key, paths in zip(keys, told, strict=True) if not paths}
        if not any(told):
            self._read(unknown - self.passing.paths.keys(), parts)
        layers = [
            LayerPaths(frozenset(paths)) if paths else self.passing.paths.get(key, LayerPaths())
            for key, paths in zip(keys, told, strict=True)
        ]
        silent = unknown - self.passing.paths.keys() - _outside(packed)
        if silent and any(told):
            self.run.emit(
                events.Notice(
                    f"not looked into: {counted(len(silent), 'layer')} of which the history names no store path, as it does of others"
                )
            )
        return paths_left(layers), len(silent)

    def _read(self, keys: frozenset[str] | set[str], parts: Sequence[Part]) -> None:
        """Read layers that nobody read and that no history tells of. What would have to be fetched from a registry is left out.

        LayerGoneError where the image was published before, and nobody has its layers here: then it is built.
        """
        if not keys:
            return
        with open_parts(parts) as source:
            for layer in source.layers():
                fetched = layer.compressed is not None and not layer.compressed.here
                if (layer.key in keys and not fetched) or source.forward_only:
                    read_through(self.passing.watch(layer), parts[0].name, self.passing)


def forms_of(words: Sequence[str]) -> tuple[Format, ...]:
    """Return the formats that the input `sbom` asks for, CycloneDX first. UsageError for a word that is none of them."""
    wanted = {"cyclonedx" if word == "true" else word for word in words}
    if unknown := sorted(wanted - {*FORMATS, "false"}):
        raise UsageError(
            f"sbom: {unknown[0]!r} is not a format of an SBOM",
            hint=f"write `true`, `false` or a list of {', '.join(FORMATS)}",
        )
    if "false" in wanted and len(wanted) > 1:
        raise UsageError(
            f"sbom: {', '.join(words)} asks for an SBOM and for none", hint="leave `false` out, or all others"
        )
    return tuple(form for form in FORMATS if form in wanted)


def _name(image: Packed, parts: Sequence[Part]) -> str:
    """The name of the first repository that it goes to, without a tag; else what it calls itself, or is made from."""
    for name in (*parts[0].stamp.naming.references, *image.image.names):
        try:
            reference = Reference.parse(name)
        except UsageError:  # an archive may call its image anything
            return name
        return f"{reference.registry}/{reference.repository}"
    made_from = image.image.annotations.get(SOURCE, "").partition(" ")[0]
    return name_of(made_from or parts[0].name).rpartition("/")[2]


def _outside(packed: Packed) -> set[str]:
    """The layers that hold what lies outside the store."""
    entries = [entry for entry in packed.image.history if not entry.get("empty_layer", False)]
    if len(entries) != len(packed.layers):
        return set()
    return {
        key
        for key, entry in zip(packed.image.layers, entries, strict=True)
        if str(entry.get("comment") or entry.get("created_by") or "").startswith(OUTSIDE)
    }


def _statement(image: Packed, predicate_type: str, document: str) -> bytes:
    """The in-toto statement that holds the document as it is: 20 MB of JSON are not parsed to be written again."""
    algorithm, _, digest = image.descriptor.digest.partition(":")
    subject = json.dumps([{"digest": {algorithm: digest}}], separators=(",", ":"))
    return (
        f'{{"_type":"{STATEMENT}","predicate":{document},"predicateType":"{predicate_type}","subject":{subject}}}'
    ).encode()
