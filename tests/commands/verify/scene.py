"""An image of two platforms in a registry, signed by a key, with an SBOM for each platform and provenance; and the means to spoil it."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from flakeship.attest.artifact import CYCLONEDX, IN_TOTO, PREDICATE_TYPE, Artifact
from flakeship.attest.keys import SigningKey
from flakeship.attest.provenance import Dependency, ImageFacts, RunFacts, predicate_of
from flakeship.attest.statement import CYCLONEDX_BOM, SLSA_PROVENANCE, statement
from flakeship.commands.publish.attaching.signature import KeySigner
from flakeship.commands.publish.attaching.step import Attaching
from flakeship.commands.publish.pipeline import publish
from flakeship.commands.publish.request import Request
from flakeship.commands.run import open_run
from flakeship.commands.verify.command import Verdict, verify
from flakeship.image.document import encode
from flakeship.image.model import Packed, PackedIndex
from flakeship.metadata.syntax.lists import Placed
from flakeship.settings.declaration import Settings
from tests.runtimes import runtime
from tests.sources.layouts import CONFIG, GZIP, MANIFEST, Layout, sha256
from tests.testbed.registry import Registry

PATHS = {
    "amd64": tuple(f"/nix/store/{letter * 32}-{letter}-1.0" for letter in "abc"),
    "arm64": tuple(f"/nix/store/{letter * 32}-{letter}-1.0" for letter in "dfg"),
}


def new_key() -> SigningKey:
    from cryptography.hazmat.primitives.asymmetric import ec

    return SigningKey(ec.generate_private_key(ec.SECP256R1()))


def store_tar(*paths: str) -> bytes:
    """A tar of these store paths, each with a file in it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path in paths:
            folder = tarfile.TarInfo(path[1:])
            folder.type = tarfile.DIRTYPE
            tar.addfile(folder)
            file = tarfile.TarInfo(f"{path[1:]}/share/data")
            file.size = 3000
            tar.addfile(file, io.BytesIO(path.encode() * 3000))
    return buffer.getvalue()


def image_of(layout: Layout, architecture: str) -> dict[str, Any]:
    """The descriptor of an image whose two layers hold its store paths."""
    tars = [store_tar(*PATHS[architecture][:2]), store_tar(*PATHS[architecture][2:])]
    config = {
        "os": "linux",
        "architecture": architecture,
        "config": {"Cmd": ["/bin/app"]},
        "rootfs": {"type": "layers", "diff_ids": [sha256(tar) for tar in tars]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": layout.json(config, CONFIG),
        "layers": [layout.blob(gzip.compress(tar, 9, mtime=0), GZIP) for tar in tars],
    }
    return layout.json(manifest, MANIFEST, platform={"os": "linux", "architecture": architecture})


def cyclonedx(paths: Sequence[str]) -> bytes:
    components = [
        {"name": "x", "properties": [{"name": "nix:output", "value": f"{path} out sha256-AA= 7"}]}
        for path in paths
    ]
    return encode({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": components})


def sboms(
    packed: Packed | PackedIndex, paths: Callable[[str], Sequence[str]] = PATHS.__getitem__
) -> list[Artifact]:
    """An SBOM for each platform, as it is attached: plain, and as a statement to sign."""
    made = []
    for entry in packed.entries:
        assert entry.descriptor.platform
        data = cyclonedx(paths(entry.descriptor.platform.architecture))
        said = statement([("", entry.descriptor.digest)], CYCLONEDX_BOM, json.loads(data))
        made.append(
            Artifact(
                kind="sbom",
                subject=entry.descriptor,
                artifact_type=CYCLONEDX,
                data=data,
                statement=said,
                predicate_type=CYCLONEDX_BOM,
            )
        )
    return made


def provenance(packed: Packed | PackedIndex, **changes: Any) -> Artifact:
    facts = ImageFacts(
        platform="linux/amd64",
        dependencies=(Dependency(uri="git+https://git.example/o/r", name="source", commit="ab" * 20),),
    )
    run = RunFacts(
        flakeship="1",
        started="2026-01-01T00:00:00Z",
        finished="2026-01-01T00:00:01Z",
        builder="https://ci.example/o/r/workflow@refs/heads/main",
        invocation="https://ci.example/o/r/runs/7",
    )
    digests = [packed.descriptor.digest, *(each.descriptor.digest for each in packed.entries)]
    said = statement([("", digest) for digest in digests], SLSA_PROVENANCE, predicate_of([facts], run))
    made = Artifact(
        kind="provenance",
        subject=packed.descriptor,
        artifact_type=IN_TOTO,
        data=said,
        annotations={PREDICATE_TYPE: SLSA_PROVENANCE},
        statement=said,
        predicate_type=SLSA_PROVENANCE,
    )
    return replace(made, **changes)


def attestations(packed: Packed | PackedIndex) -> tuple[Artifact, ...]:
    return (*sboms(packed), provenance(packed))


@dataclass(slots=True)
class Scene:
    """A repository, and who signs there."""

    registry: Registry
    folder: Path
    repository: str
    key: SigningKey = field(default_factory=new_key)

    @property
    def name(self) -> str:
        return f"{self.registry.host}/{self.repository}"

    def publish(
        self,
        *architectures: str,
        making: Callable[[Packed | PackedIndex], Sequence[Artifact]] = attestations,
        tag: str = "1",
        signed: bool = True,
    ) -> str:
        """Publish an image, and return its digest."""
        layout = Layout()
        children = [image_of(layout, each) for each in architectures or ("amd64", "arm64")]
        top = children[0] if len(children) == 1 else layout.index_of(*children)
        layout.listing(top).folder(self.folder / f"layout-{tag}")
        settings = Settings(
            source=str(self.folder / f"layout-{tag}"),
            tags=(Placed(f"{self.name}:{tag}", 1),),
            lint="off",
            reuse="off",
        )
        with open_run(settings, runtime(self.folder)[0]) as run:
            attaching = Attaching(
                makers=(lambda packed, _: tuple(making(packed)),),
                signer=KeySigner(self.key) if signed else None,
                emit=run.emit,
            )
            done = publish(replace(Request.of(settings, run), attaching=attaching), run)
        return done.packed.descriptor.digest

    def verify(self, reference: str = ":1", **inputs: Any) -> Verdict:
        """Verify by the key of the scene, unless `key` names another file, or none."""
        if "key" not in inputs:
            (self.folder / "own.pub").write_text(self.key.public.pem)
        settings = Settings(image=self.name + reference, **{"key": "own.pub", **inputs})
        with open_run(settings, runtime(self.folder)[0]) as run:
            return verify(settings, run)

    def attached(self, digest: str) -> list[dict[str, Any]]:
        """The entries of the index of what is attached to a manifest."""
        index = self.registry.manifest(self.repository, digest.replace(":", "-"))
        return list(index["manifests"]) if index else []


def lines(verdict: Verdict) -> list[str]:
    return [f"{each.what} {each.state}: {each.text}" for each in verdict.findings]
