"""All that vouches for an image, as a user asks for it: of each platform, in one run, verified by us and by cosign, and never twice."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.commands.verify.scene import image_of
from tests.sources.layouts import Layout
from tests.testbed.command import Publish
from tests.testbed.cosign import PASSWORD, Cosign
from tests.testbed.registry import Registry

pytestmark = pytest.mark.slow


def verify(folder: Path, environ: Mapping[str, str], *argv: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "flakeship", "verify", *argv]
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)


def test_all_of_it_is_attached_once_and_verified(
    publish: Publish, registry: Registry, cosign: Cosign, tmp_path: Path, nix_environ: Mapping[str, str]
) -> None:
    layout = Layout()
    layout.listing(layout.index_of(image_of(layout, "amd64"), image_of(layout, "arm64"))).folder(
        tmp_path / "layout"
    )
    repository = registry.new_repository()
    name = f"{registry.host}/{repository}:1"
    flags = ("--source", "oci:layout", "--tags", name, "--sbom", "cyclonedx,spdx", "--provenance")
    secrets = {"FLAKESHIP_SIGNING_KEY": cosign.key, "FLAKESHIP_SIGNING_PASSWORD": PASSWORD}
    done = publish(*flags, "--metadata-file", "out/made.json", **secrets)
    assert done.code == 0, done.stderr
    written = "".join(path.read_text() for path in (tmp_path / "out").iterdir())
    for secret in (PASSWORD, *cosign.key.splitlines()[1:-1]):
        assert secret not in done.stderr + done.stdout + written
    before = len(registry.accesses(repository))
    again = publish(*flags, **secrets)
    assert again.code == 0, again.stderr
    asked = registry.accesses(repository)[before:]
    assert [each.path for each in asked if each.method in {"PUT", "PATCH"}] == [], "two runs add nothing"

    (tmp_path / "cosign.pub").write_text((cosign.folder / "cosign.pub").read_text())
    found = verify(tmp_path, nix_environ, name, "--key", "cosign.pub", "--json")
    assert found.returncode == 0, found.stdout + found.stderr
    told = json.loads(found.stdout)
    assert told["verified"] is True
    states = [(each["what"], each["state"]) for each in told["checks"]]
    assert states == [
        *((what, "ok") for what in ("digests", "platforms", "signature", "provenance")),
        *[("sbom", "ok")] * 4,
    ]

    index = registry.manifest(repository, "1")
    assert index
    image = f"{registry.host}/{repository}@{index['manifests'][1]['digest']}"
    for subject, kind in ((image, "cyclonedx"), (image, "spdxjson"), (name, "slsaprovenance1")):
        asked_of = cosign(
            "verify-attestation",
            "--key",
            "cosign.pub",
            "--insecure-ignore-tlog=true",
            "--type",
            kind,
            subject,
        )
        assert asked_of.returncode == 0, (kind, asked_of.stderr)
    assert os.path.lexists(tmp_path / "out" / "provenance.json")


@pytest.mark.long
def test_what_jobs_attach_and_what_merge_attaches_is_verified_as_one(
    publish: Publish, registry: Registry, cosign: Cosign, tmp_path: Path, nix_environ: Mapping[str, str]
) -> None:
    """Each job attaches the SBOM of its platform; `merge` signs the index and states where all of it comes from."""
    repository = registry.new_repository()
    name = f"{registry.host}/{repository}:1"
    secrets = {"FLAKESHIP_SIGNING_KEY": cosign.key, "FLAKESHIP_SIGNING_PASSWORD": PASSWORD}
    vouching = ("--sign", "key", "--provenance")
    for architecture in ("amd64", "arm64"):
        layout = Layout()
        layout.listing(image_of(layout, architecture)).folder(tmp_path / architecture)
        leg = ("--source", f"oci:{architecture}", "--tags", name, "--push-by-digest", "--sbom", "true")
        done = publish(*leg, *vouching, **secrets)
        assert done.code == 0, done.stderr
    merged = subprocess.run(
        [
            sys.executable,
            "-m",
            "flakeship",
            "merge",
            ".",
            "--platforms",
            "linux/amd64,linux/arm64",
            *vouching,
        ],
        cwd=tmp_path,
        env={**nix_environ, **secrets},
        capture_output=True,
        text=True,
        check=False,
    )
    assert merged.returncode == 0, merged.stderr
    index = registry.manifest(repository, "1")
    assert index
    children = [entry["digest"] for entry in index["manifests"]]
    digest = registry.digest(repository, "1")
    assert merged.stdout.strip() == f"{registry.host}/{repository}@{digest}"

    def kinds(of: str) -> list[str]:
        listed = registry.manifest(repository, of.replace(":", "-")) or {"manifests": ()}
        return [entry["artifactType"].rpartition("/")[2] for entry in listed["manifests"]]

    bundle = "vnd.dev.sigstore.bundle.v0.3+json"
    assert kinds(digest) == [bundle, bundle], "the signature and the provenance"
    for child in children:  # the SBOM, the signature, the SBOM signed, the provenance of its job
        assert kinds(child) == ["vnd.cyclonedx+json", *[bundle] * 3]
    (tmp_path / "cosign.pub").write_text((cosign.folder / "cosign.pub").read_text())
    found = verify(tmp_path, nix_environ, name, "--key", "cosign.pub", "--json")
    assert found.returncode == 0, found.stdout + found.stderr
    told = json.loads(found.stdout)
    assert told["verified"] is True
    assert {each["state"] for each in told["checks"]} == {"ok"}, told
    sboms = [each["text"] for each in told["checks"] if each["what"] == "sbom"]
    assert [text.partition(" of ")[2].partition(",")[0] for text in sboms] == ["linux/amd64", "linux/arm64"]
    for each in (digest, *children):
        reference = f"{registry.host}/{repository}@{each}"
        asked_of = cosign("verify", "--key", "cosign.pub", "--insecure-ignore-tlog=true", reference)
        assert asked_of.returncode == 0, asked_of.stderr
    stated = json.loads((tmp_path / "provenance.json").read_text())
    images = stated["buildDefinition"]["internalParameters"]["images"]
    assert [each["platform"] for each in images] == ["linux/amd64", "linux/arm64"]
    said = cosign(
        "verify-attestation", "--key", "cosign.pub", "--insecure-ignore-tlog=true", "--type", "slsaprovenance1",
        f"{registry.host}/{repository}@{digest}",
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    payload = json.loads(base64.b64decode(json.loads(said.stdout.splitlines()[0])["payload"]))
    assert [f"sha256:{each['digest']['sha256']}" for each in payload["subject"]] == [digest, *children]
