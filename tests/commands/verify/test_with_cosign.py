"""What real cosign signs is verified here, in both forms, and the provenance that we sign is verified by it."""

from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path

import pytest

from flakeship.attest.keys import SigningKey
from tests.commands.verify.scene import Scene, lines, new_key, provenance
from tests.testbed.cosign import PASSWORD, Cosign
from tests.testbed.registry import Registry

pytestmark = pytest.mark.slow


@pytest.fixture
def scene(registry: Registry, tmp_path: Path, cosign: Cosign) -> Scene:
    (tmp_path / "cosign.pub").write_text((cosign.folder / "cosign.pub").read_text())
    return Scene(registry, tmp_path, registry.new_repository(), SigningKey.parse(cosign.key, PASSWORD))


@pytest.mark.parametrize("bundle", ["true", "false"])
def test_what_cosign_signs_is_verified(bundle: str, scene: Scene, cosign: Cosign) -> None:
    digest = scene.publish("amd64", making=lambda _: [], signed=False)
    reference = f"{scene.name}@{digest}"
    done = cosign(
        "sign", "--key", "cosign.key", "--use-signing-config=false", "--tlog-upload=false", "--yes", f"--new-bundle-format={bundle}", reference,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = scene.verify(key="cosign.pub")
    assert found.verified, lines(found)
    scene.key = new_key()
    assert not scene.verify().verified


def test_cosign_verifies_our_provenance(scene: Scene, cosign: Cosign) -> None:
    digest = scene.publish(making=lambda packed: [provenance(packed)])
    done = cosign(
        "verify-attestation", "--key", "cosign.pub", "--type", "slsaprovenance1", "--insecure-ignore-tlog=true", f"{scene.name}@{digest}",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = json.loads(b64decode(json.loads(done.stdout.splitlines()[0])["payload"]))
    assert said["predicateType"] == "https://slsa.dev/provenance/v1"
    assert said["predicate"]["runDetails"]["builder"]["id"].startswith("https://ci.example/")
