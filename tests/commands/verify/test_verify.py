"""`verify` at a real registry: what is whole and vouched for passes, and whatever was changed, copied or removed is refused by name."""

from __future__ import annotations

import json
import os
import random
import re
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pytest_mock import MockerFixture

from flakeship.attest.bundle import BUNDLE
from flakeship.commands.verify import command
from flakeship.errors import RejectedError, UnreachableError, UsageError
from flakeship.image.document import encode
from flakeship.settings.declaration import Settings
from flakeship.settings.spelling import as_written
from tests.commands.verify.scene import PATHS, Scene, image_of, lines, new_key, provenance, sboms
from tests.runtimes import runtime
from tests.sources.layouts import INDEX, Layout, sha256
from tests.testbed.registry import Registry
from tests.testbed.registry_memory import memory_registry_of
from tests.testbed.registry_referrers import ReferrersRegistry

pytestmark = pytest.mark.slow


@pytest.fixture
def scene(registry: Registry, tmp_path: Path) -> Scene:
    return Scene(registry, tmp_path, registry.new_repository())


def put(scene: Scene, document: Any, tag: str = "") -> str:
    """Write a manifest past flakeship, and return its digest."""
    data = encode(document)
    kind = document["mediaType"]
    path = f"{scene.repository}/manifests/{tag or sha256(data)}"
    answer = scene.registry.request("PUT", path, data=data, headers={"Content-Type": kind})
    assert answer.status_code == 201, answer.text
    return sha256(data)


def put_blob(scene: Scene, data: bytes, media_type: str) -> dict[str, Any]:
    start = scene.registry.request("POST", f"{scene.repository}/blobs/uploads/")
    where = start.headers["Location"].partition("/v2/")[2]
    answer = scene.registry.request("PUT", f"{where}&digest={sha256(data)}", data=data)
    assert answer.status_code == 201, answer.text
    return {"mediaType": media_type, "digest": sha256(data), "size": len(data)}


def test_a_whole_image_is_verified(scene: Scene) -> None:
    digest = scene.publish()
    found = scene.verify()
    assert found.verified, lines(found)
    assert found.reference == f"{scene.name}@{digest}"
    assert [(each.what, each.state) for each in found.findings] == [
        ("digests", "ok"),
        ("platforms", "ok"),
        ("signature", "ok"),
        ("provenance", "ok"),
        ("sbom", "ok"),
        ("sbom", "ok"),
    ], lines(found)
    texts = "\n".join(lines(found))
    assert "linux/amd64, linux/arm64" in texts
    assert "made by https://ci.example/o/r/runs/7 from git+https://git.example/o/r at abab" in texts
    assert "names all 3 store paths of linux/arm64, and no other" in texts


@pytest.mark.parametrize("signed", [True, False])
def test_without_a_key_nothing_is_verified(scene: Scene, signed: bool) -> None:
    scene.publish("amd64", signed=signed)
    found = scene.verify(key="")
    assert not found.verified
    assert not found.errors, lines(found)
    said = next(each for each in found.findings if each.what == "signature")
    assert said.state == "warning"
    assert ("no key was given" if signed else "nobody has signed it") in said.text


def test_what_nobody_signed_is_refused_where_a_key_is_given(scene: Scene) -> None:
    scene.publish("amd64", signed=False)
    found = scene.verify()
    assert [each.text for each in found.errors] == [
        f"{found.reference} has no signature by the key SHA256:{scene.key.public.hint.rstrip('=')}"
    ]


def test_the_error_is_one_line_and_the_page_is_on_stdout(scene: Scene) -> None:
    scene.publish("amd64")
    (scene.folder / "other.pub").write_text(new_key().public.pem)
    settings = Settings(image=f"{scene.name}:1", key="other.pub", json=True)
    around = runtime(scene.folder)[0]
    with pytest.raises(
        RejectedError, match=r"^\S+ is not verified: it is signed, and not by the key SHA256:\S+$"
    ) as caught:
        command.run(settings, around)
    assert caught.value.exit_code == 7
    assert "check that this is the right key" in caught.value.hint
    told = json.loads(around.stdout.getvalue())  # type: ignore[attr-defined]
    assert (told["verified"], told["failed"]) == (False, True)


def test_what_it_says_has_the_inputs_as_they_are_typed(scene: Scene) -> None:
    scene.publish("amd64", signed=False)
    around = replace(
        runtime(scene.folder)[0], spelled=partial(as_written, argv=["verify", scene.name], environ={})
    )
    told = command.run(Settings(image=f"{scene.name}:1"), around)
    assert "-> publish it with `--sign key` and the key in FLAKESHIP_SIGNING_KEY" in told


def copied_statement(scene: Scene, digest: str) -> None:
    """What the key signed about another image, attached to this one."""
    other = scene.publish("arm64", tag="other")
    listed = next(each for each in scene.attached(other) if "cosign/sign" in str(each.get("annotations")))
    manifest = scene.registry.manifest(scene.repository, listed["digest"])
    assert manifest
    manifest["subject"] = {**manifest["subject"], "digest": digest}
    changed = put(scene, manifest)
    entry = {**listed, "digest": changed, "size": len(encode(manifest))}
    relist(scene, digest, [entry])


def copied_manifest(scene: Scene, digest: str) -> None:
    other = scene.publish("arm64", tag="other")
    relist(scene, digest, [*scene.attached(digest), *scene.attached(other)])


def other_bytes(scene: Scene, digest: str) -> None:
    """A signature of the right key over something else, and every digest above it right again."""
    listed = next(each for each in scene.attached(digest) if "cosign/sign" in str(each.get("annotations")))
    manifest = scene.registry.manifest(scene.repository, listed["digest"])
    assert manifest
    bundle = json.loads(scene.registry.blob(scene.repository, manifest["layers"][0]["digest"]) or b"")
    bundle["dsseEnvelope"]["signatures"] = [{"sig": b64encode(scene.key.sign(b"something else")).decode()}]
    manifest["layers"] = [put_blob(scene, encode(bundle), BUNDLE)]
    changed = put(scene, manifest)
    others = [each for each in scene.attached(digest) if each["digest"] != listed["digest"]]
    relist(scene, digest, [*others, {**listed, "digest": changed, "size": len(encode(manifest))}])


def relist(scene: Scene, digest: str, entries: list[dict[str, Any]]) -> None:
    put(scene, {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}, digest.replace(":", "-"))


def listed_otherwise(scene: Scene, digest: str) -> None:
    first, *others = scene.attached(digest)
    relist(scene, digest, [{**first, "annotations": {**first["annotations"], "in-toto.io/x": "y"}}, *others])


def another_type(scene: Scene, digest: str) -> None:
    first, *others = scene.attached(digest)
    relist(scene, digest, [{**first, "artifactType": "application/vnd.cyclonedx+json"}, *others])


def announced_otherwise(scene: Scene, digest: str) -> None:
    first, *others = scene.attached(digest)
    manifest = scene.registry.manifest(scene.repository, first["digest"])
    assert manifest
    notes = {
        **manifest["annotations"],
        "dev.sigstore.bundle.predicateType": "https://slsa.dev/provenance/v0.2",
    }
    manifest["annotations"] = notes
    changed = put(scene, manifest)
    relist(
        scene,
        digest,
        [{**first, "digest": changed, "size": len(encode(manifest)), "annotations": notes}, *others],
    )


def gone(scene: Scene, digest: str) -> None:
    manifest = scene.registry.manifest(scene.repository, "1")
    assert manifest
    child = manifest["manifests"][1]["digest"] if "manifests" in manifest else digest
    name = f"docker/registry/v2/repositories/{scene.repository}/_manifests/revisions/sha256/{child[7:]}/link"
    (scene.registry.root / name).unlink()


def no_artifact(scene: Scene, digest: str) -> None:
    first = scene.attached(digest)[0]["digest"]
    name = f"docker/registry/v2/repositories/{scene.repository}/_manifests/revisions/sha256/{first[7:]}/link"
    (scene.registry.root / name).unlink()


def legacy_of_another(scene: Scene, digest: str) -> None:
    other = scene.publish("arm64", tag="other")
    manifest = scene.registry.manifest(scene.repository, f"{other.replace(':', '-')}.sig")
    put(scene, manifest, f"{digest.replace(':', '-')}.sig")


SPOILED: dict[str, tuple[Callable[[Scene, str], None], str]] = {
    "a statement of another image": (
        copied_statement,
        r"attached to sha256:\S+, is about sha256:\S+, and not about this image",
    ),
    "the manifests of another image": (copied_manifest, r"is about sha256:\w+, and is listed for sha256:"),
    "a signature over other bytes": (other_bytes, r"names the key, and its signature is over other bytes"),
    "an annotation in the list": (
        listed_otherwise,
        r"is listed with the annotation in-toto.io/x, which it does not have",
    ),
    "another type in the list": (another_type, r"is listed as application/vnd.cyclonedx\+json, and is"),
    "another announcement": (
        announced_otherwise,
        r"is announced as 'https://slsa.dev/provenance/v0.2' by its annotation",
    ),
    "a child that is gone": (
        gone,
        r"the index sha256:\w+ of \S+ for linux/arm64 names sha256:\w+, and \S+ does not hold it",
    ),
    "an artifact that is gone": (
        no_artifact,
        r"what lists the artifacts of sha256:\w+ names sha256:\w+, and \S+ does not hold it",
    ),
    "an old signature of another image": (
        legacy_of_another,
        r"a signature under the tag of sha256:\w+ is about sha256:\w+, and not",
    ),
}


REPEATED = {
    "the manifests of another image",
    "another type in the list",
    "another announcement",
    "an artifact that is gone",
}
"""Kinds that another shows too, or that tests of the pure checks show."""


@pytest.mark.parametrize(
    "how", [pytest.param(how, marks=[pytest.mark.long] if how in REPEATED else []) for how in SPOILED]
)
def test_what_was_spoiled_is_refused(scene: Scene, how: str) -> None:
    spoil, said = SPOILED[how]
    several = ("amd64", "arm64") if "child" in how else ("amd64",)
    digest = scene.publish(*several, making=lambda packed: [provenance(packed)])
    spoil(scene, digest)
    found = scene.verify()
    assert not found.verified
    assert any(re.search(said, each.text) and each.hint for each in found.errors), lines(found)


def test_for_a_layer_that_is_gone_the_hint_names_the_reuse_that_sends_it_again(scene: Scene) -> None:
    """A publish by default believes the manifest that is published, and sends nothing."""
    digest = scene.publish("amd64")
    manifest = scene.registry.manifest(scene.repository, digest)
    assert manifest
    layer = manifest["layers"][0]["digest"]
    name = f"docker/registry/v2/repositories/{scene.repository}/_layers/sha256/{layer[7:]}/link"
    (scene.registry.root / name).unlink()
    error = next(each for each in scene.verify().errors if layer in each.text)
    assert "does not hold the blob" in error.text
    assert '`reuse: "off"`' in error.hint


@pytest.mark.parametrize(
    ("paths", "said"),
    [
        (lambda name: PATHS[name][:-1], f"lacks {PATHS['amd64'][2]}, which the layers hold"),
        (lambda name: (*PATHS[name], PATHS["arm64"][0]), f"names {PATHS['arm64'][0]}, which no layer holds"),
    ],
)
def test_an_sbom_of_other_contents_is_refused(scene: Scene, paths: Any, said: str) -> None:
    scene.publish("amd64", making=lambda packed: sboms(packed, paths))
    assert any(said in each.text and "linux/amd64" in each.text for each in scene.verify().errors)


def test_provenance_that_states_nothing_is_refused(scene: Scene) -> None:
    def spoiled(packed: Any) -> list[Any]:
        made = provenance(packed)
        said = json.loads(made.statement)
        del said["predicate"]["runDetails"]
        return [provenance(packed, data=encode(said), statement=encode(said))]

    scene.publish("amd64", making=spoiled)
    assert any(
        "is no provenance of SLSA v1: runDetails is missing" in each.text for each in scene.verify().errors
    )


def test_provenance_that_the_key_has_not_signed_is_said_to_be_so(scene: Scene) -> None:
    """The image is the signer's all the same; who wrote its provenance is nobody's word."""
    scene.publish("amd64", making=lambda packed: [provenance(packed, statement=b"")])
    found = scene.verify()
    said = next(each for each in found.findings if each.what == "provenance")
    assert (said.state, found.verified) == ("warning", True)
    assert "but that is not signed by the key SHA256:" in said.text


def test_the_children_need_no_signature_of_their_own(scene: Scene) -> None:
    """A digest in a signed index vouches for them; of a child by itself, its own signature is asked."""
    digest = scene.publish()
    manifest = scene.registry.manifest(scene.repository, digest)
    assert manifest
    assert scene.verify(f"@{manifest['manifests'][1]['digest']}").verified


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"image": ""}, "`verify` needs an image"),
        *(
            ({"image": text}, f"verify reads what is in a registry, and '{re.escape(text)}' lies elsewhere")
            for text in (
                "./text",
                "text",
                "oci:image",
                "docker-daemon:app",
                "docker-archive:x.tar",
                ".#image",
                "-",
            )
        ),
        ({"key": "nothing.pub"}, "key: nothing.pub can't be read: No such file"),
        ({"key": "."}, "key: . can't be read: Is a directory"),
        ({"key": "private.pem"}, "key: private.pem can't be used: it is PEM of another kind"),
        ({"key": "text"}, "key: text can't be used: it is not a public key in PEM"),
        ({"key": "rsa.pub"}, r"key: rsa.pub can't be used: it is a key of another kind \(RSA"),
        (
            {"key": "own.pub", "certificate_identity": "x", "certificate_oidc_issuer": "y"},
            "are given, and an image is verified by one",
        ),
        ({"certificate_identity": "x"}, "`certificate-identity` is given without `certificate-oidc-issuer`"),
        (
            {"certificate_oidc_issuer": "x"},
            "`certificate-oidc-issuer` is given without `certificate-identity`",
        ),
    ],
)
def test_inputs_that_can_not_be(tmp_path: Path, inputs: dict[str, Any], said: str) -> None:
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    (tmp_path / "text").write_text("no key")
    (tmp_path / "private.pem").write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    other = rsa.generate_private_key(65537, 1024).public_key()
    (tmp_path / "rsa.pub").write_bytes(other.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(UsageError, match=said) as caught:
        command.run(Settings(**{"image": "h.example/a:1", **inputs}), runtime(tmp_path)[0])
    assert caught.value.hint


@pytest.mark.parametrize(
    "name", ["FLAKESHIP_KEY", "FLAKESHIP_CERTIFICATE_IDENTITY", "FLAKESHIP_CERTIFICATE_OIDC_ISSUER"]
)
def test_a_secret_that_does_not_exist_lets_no_image_pass(tmp_path: Path, name: str) -> None:
    """CI gives an empty text for it, and without a key the exit code would be 0."""
    with pytest.raises(UsageError, match=f"{name} is empty") as caught:
        command.run(Settings(image="h.example/a:1"), runtime(tmp_path, {name: ""})[0])
    assert caught.value.hint


def test_keyless_without_the_library(tmp_path: Path, mocker: MockerFixture) -> None:
    mocker.patch("flakeship.commands.verify.keyless.can_verify", return_value=False)
    inputs: dict[str, Any] = {"certificate_identity": "x", "certificate_oidc_issuer": "y"}
    with pytest.raises(UsageError, match="the library sigstore, which is not installed"):
        command.run(Settings(image="h.example/a:1", **inputs), runtime(tmp_path)[0])


def test_an_sbom_that_differs_from_the_signed_one_is_told(scene: Scene) -> None:
    def both(packed: Any) -> list[Any]:
        plain = sboms(packed)[0]
        return [replace(plain, data=plain.data.replace(b'"x"', b'"y"'))]

    scene.publish("amd64", making=both)
    said = [(each.what, each.state) for each in scene.verify().findings][-2:]
    assert said == [("sbom", "warning"), ("sbom", "ok")]


def test_a_name_that_leads_nowhere(scene: Scene) -> None:
    with pytest.raises(UsageError, match="there is no image"):
        scene.verify(":none")


def test_a_changed_byte_anywhere_fails(scene: Scene) -> None:
    """In the registry's own storage: manifest, config, layers, SBOM, bundles, statements, old signatures, and the lists of them."""
    scene.publish("amd64")
    assert scene.verify().verified
    stored = [
        path for path in blobs_of(scene) if path.stat().st_size > 2
    ]  # `{}` is the config of every artifact
    kinds = {path: path.read_bytes() for path in stored}
    assert len(stored) > 12
    chance = random.Random("any byte")
    passed = []
    for path, data in kinds.items():
        for _ in range(5 if "CI" in os.environ else 1):
            place = chance.randrange(len(data))
            path.write_bytes(
                data[:place] + bytes([data[place] ^ 1 << chance.randrange(8)]) + data[place + 1 :]
            )
            if is_verified(scene):
                passed.append((data[:60], place))
        path.write_bytes(data)
    assert not passed
    assert scene.verify().verified


def blobs_of(scene: Scene) -> list[Path]:
    """The files of all that the repository names: whatever a link of its own leads to."""
    root = scene.registry.root / "docker/registry/v2"
    links = (root / "repositories" / scene.repository).rglob("link")
    digests = sorted({link.read_text().removeprefix("sha256:") for link in links})
    return [root / "blobs/sha256" / digest[:2] / digest / "data" for digest in digests]


def is_verified(scene: Scene) -> bool:
    try:
        return scene.verify().verified
    except (
        RejectedError,
        UnreachableError,
    ):  # the registry itself reads manifests, and fails over one that is no JSON
        return False


def test_what_the_referrers_api_tells_is_read(tmp_path: Path) -> None:
    """No real registry here has that API; the stand-in speaks it, one entry a page."""
    with memory_registry_of(ReferrersRegistry) as registry:
        scene = Scene(registry, tmp_path, registry.new_repository())
        digest = scene.publish("amd64")
        assert not scene.attached(digest)
        found = scene.verify()
        assert found.verified, lines(found)
        assert [each.state for each in found.findings] == ["ok"] * 4
        copied = scene.publish("arm64", tag="other")
        registry.manifests = {
            key: (kind, data.replace(copied.encode(), digest.encode()) if b'"subject"' in data else data)
            for key, (kind, data) in registry.manifests.items()
        }
        assert not scene.verify().verified


def _swapped(child: dict[str, Any], config: dict[str, Any], manifest: dict[str, Any]) -> None:
    child["platform"]["architecture"] = "arm64"


def _another_layer(child: dict[str, Any], config: dict[str, Any], manifest: dict[str, Any]) -> None:
    config["rootfs"]["diff_ids"].reverse()


def _a_layer_too_few(child: dict[str, Any], config: dict[str, Any], manifest: dict[str, Any]) -> None:
    manifest["layers"].pop()


def _another_kind(child: dict[str, Any], config: dict[str, Any], manifest: dict[str, Any]) -> None:
    child["mediaType"] = INDEX


def _another_size(child: dict[str, Any], config: dict[str, Any], manifest: dict[str, Any]) -> None:
    manifest["layers"][0]["size"] += 1


NO_ARCHIVE = b"\x1f\x8b\x08" + bytes(7) + b"no deflate"


def _no_archive(child: dict[str, Any], config: dict[str, Any], manifest: dict[str, Any]) -> None:
    manifest["layers"][0] |= {"digest": sha256(NO_ARCHIVE), "size": len(NO_ARCHIVE)}


CONTRADICTIONS: dict[Callable[[dict[str, Any], dict[str, Any], dict[str, Any]], None], str] = {
    _swapped: r"the index lists sha256:\w+ for linux/arm64, and its config is for linux/amd64",
    _another_layer: r"does not unpack to sha256:\w+, which the config states",
    _no_archive: r"does not unpack to sha256:\w+, which the config states",
    _a_layer_too_few: r"has 1 layers, and its config 2 diff_ids",
    _another_kind: r"is listed as application/vnd.oci.image.index.v1\+json",
    _another_size: r"has [0-9,]+ bytes, and is listed with [0-9,]+",
}


@pytest.mark.parametrize("change", CONTRADICTIONS, ids=lambda change: change.__name__)
def test_an_image_that_contradicts_itself_is_refused_whoever_signed_it(scene: Scene, change: Any) -> None:
    """Each digest in it is right, and so would a signature be: the documents state what is not so."""
    layout = Layout()
    child = image_of(layout, "amd64")
    manifest = json.loads(layout.blobs[child["digest"]])
    config = json.loads(layout.blobs[manifest["config"]["digest"]])
    change(child, config, manifest)
    layout.blobs[sha256(NO_ARCHIVE)] = NO_ARCHIVE
    for layer in manifest["layers"]:
        put_blob(scene, layout.blobs[layer["digest"]], layer["mediaType"])
    manifest["config"] = put_blob(scene, encode(config), manifest["config"]["mediaType"])
    child |= {"digest": put(scene, manifest), "size": len(encode(manifest))}
    put(scene, {"schemaVersion": 2, "mediaType": INDEX, "manifests": [child]}, "1")
    found = scene.verify(key="")
    assert any(re.search(CONTRADICTIONS[change], each.text) for each in found.errors), lines(found)


def test_what_is_attached_to_a_child_is_judged_too(scene: Scene) -> None:
    digest = scene.publish(making=lambda _: [])
    manifest = scene.registry.manifest(scene.repository, digest)
    assert manifest
    copied_statement(scene, manifest["manifests"][0]["digest"])
    assert not scene.verify().verified
