"""What others wrote is read, or refused with a reason: bundles, lists of referrers, images that hold signatures."""

from __future__ import annotations

import contextlib
import json
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakeship.attest.bundle import BUNDLE, Bundle, bundle_by_key
from flakeship.attest.dsse import Envelope
from flakeship.attest.keys import SigningKey
from flakeship.attest.legacy import holds, tagged_signature, with_signature
from flakeship.image.model import Descriptor, digest_of
from flakeship.registry.referrers import _entries, _merged
from tests.attest.test_keys import P256, pem

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
SUBJECT = Descriptor("application/vnd.oci.image.manifest.v1+json", digest_of(b"an image"), 8)
GOOD: dict[str, Any] = json.loads(bundle_by_key(Envelope(b"{}", b"a signature"), "whose"))


def test_a_bundle_is_read_as_it_was_written() -> None:
    found = Bundle.of(json.dumps(GOOD).encode())
    assert (found.hint, found.envelope.payload, found.envelope.signature) == (
        "whose",
        b"{}",
        b"a signature",
    )


def test_either_alphabet_of_base64_is_read() -> None:
    """https://github.com/secure-systems-lab/dsse/blob/master/envelope.md."""
    payload = bytes(range(250, 256)) * 3
    document = GOOD["dsseEnvelope"] | {"payload": b64encode(payload, b"-_").decode()}
    assert Envelope.of(document).payload == payload


@pytest.mark.parametrize(
    "path",
    [
        ("mediaType",),
        ("verificationMaterial",),
        ("dsseEnvelope",),
        ("dsseEnvelope", "payload"),
        ("dsseEnvelope", "payloadType"),
        ("dsseEnvelope", "signatures"),
    ],
)
@given(value=JSON)
def test_a_bundle_with_anything_in_one_place_is_read_or_refused(path: tuple[str, ...], value: Any) -> None:
    document = json.loads(json.dumps(GOOD))
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with contextlib.suppress(ValueError):
        Bundle.of(json.dumps(document).encode())


@pytest.mark.parametrize(
    ("part", "changes"),
    [
        ("mediaType", "application/vnd.dev.sigstore.bundle.v9+json"),
        ("mediaType", "application/vnd.dev.sigstore.bundle+json;version=0.2"),
        ("more", 1),
        ("messageSignature", {}),
        ("verificationMaterial", {}),
        ("verificationMaterial", {"publicKey": {}, "certificate": {"rawBytes": ""}}),
        ("verificationMaterial", {"publicKey": {"hint": 1}}),
        ("verificationMaterial", {"publicKey": {"more": ""}}),
        ("verificationMaterial", {"publicKey": {}, "tlogEntries": [{}]}),
        ("verificationMaterial", {"publicKey": {}, "timestampVerificationData": {"more": 1}}),
        ("dsseEnvelope", {**GOOD["dsseEnvelope"], "signatures": []}),
        ("dsseEnvelope", {**GOOD["dsseEnvelope"], "signatures": [{"sig": "AA=="}, {"sig": "AA=="}]}),
        ("dsseEnvelope", {**GOOD["dsseEnvelope"], "signatures": [{"sig": "AA==", "more": 1}]}),
        ("dsseEnvelope", {**GOOD["dsseEnvelope"], "signatures": [{"sig": "AA==", "keyid": 1}]}),
        ("dsseEnvelope", {**GOOD["dsseEnvelope"], "more": 1}),
    ],
)
def test_what_cosign_takes_for_no_bundle_is_none(part: str, changes: Any) -> None:
    """tests/commands/verify/test_beside_cosign.py asks it."""
    Bundle.of(json.dumps(GOOD).encode())
    with pytest.raises(ValueError, match=r"^it|its"):
        Bundle.of(json.dumps(GOOD | {part: changes}).encode())


@given(
    entries=st.lists(
        JSON
        | st.fixed_dictionaries(
            {"mediaType": JSON, "digest": JSON | st.just(SUBJECT.digest), "size": JSON, "annotations": JSON}
        ),
        max_size=4,
    )
)
def test_a_list_of_referrers_with_anything_in_it_keeps_it_and_gets_ours(entries: list[Any]) -> None:
    made = _merged({"manifests": entries}, [SUBJECT])
    assert made["manifests"][-1] == SUBJECT.to_json()
    assert SUBJECT.digest in {each.digest for each in _entries(made)}


@given(
    layers=JSON | st.lists(JSON | st.fixed_dictionaries({"digest": JSON, "annotations": JSON}), max_size=3)
)
def test_an_image_of_signatures_with_anything_in_it_gets_ours(layers: Any) -> None:
    signature = tagged_signature(SigningKey.parse(pem(P256)), SUBJECT, "ghcr.io/o/n")
    assert not holds({"layers": layers}, signature)
    made = json.loads(with_signature({"layers": layers}, signature).manifest)
    assert holds(made, signature)


def test_docker_hub_is_called_as_cosign_calls_it() -> None:
    signature = tagged_signature(SigningKey.parse(pem(P256)), SUBJECT, "docker.io/library/app")
    said = json.loads(signature.payload)["critical"]
    assert said["identity"]["docker-reference"] == "index.docker.io/library/app"
    assert said["image"]["docker-manifest-digest"] == SUBJECT.digest
    assert BUNDLE.startswith("application/vnd.dev.sigstore.bundle")
