"""Who vouches, judged by values alone: what is attached may be of anybody, and only what the trusted signer says of the image itself counts."""

from __future__ import annotations

from base64 import b64encode

import pytest
from pytest_mock import MockerFixture

from flakeship.attest.artifact import IN_TOTO, PREDICATE_TYPE
from flakeship.attest.bundle import BUNDLE, PREDICATE, Bundle, bundle_by_key
from flakeship.attest.dsse import Envelope, signed_bytes
from flakeship.attest.keys import SigningKey
from flakeship.attest.legacy import payload_for
from flakeship.attest.provenance import ImageFacts, RunFacts, predicate_of
from flakeship.attest.statement import SIGNED, SLSA_PROVENANCE, statement
from flakeship.attest.verification import OtherKeyError
from flakeship.commands.verify import keyless
from flakeship.commands.verify.attached import AttachedDocument, AttachedTo, TaggedPayload
from flakeship.commands.verify.vouching import Trust, provenance_finding, signature_finding, vouched
from flakeship.image.model import digest_of
from tests.commands.verify.scene import new_key

IMAGE, OTHER = digest_of(b"image"), digest_of(b"other")
KEY, STRANGER = new_key(), new_key()
TRUST = Trust.in_key(KEY.public)


def made_by(run: str) -> bytes:
    facts = RunFacts(
        flakeship="1", started="2026-01-01T00:00:00Z", finished="2026-01-01T00:00:01Z", invocation=run
    )
    predicate = predicate_of([ImageFacts(platform="linux/amd64")], facts)
    return statement([("", OTHER), ("", IMAGE)], SLSA_PROVENANCE, predicate)


def bundle(said: bytes, key: SigningKey = KEY, *, hint: str = "") -> bytes:
    signature = key.sign(signed_bytes(said))
    return bundle_by_key(Envelope(said, signature), hint or key.public.hint)


def in_bundle(said: bytes, kind: str, key: SigningKey = KEY, *, hint: str = "") -> AttachedDocument:
    return AttachedDocument(BUNDLE, bundle(said, key, hint=hint), {PREDICATE: kind}, OTHER)


PLAIN = statement([("", IMAGE)], SIGNED, {})
SIGNATURE = in_bundle(PLAIN, SIGNED)
OF_A_STRANGER = in_bundle(PLAIN, SIGNED, STRANGER)
TAGGED = TaggedPayload(
    payload_for(IMAGE, "h.example/other/name"),
    b64encode(KEY.sign(payload_for(IMAGE, "h.example/other/name"))).decode(),
)


@pytest.mark.parametrize(
    ("attached", "state"),
    [
        (AttachedTo((SIGNATURE,)), "ok"),
        (AttachedTo((OF_A_STRANGER, SIGNATURE, OF_A_STRANGER)), "ok"),
        (AttachedTo((in_bundle(PLAIN, SIGNED, hint=STRANGER.public.hint),)), "ok"),
        (AttachedTo(tagged=(TAGGED,)), "ok"),  # as signed in another repository
        (AttachedTo((OF_A_STRANGER,)), "error"),
        (AttachedTo((in_bundle(made_by("x"), SLSA_PROVENANCE),)), "error"),
        (AttachedTo(tagged=(TaggedPayload(TAGGED.payload, "AA=="),)), "error"),
        (AttachedTo(), "error"),
    ],
)
def test_only_a_signature_of_the_image_by_the_key_counts(attached: AttachedTo, state: str) -> None:
    """Provenance that the key has signed is a word about the image, and does not say that it may be run: cosign holds it so too."""
    found = vouched(attached, IMAGE, TRUST)
    assert signature_finding(found, "h.example/o/r", TRUST).state == state
    assert not found.faults


def test_the_provenance_that_is_signed_is_told_whatever_stands_before_it() -> None:
    forged = AttachedDocument(
        IN_TOTO, made_by("https://evil.example"), {PREDICATE_TYPE: SLSA_PROVENANCE}, OTHER
    )
    by_stranger = in_bundle(made_by("https://evil.example"), SLSA_PROVENANCE, STRANGER)
    own = in_bundle(made_by("https://ci.example/7"), SLSA_PROVENANCE)
    found = provenance_finding(vouched(AttachedTo((forged, by_stranger, own)), IMAGE, TRUST), TRUST)
    assert (found.state, "https://ci.example/7" in found.text) == ("ok", True)
    alone = provenance_finding(vouched(AttachedTo((forged, by_stranger)), IMAGE, TRUST), TRUST)
    assert alone.state == "warning"
    assert "not signed by" in alone.text


@pytest.mark.parametrize("name", ["sigstore", "key"])
def test_an_identity_vouches_for_what_its_certificate_signed(name: str, mocker: MockerFixture) -> None:
    """What the library verified is what is read: another payload, or a key in place of a certificate, is not its word."""
    mocker.patch.object(keyless, "can_verify", return_value=True)
    mocker.patch.object(keyless, "verifier", return_value=lambda _data: b"{}")
    trust = keyless.trust_in("me", "https://issuer.example")
    assert trust.check
    by_key = bundle(PLAIN)
    data = by_key if name == "key" else by_key.replace(f'"{KEY.public.hint}"'.encode(), b'""')
    with pytest.raises(OtherKeyError if name == "key" else ValueError, match=r"by a key|another payload"):
        trust.check(Bundle.of(data), data)
