"""Whatever real cosign refuses, `verify` refuses too: forged, copied and odd signatures, each asked of both."""

from __future__ import annotations

import datetime as dt
import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.x509.oid import NameOID

from flakeship.attest.artifact import IN_TOTO
from flakeship.attest.bundle import BUNDLE, annotations_of_bundle
from flakeship.attest.dsse import signed_bytes
from flakeship.attest.keys import SigningKey
from flakeship.attest.legacy import SIGNATURE, SIMPLE_SIGNING, payload_for
from flakeship.attest.statement import CYCLONEDX_BOM, SIGNED, statement
from flakeship.errors import UsageError
from flakeship.image.document import encode
from flakeship.image.model import Digest
from tests.commands.verify.scene import Scene, lines, new_key
from tests.commands.verify.test_verify import put, put_blob, relist
from tests.sources.layouts import MANIFEST
from tests.testbed.cosign import PASSWORD, Cosign
from tests.testbed.registry import Registry

pytestmark = pytest.mark.slow

EMPTY: Final = "application/vnd.oci.empty.v1+json"
ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Of the curve P-256."""
OTHER: Final = Digest("sha256:" + "0" * 64)


@pytest.fixture
def scene(registry: Registry, tmp_path: Path, cosign: Cosign) -> Scene:
    (tmp_path / "cosign.pub").write_text((cosign.folder / "cosign.pub").read_text())
    return Scene(registry, tmp_path, registry.new_repository(), SigningKey.parse(cosign.key, PASSWORD))


def said_of(*digests: str, kind: str = SIGNED, predicate: Mapping[str, Any] | None = None) -> bytes:
    return statement([("", Digest(each)) for each in digests], kind, predicate or {})


def bundle_of(key: SigningKey, payload: bytes, payload_type: str = IN_TOTO, **changes: Any) -> dict[str, Any]:
    """A bundle as cosign writes it; `changes` replace what is in the envelope, or in the document."""
    signature = key.sign(signed_bytes(payload, payload_type))
    envelope = {
        "payload": b64encode(payload).decode(),
        "payloadType": payload_type,
        "signatures": [{"sig": b64encode(signature).decode()}],
    }
    document = {
        "mediaType": BUNDLE,
        "verificationMaterial": {"publicKey": {"hint": key.public.hint}},
        "dsseEnvelope": envelope,
    }
    for name, value in changes.items():
        (envelope if name in envelope else document)[name] = value
    return document


def changed(bundle: dict[str, Any], **envelope: Any) -> dict[str, Any]:
    return {**bundle, "dsseEnvelope": {**bundle["dsseEnvelope"], **envelope}}


def certificate(key: SigningKey) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    begin, end = (dt.datetime(year, 1, 1, tzinfo=dt.UTC) for year in (2020, 2120))
    made = x509.CertificateBuilder(name, name, key.key.public_key(), 7, begin, end).sign(
        key.key, hashes.SHA256()
    )
    return made.public_bytes(serialization.Encoding.DER)


def attach(scene: Scene, digest: str, *bundles: Any, kind: str = SIGNED, artifact_type: str = BUNDLE) -> None:
    entries = []
    for bundle in bundles:
        data = bundle if isinstance(bundle, bytes) else encode(bundle)
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": artifact_type,
            "config": put_blob(scene, b"{}", EMPTY),
            "layers": [put_blob(scene, data, BUNDLE)],
            "subject": {"mediaType": MANIFEST, "digest": digest, "size": size_of(scene, digest)},
            "annotations": annotations_of_bundle(kind) if kind else {"x": "y"},
        }
        entry = {"mediaType": MANIFEST, "digest": put(scene, manifest), "size": len(encode(manifest))}
        entries.append({**entry, "artifactType": artifact_type, "annotations": manifest["annotations"]})
    relist(scene, digest, entries)


def size_of(scene: Scene, digest: str) -> int:
    answer = scene.registry.request(
        "GET", f"{scene.repository}/manifests/{digest}", headers={"Accept": MANIFEST}
    )
    return len(answer.content)


def tag(scene: Scene, digest: str, *signatures: tuple[bytes, str], media_type: str = SIMPLE_SIGNING) -> None:
    layers = [
        {**put_blob(scene, payload, media_type), "annotations": {SIGNATURE: text}}
        for payload, text in signatures
    ]
    config = {
        "architecture": "",
        "os": "",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [each["digest"] for each in layers]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": put_blob(scene, encode(config), "application/vnd.oci.image.config.v1+json"),
        "layers": layers,
    }
    put(scene, manifest, f"{digest.replace(':', '-')}.sig")


def b64(data: bytes) -> str:
    return b64encode(data).decode()


def other_s(signature: bytes) -> bytes:
    r, s = decode_dss_signature(signature)
    return encode_dss_signature(r, ORDER - s)


def longer(signature: bytes) -> bytes:
    """The same numbers with a length in two bytes, as BER allows."""
    return signature[:1] + b"\x81" + signature[1:]


Attack: TypeAlias = Callable[[Scene, str], Any]


def dsse(scene: Scene, payload: bytes, change: Callable[[bytes], bytes]) -> dict[str, Any]:
    return bundle_of(
        scene.key, payload, signatures=[{"sig": b64(change(scene.key.sign(signed_bytes(payload))))}]
    )


def signatures(*keys: SigningKey, payload: bytes) -> list[dict[str, str]]:
    return [{"sig": b64(key.sign(signed_bytes(payload)))} for key in keys]


def subject(**digests: str) -> bytes:
    return encode(
        {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": "", "digest": digests}],
            "predicateType": SIGNED,
            "predicate": {},
        }
    )


def resigned(scene: Scene, payload: bytes) -> tuple[bytes, str]:
    return payload, b64(scene.key.sign(payload))


def legacy(scene: Scene, digest: str, **critical: Any) -> tuple[bytes, str]:
    document = json.loads(payload_for(Digest(digest), scene.name))
    document["critical"] |= critical
    return resigned(scene, encode(document))


BUNDLES: Final[Mapping[str, Attack]] = {
    "right": lambda s, d: attach(s, d, bundle_of(s.key, said_of(d))),
    "none": lambda s, d: None,
    "wrong key": lambda s, d: attach(s, d, bundle_of(new_key(), said_of(d))),
    "wrong key right hint": lambda s, d: attach(s, d, bundle_of(new_key(), said_of(d), verificationMaterial={"publicKey": {"hint": s.key.public.hint}})),
    "right key wrong hint": lambda s, d: attach(s, d, bundle_of(s.key, said_of(d), verificationMaterial={"publicKey": {"hint": new_key().public.hint}})),
    "no hint": lambda s, d: attach(s, d, bundle_of(s.key, said_of(d), verificationMaterial={"publicKey": {}})),
    "empty material": lambda s, d: attach(s, d, bundle_of(s.key, said_of(d), verificationMaterial={})),
    "key and cert": lambda s, d: attach(s, d, bundle_of(s.key, said_of(d), verificationMaterial={"publicKey": {"hint": ""}, "certificate": {"rawBytes": "AAAA"}})),
    "another image": lambda s, d: attach(s, d, bundle_of(s.key, said_of(OTHER))),
    "wrong before right": lambda s, d: attach(s, d, bundle_of(new_key(), said_of(d)), bundle_of(s.key, said_of(d))),
    "broken before right": lambda s, d: attach(s, d, b"{", bundle_of(s.key, said_of(d))),
    "another image before right": lambda s, d: attach(s, d, bundle_of(s.key, said_of(OTHER)), bundle_of(s.key, said_of(d))),
    "tampered payload": lambda s, d: attach(s, d, changed(bundle_of(s.key, said_of(OTHER)), payload=b64(said_of(d)))),
    "certificate for the key": lambda s, d: attach(s, d, bundle_of(s.key, said_of(d), verificationMaterial={"certificate": {"rawBytes": b64(certificate(s.key))}})),
    "statement unknown field": lambda s, d: attach(s, d, bundle_of(s.key, said_of(d).replace(b'"subject":', b'"more":1,"subject":'))),
    "statement case": lambda s, d: attach(s, d, bundle_of(s.key, said_of(OTHER).replace(b'"subject":', b'"Subject":' + json.dumps([{"name": "", "digest": {"sha256": d[7:]}}]).encode() + b',"subject":'))),
    "unknown in subject": lambda s, d: attach(s, d, bundle_of(s.key, said_of(d).replace(b'"digest":', b'"more":1,"digest":'))),
    "unknown in signature": lambda s, d: attach(s, d, bundle_of(s.key, said_of(d), signatures=[{**signatures(s.key, payload=said_of(d))[0], "x": 1}])),
    "unknown in key": lambda s, d: attach(s, d, bundle_of(s.key, said_of(d), verificationMaterial={"publicKey": {"hint": "", "x": 1}})),
    "hint is a number": lambda s, d: attach(s, d, bundle_of(s.key, said_of(d), verificationMaterial={"publicKey": {"hint": 1}})),
    "tlog is text": lambda s, d: attach(s, d, bundle_of(s.key, said_of(d), verificationMaterial={"publicKey": {"hint": ""}, "tlogEntries": "x"})),
    "tlog is made up": lambda s, d: attach(s, d, bundle_of(s.key, said_of(d), verificationMaterial={"publicKey": {"hint": ""}, "tlogEntries": [{}]})),
    "timestamps made up": lambda s, d: attach(s, d, bundle_of(s.key, said_of(d), verificationMaterial={"publicKey": {"hint": ""}, "timestampVerificationData": {"x": 1}})),
    "keyid is a number": lambda s, d: attach(s, d, bundle_of(s.key, said_of(d), signatures=[{**signatures(s.key, payload=said_of(d))[0], "keyid": 1}])),
    "listed as another type": lambda s, d: attach(s, d, bundle_of(s.key, said_of(d)), artifact_type="application/x"),
    "listed as a later version": lambda s, d: attach(s, d, bundle_of(s.key, said_of(d)), artifact_type="application/vnd.dev.sigstore.bundle.v0.9+json"),
    "not announced": lambda s, d: attach(s, d, bundle_of(s.key, said_of(d)), kind=""),
    "payload unpadded": lambda s, d: attach(s, d, changed(bundle_of(s.key, said_of(d)), payload=b64(said_of(d)).rstrip("="))),
    "tampered type": lambda s, d: attach(s, d, bundle_of(s.key, said_of(d), payloadType="application/json")),
    "other type signed": lambda s, d: attach(s, d, bundle_of(s.key, said_of(d), "application/json")),
    "two subjects": lambda s, d: attach(s, d, bundle_of(s.key, said_of(OTHER, d))),
    "two subjects first": lambda s, d: attach(s, d, bundle_of(s.key, said_of(d, OTHER))),
    "two signatures wrong right": lambda s, d: attach(s, d, bundle_of(s.key, said_of(d), signatures=signatures(new_key(), s.key, payload=said_of(d)))),
    "two signatures right wrong": lambda s, d: attach(s, d, bundle_of(s.key, said_of(d), signatures=signatures(s.key, new_key(), payload=said_of(d)))),
    "two signatures right right": lambda s, d: attach(s, d, bundle_of(s.key, said_of(d), signatures=signatures(s.key, s.key, payload=said_of(d)))),
    "empty signature beside": lambda s, d: attach(s, d, bundle_of(s.key, said_of(d), signatures=[{"sig": ""}, *signatures(s.key, payload=said_of(d))])),
    "sha512 alone": lambda s, d: attach(s, d, bundle_of(s.key, subject(sha512="0" * 128))),
    "sha256 and sha512": lambda s, d: attach(s, d, bundle_of(s.key, subject(sha256=d[7:], sha512="0" * 128))),
    "sha512 with sha256 of other": lambda s, d: attach(s, d, bundle_of(s.key, subject(sha256="0" * 64, sha512=d[7:]))),
    "upper case": lambda s, d: attach(s, d, bundle_of(s.key, subject(sha256=d[7:].upper()))),
    "malleable": lambda s, d: attach(s, d, dsse(s, said_of(d), other_s)),
    "ber": lambda s, d: attach(s, d, dsse(s, said_of(d), longer)),
    "trailing": lambda s, d: attach(s, d, dsse(s, said_of(d), lambda x: x + b"\0")),
    "version 0.9": lambda s, d: attach(s, d, bundle_of(s.key, said_of(d), mediaType="application/vnd.dev.sigstore.bundle.v0.9+json")),
    "version 9": lambda s, d: attach(s, d, bundle_of(s.key, said_of(d), mediaType="application/vnd.dev.sigstore.bundle.v9+json")),
    "a later version before right": lambda s, d: attach(s, d, bundle_of(s.key, said_of(d), mediaType="application/vnd.dev.sigstore.bundle.v0.4+json"), bundle_of(s.key, said_of(d))),
    "version 0.1": lambda s, d: attach(s, d, bundle_of(s.key, said_of(d), mediaType="application/vnd.dev.sigstore.bundle+json;version=0.1")),
    "version 0.2": lambda s, d: attach(s, d, bundle_of(s.key, said_of(d), mediaType="application/vnd.dev.sigstore.bundle+json;version=0.2")),
    "version 0.3 old": lambda s, d: attach(s, d, bundle_of(s.key, said_of(d), mediaType="application/vnd.dev.sigstore.bundle+json;version=0.3")),
    "version 9 old": lambda s, d: attach(s, d, bundle_of(s.key, said_of(d), mediaType="application/vnd.dev.sigstore.bundle+json;version=9")),
    "type with a tail": lambda s, d: attach(s, d, bundle_of(s.key, said_of(d), mediaType=BUNDLE + "x")),
    "unknown field": lambda s, d: attach(s, d, bundle_of(s.key, said_of(d), more=1)),
    "message too": lambda s, d: attach(s, d, bundle_of(s.key, said_of(d), messageSignature={"messageDigest": {"algorithm": "SHA2_256", "digest": b64(bytes(32))}, "signature": b64(b"x")})),
    "payload twice": lambda s, d: attach(s, d, encode(bundle_of(s.key, said_of(d))).replace(b'"payload":', b'"payload":"AAAA","payload":')),
    "url alphabet": lambda s, d: attach(s, d, bundle_of(s.key, said_of(d), signatures=[{"sig": urlsafe_b64encode(s.key.sign(signed_bytes(said_of(d)))).decode()}])),
    "statement 0.1": lambda s, d: attach(s, d, bundle_of(s.key, said_of(d).replace(b"Statement/v1", b"Statement/v0.1"))),
    "statement of another kind": lambda s, d: attach(s, d, bundle_of(s.key, said_of(d).replace(b"Statement/v1", b"Statement/v7"))),
    "only an SBOM": lambda s, d: attach(s, d, bundle_of(s.key, said_of(d, kind=CYCLONEDX_BOM, predicate={"bomFormat": "CycloneDX"})), kind=CYCLONEDX_BOM),
    "only an SBOM, announced as a signature": lambda s, d: attach(s, d, bundle_of(s.key, said_of(d, kind=CYCLONEDX_BOM, predicate={"bomFormat": "CycloneDX"}))),
    "a kind of nobody": lambda s, d: attach(s, d, bundle_of(s.key, said_of(d, kind="https://example.org/x")), kind="https://example.org/x"),
    "subject twice": lambda s, d: attach(s, d, bundle_of(s.key, said_of(OTHER).replace(b'"subject":', b'"subject":' + json.dumps([{"name": "", "digest": {"sha256": d[7:]}}]).encode() + b',"subject":'))),
    "subject twice, last right": lambda s, d: attach(s, d, bundle_of(s.key, said_of(d).replace(b'"subject":', b'"subject":' + json.dumps([{"name": "", "digest": {"sha256": "0" * 64}}]).encode() + b',"subject":'))),
}  # fmt: skip

TAGGED: Final[Mapping[str, Attack]] = {
    "right": lambda s, d: tag(s, d, legacy(s, d)),
    "wrong key": lambda s, d: tag(s, d, (legacy(s, d)[0], b64(new_key().sign(legacy(s, d)[0])))),
    "another image": lambda s, d: tag(s, d, legacy(s, OTHER)),
    "another image before right": lambda s, d: tag(s, d, legacy(s, OTHER), legacy(s, d)),
    "wrong before right": lambda s, d: tag(s, d, (legacy(s, d)[0] , b64(new_key().sign(legacy(s, d)[0]))), (legacy(s, d)[0] + b" ", b64(s.key.sign(legacy(s, d)[0] + b" ")))),
    "tampered payload": lambda s, d: tag(s, d, (legacy(s, d)[0], legacy(s, OTHER)[1])),
    "tampered annotation": lambda s, d: tag(s, d, (legacy(s, d)[0], b64(b"x" + s.key.sign(legacy(s, d)[0])[1:]))),
    "no base64": lambda s, d: tag(s, d, (legacy(s, d)[0], "%%%")),
    "another type": lambda s, d: tag(s, d, legacy(s, d, type="atomic container signature")),
    "no type": lambda s, d: tag(s, d, legacy(s, d, type="")),
    "another repository": lambda s, d: tag(s, d, legacy(s, d, identity={"docker-reference": "other.example/x"})),
    "upper case": lambda s, d: tag(s, d, legacy(s, d, image={"docker-manifest-digest": d.upper()})),
    "malleable": lambda s, d: tag(s, d, (legacy(s, d)[0], b64(other_s(s.key.sign(legacy(s, d)[0]))))),
    "ber": lambda s, d: tag(s, d, (legacy(s, d)[0], b64(longer(s.key.sign(legacy(s, d)[0]))))),
    "trailing": lambda s, d: tag(s, d, (legacy(s, d)[0], b64(s.key.sign(legacy(s, d)[0]) + b"\0"))),
    "url alphabet": lambda s, d: tag(s, d, (legacy(s, d)[0], urlsafe_b64encode(s.key.sign(legacy(s, d)[0])).decode())),
    "another media type": lambda s, d: tag(s, d, legacy(s, d), media_type="application/octet-stream"),
    "digest twice": lambda s, d: tag(s, d, resigned(s, legacy(s, OTHER)[0].replace(b'"docker-manifest-digest":', f'"docker-manifest-digest":"{d}","docker-manifest-digest":'.encode()))),
    "digest twice, last right": lambda s, d: tag(s, d, resigned(s, legacy(s, d)[0].replace(b'"docker-manifest-digest":', f'"docker-manifest-digest":"{OTHER}","docker-manifest-digest":'.encode()))),
    "critical in other case": lambda s, d: tag(s, d, resigned(s, legacy(s, d)[0].replace(b'"critical"', b'"Critical"'))),
    "two cases": lambda s, d: tag(s, d, resigned(s, legacy(s, d)[0].replace(b'"docker-manifest-digest":', f'"docker-manifest-digest":"{d}","Docker-Manifest-Digest":'.encode()).replace(f'Digest":"{d}"'.encode(), f'Digest":"{OTHER}"'.encode()))),
}  # fmt: skip


STRICTER: Final = frozenset(
    {
        "bundle: broken before right",
        "bundle: another image before right",
        "bundle: statement of another kind",
        "bundle: only an SBOM",
        "bundle: only an SBOM, announced as a signature",
        "bundle: a kind of nobody",
        "tag: another image before right",
        "tag: another type",
        "tag: no type",
        "tag: another media type",
        "tag: digest twice, last right",
        "tag: critical in other case",
    }
)
"""What cosign accepts and we refuse, as docs/verify.md says."""
QUICK: Final = frozenset({"bundle: two signatures wrong right", "tag: two cases"})


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in QUICK else pytest.mark.long)
        for name in (*(f"bundle: {each}" for each in BUNDLES), *(f"tag: {each}" for each in TAGGED))
    ],
)
def test_what_cosign_refuses_is_refused(name: str, scene: Scene, cosign: Cosign) -> None:
    form, _, kind = name.partition(": ")
    digest = scene.publish("amd64", making=lambda _: [], signed=False)
    (BUNDLES if form == "bundle" else TAGGED)[kind](scene, digest)
    found = scene.verify(key="cosign.pub")
    done = cosign("verify", "--key", "cosign.pub", "--insecure-ignore-tlog=true", f"{scene.name}@{digest}")
    accepts = done.returncode == 0
    assert found.verified == (accepts and name not in STRICTER), (done.stderr, lines(found))
    assert accepts or name not in STRICTER, "we are not stricter any more"


@pytest.mark.long
@pytest.mark.parametrize("first", ["right", "wrong"])
def test_of_a_file_with_two_keys_the_first_is_meant(first: str, scene: Scene, cosign: Cosign) -> None:
    keys = [scene.key.public.pem, new_key().public.pem]
    text = "".join(keys if first == "right" else keys[::-1])
    for folder in (scene.folder, cosign.folder):
        (folder / "two.pub").write_text(text)
    digest = scene.publish("amd64", making=lambda _: [])
    done = cosign("verify", "--key", "two.pub", "--insecure-ignore-tlog=true", f"{scene.name}@{digest}")
    try:
        verified = scene.verify(key="two.pub").verified
    except UsageError:
        verified = False
    assert verified <= (done.returncode == 0)
    assert verified == (first == "right")


@pytest.mark.long
def test_a_copy_in_another_repository_is_verified_by_both(scene: Scene, cosign: Cosign) -> None:
    digest = scene.publish("amd64", making=lambda _: [])
    copy = Scene(scene.registry, scene.folder, scene.registry.new_repository(), scene.key)
    assert copy.publish("amd64", making=lambda _: [], signed=False, tag="2") == digest
    tag(copy, digest, legacy(scene, digest))
    done = cosign("verify", "--key", "cosign.pub", "--insecure-ignore-tlog=true", f"{copy.name}@{digest}")
    assert done.returncode == 0, done.stderr
    assert copy.verify(":2", key="cosign.pub").verified
