"""What we sign is what cosign verifies, offline and at a real registry, and what cosign signs is read by us; both by the key of either."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flakeship.attest.bundle import BUNDLE, Bundle
from flakeship.attest.keys import SigningKey, VerifyingKey
from flakeship.attest.legacy import SIGNATURE
from flakeship.attest.statement import SIGNED
from tests.attest.test_keys import P256, pem
from tests.sources.layouts import Layout
from tests.testbed.command import Publish
from tests.testbed.cosign import PASSWORD, Cosign
from tests.testbed.registry import FaultProxy, Registry

pytestmark = pytest.mark.slow

IGNORE = "--insecure-ignore-tlog=true"


def pushed(publish: Publish, registry: Registry, folder: Path, *flags: str, **environ: str) -> str:
    """The reference of an index of two platforms in a repository of its own."""
    layout = Layout()
    layout.listing(layout.platforms("amd64", "arm64")).folder(folder / "layout")
    name = f"{registry.host}/{registry.new_repository()}:1"
    done = publish("--source", "layout", "--tags", name, *flags, **environ)
    assert done.code == 0, done.stderr
    assert "verify" in done.stderr or not environ
    return done.stdout.strip()


def verified(cosign: Cosign, reference: str, *flags: str, key: str = "cosign.pub") -> list[Any]:
    done = cosign("verify", "--key", key, IGNORE, *flags, reference)
    assert done.returncode == 0, done.stderr
    found: list[Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("kind", ["cosign.key", "PEM"])
def test_cosign_verifies_what_we_sign(
    kind: str, cosign: Cosign, publish: Publish, registry: Registry, tmp_path: Path
) -> None:
    """In both forms, the index and each of its images; and by no other key."""
    signs = {"FLAKESHIP_SIGNING_KEY": cosign.key, "FLAKESHIP_SIGNING_PASSWORD": PASSWORD}
    right, wrong = "cosign.pub", "ours.pub"
    (cosign.folder / wrong).write_text(SigningKey.parse(pem(P256)).public.pem)
    if kind == "PEM":
        signs, right, wrong = {"FLAKESHIP_SIGNING_KEY": pem(P256)}, wrong, right
    reference = pushed(publish, registry, tmp_path, "--metadata-file", "made.json", **signs)
    made = json.loads((tmp_path / "made.json").read_text())
    assert made["flakeship.signature"]["public-key"] == (cosign.folder / right).read_text()
    repository, _, digest = reference.partition("@")
    index = registry.manifest(repository.partition("/")[2], digest)
    assert index
    for each in (digest, *(entry["digest"] for entry in index["manifests"])):
        for form in ((), ("--new-bundle-format=false",)):
            (found,) = verified(cosign, f"{repository}@{each}", *form, key=right)
            assert found["critical"]["image"]["docker-manifest-digest"] == each
            refused = cosign("verify", "--key", wrong, IGNORE, *form, f"{repository}@{each}")
            assert refused.returncode != 0


def test_the_line_that_is_shown_verifies(
    cosign: Cosign, publish: Publish, registry: Registry, tmp_path: Path
) -> None:
    pushed(
        publish,
        registry,
        tmp_path,
        "--metadata-file",
        "made.json",
        FLAKESHIP_SIGNING_KEY=cosign.key,
        FLAKESHIP_SIGNING_PASSWORD=PASSWORD,
    )
    line = json.loads((tmp_path / "made.json").read_text())["flakeship.signature"]["verify"]
    program, *arguments = line.split()
    assert program == "cosign"
    done = cosign(*arguments)
    assert done.returncode == 0, done.stderr


def test_what_cosign_signs_is_ours_to_read_and_to_keep(
    cosign: Cosign, publish: Publish, registry: Registry, tmp_path: Path
) -> None:
    """cosign signs first; we read its bundle and its tag, add ours beside them, and cosign verifies both keys."""
    reference = pushed(publish, registry, tmp_path)
    host, _, rest = reference.partition("/")
    repository, _, digest = rest.partition("@")
    for form in ("true", "false"):
        done = cosign(
            "sign", "--key", "cosign.key", "--use-signing-config=false", "--tlog-upload=false", "--yes", f"--new-bundle-format={form}", reference,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    theirs = VerifyingKey.parse((cosign.folder / "cosign.pub").read_text())
    listed = registry.manifest(repository, digest.replace(":", "-"))
    assert listed
    manifest = registry.manifest(repository, listed["manifests"][0]["digest"])
    assert manifest
    bundle = Bundle.of(registry.blob(repository, manifest["layers"][0]["digest"]) or b"")
    assert bundle.hint == theirs.hint
    assert theirs.verifies(bundle.envelope.signature, bundle.envelope.signed)
    assert json.loads(bundle.envelope.payload)["predicateType"] == SIGNED
    name = f"{host}/{repository}:1"
    again = publish("--source", "layout", "--tags", name, FLAKESHIP_SIGNING_KEY=pem(P256))
    assert again.code == 0, again.stderr
    (cosign.folder / "ours.pub").write_text(SigningKey.parse(pem(P256)).public.pem)
    for key in ("cosign.pub", "ours.pub"):
        for flags in ((), ("--new-bundle-format=false",)):
            verified(cosign, reference, *flags, key=key)
    after = registry.manifest(repository, digest.replace(":", "-"))
    assert after
    assert [entry["artifactType"] for entry in after["manifests"]][1:] == [BUNDLE]
    tagged = registry.manifest(repository, f"{digest.replace(':', '-')}.sig")
    assert tagged
    assert all(layer["annotations"][SIGNATURE] for layer in tagged["layers"])
    assert len(tagged["layers"]) == 2


def test_a_changed_byte_fails_verification(
    cosign: Cosign, publish: Publish, registry: Registry, tmp_path: Path
) -> None:
    """Of the statement that is signed: its signature is of other bytes then."""
    reference = pushed(
        publish, registry, tmp_path, FLAKESHIP_SIGNING_KEY=cosign.key, FLAKESHIP_SIGNING_PASSWORD=PASSWORD
    )
    _, _, rest = reference.partition("/")
    repository, _, digest = rest.partition("@")
    listed = registry.manifest(repository, digest.replace(":", "-"))
    manifest = registry.manifest(repository, (listed or {})["manifests"][0]["digest"])
    bundle = Bundle.of(registry.blob(repository, (manifest or {})["layers"][0]["digest"]) or b"")
    key = VerifyingKey.parse((cosign.folder / "cosign.pub").read_text())
    signed, signature = bundle.envelope.signed, bundle.envelope.signature
    assert key.verifies(signature, signed)
    for place in range(len(signed)):
        changed = signed[:place] + bytes([signed[place] ^ 1]) + signed[place + 1 :]
        assert not key.verifies(signature, changed)


def test_a_second_run_asks_and_writes_nothing(
    publish: Publish, registry: Registry, proxy: FaultProxy, tmp_path: Path
) -> None:
    layout = Layout()
    layout.listing(layout.platforms("amd64", "arm64")).folder(tmp_path / "layout")
    name = f"{proxy.host}/{registry.new_repository()}:1"
    for turn in ("first", "second"):
        proxy.requests.clear()
        done = publish("--source", "layout", "--tags", name, FLAKESHIP_SIGNING_KEY=pem(P256))
        assert done.code == 0, done.stderr
        puts = [each.path for each in proxy.of("PUT")]
        assert bool(puts) == (turn == "first"), puts
        assert ("signed already" in done.stderr) == (turn == "second")
