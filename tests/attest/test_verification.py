"""What a signature and a statement say of an image, compared with it: each kind of what is wrong, by its reason."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakeship.attest.artifact import CYCLONEDX, IN_TOTO, SPDX
from flakeship.attest.bundle import Bundle, bundle_by_key
from flakeship.attest.dsse import Envelope, signed_bytes
from flakeship.attest.keys import SigningKey
from flakeship.attest.legacy import payload_for
from flakeship.attest.statement import SIGNED, statement
from flakeship.attest.verification import (
    OtherKeyError,
    check_signed_by,
    check_tagged_signature,
    compare_paths,
    paths_in_sbom,
    read_statement,
    statement_in,
    unsigned_statement,
)
from flakeship.image.model import digest_of
from tests.commands.verify.scene import new_key

IMAGE, OTHER = digest_of(b"image"), digest_of(b"other")
KEY = new_key()


def signed(
    data: bytes = b"",
    *,
    key: SigningKey = KEY,
    over: bytes | None = None,
    hint: str = "",
    kind: str = IN_TOTO,
) -> Bundle:
    payload = data or statement([("", IMAGE)], SIGNED, {})
    signature = key.sign(signed_bytes(payload if over is None else over, kind))
    return Bundle.of(bundle_by_key(Envelope(payload, signature, kind), hint or key.public.hint))


def test_what_is_right_passes() -> None:
    bundle = signed()
    check_signed_by(bundle, KEY.public)
    found = statement_in(bundle, IMAGE, {"dev.sigstore.bundle.predicateType": SIGNED})
    assert (found.is_signature, found.subjects, found.predicate) == (True, (IMAGE,), {})
    both = statement([("a", OTHER), ("b", IMAGE)], SIGNED, {})
    assert statement_in(signed(both), IMAGE, {}).subjects == (OTHER, IMAGE)


@pytest.mark.parametrize(
    ("bundle", "reason"),
    [
        (signed(over=b"something else"), "names the key, and its signature is over other bytes"),
        (signed(key=new_key(), hint=KEY.public.hint), "names the key, and its signature is over other bytes"),
        (signed(key=new_key()), "is signed by another key"),
    ],
)
def test_who_has_not_signed(bundle: Bundle, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        check_signed_by(bundle, KEY.public)
    assert isinstance(caught.value, OtherKeyError) == ("another key" in reason)


def test_the_type_is_signed_too() -> None:
    """Else what was signed as one thing could be shown as another."""
    bundle = signed(kind="text/plain")
    check_signed_by(bundle, KEY.public)
    with pytest.raises(ValueError, match="holds no in-toto statement"):
        statement_in(bundle, IMAGE, {})


SAID: dict[str, Any] = json.loads(statement([("", IMAGE)], SIGNED, {}))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"_type": "https://in-toto.io/Statement/v9"}, "is no in-toto statement"),
        ({"subject": []}, "names no subject"),
        ({"subject": [{"digest": {"sha1": "ab"}}]}, "a subject without a SHA-256"),
        ({"subject": ["x"]}, "a subject without a SHA-256"),
        ({"subject": [{"digest": {"sha256": "../x"}}]}, "is not a digest"),
        ({"subject": [{"digest": {"sha256": OTHER[7:]}}]}, f"is about {OTHER}, and not about this image"),
        ({"predicate": []}, "has no predicate"),
        ({"predicateType": 5}, "has no predicate"),
        ({"predicateType": "https://x.example"}, "is announced as"),
    ],
)
def test_what_is_no_statement_of_the_image(change: dict[str, Any], reason: str) -> None:
    data = json.dumps({**SAID, **change}).encode()
    with pytest.raises(ValueError, match=reason):
        statement_in(signed(data), IMAGE, {"dev.sigstore.bundle.predicateType": SIGNED})
    with pytest.raises(ValueError, match=reason):
        unsigned_statement(data, IMAGE, {"in-toto.io/predicate-type": SIGNED})


@given(
    st.binary(max_size=200)
    | st.recursive(
        st.none() | st.text() | st.integers(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    ).map(lambda x: json.dumps(x).encode())
)
def test_whatever_it_is_the_reason_is_a_value_error(data: bytes) -> None:
    for read in (
        read_statement,
        Bundle.of,
        lambda each: check_tagged_signature(each, "AA==", IMAGE, KEY.public),
    ):
        with pytest.raises(ValueError):
            read(data)


def test_old_signatures() -> None:
    payload = payload_for(IMAGE, "h.example/o/r")
    signature = b64encode(KEY.sign(payload)).decode()
    check_tagged_signature(payload, signature, IMAGE, KEY.public)
    check_tagged_signature(payload, signature, IMAGE, None)
    with pytest.raises(OtherKeyError):
        check_tagged_signature(payload, signature, IMAGE, new_key().public)
    with pytest.raises(ValueError, match=f"is about {IMAGE}, and not about this image"):
        check_tagged_signature(payload, signature, OTHER, KEY.public)
    with pytest.raises(ValueError, match="not of cosign's form"):
        check_tagged_signature(payload.replace(b"cosign", b"other"), signature, IMAGE, None)


PATH = "/nix/store/" + "a" * 32 + "-x-1.0"
DEPENDENCY = "/nix/store/" + "b" * 32 + "-source"


def test_which_paths_an_sbom_states() -> None:
    """The outputs, and none of the derivations and sources that it names too."""
    properties = [
        {"name": "nix:output", "value": f"{PATH} out sha256-x 7"},
        {"name": "nix:derivation", "value": DEPENDENCY},
    ]
    assert paths_in_sbom({"components": [{"properties": properties}]}, CYCLONEDX) == {PATH}
    package = {
        "comment": f"{PATH} (NAR sha256-x, 7 bytes); CPE known",
        "sourceInfo": f"built by {DEPENDENCY}",
    }
    assert paths_in_sbom({"packages": [package]}, SPDX) == {PATH}
    assert paths_in_sbom({"components": "x", "packages": ["y"]}, CYCLONEDX) == frozenset()


@given(st.sets(st.integers(0, 20)), st.sets(st.integers(0, 20)))
def test_paths_are_compared_both_ways(stated: set[int], found: set[int]) -> None:
    said, there = ({f"/nix/store/{number:032}-x" for number in each} for each in (stated, found))
    if said == there:
        compare_paths(said, there)
        return
    with pytest.raises(ValueError) as caught:
        compare_paths(said, there)
    assert ("which the layers hold" in str(caught.value)) == bool(there - said)
    assert ("which no layer holds" in str(caught.value)) == bool(said - there)
