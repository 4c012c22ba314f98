"""Envelopes: a payload, its type, and signatures over both.

https://github.com/secure-systems-lab/dsse/blob/master/protocol.md
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from flakeship.attest.artifact import IN_TOTO

_FIELDS: Final = frozenset({"payload", "payloadType", "signatures"})
_SIGNATURE_FIELDS: Final = frozenset({"sig", "keyid"})


def signed_bytes(payload: bytes, payload_type: str = IN_TOTO) -> bytes:
    """The bytes that are signed, which the protocol calls PAE."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


@dataclass(frozen=True, slots=True)
class Envelope:
    """`signature` is in the form of its algorithm: of ECDSA, DER. A bundle has one, and another beside it would be believed by nobody."""

    payload: bytes
    signature: bytes
    payload_type: str = IN_TOTO

    @property
    def signed(self) -> bytes:
        """The bytes that the signature is of."""
        return signed_bytes(self.payload, self.payload_type)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object of the envelope."""
        return {
            "payload": b64encode(self.payload).decode(),
            "payloadType": self.payload_type,
            "signatures": [{"sig": b64encode(self.signature).decode()}],
        }

    @classmethod
    def of(cls, document: Any) -> Self:
        """Read the JSON object of an envelope. ValueError if it is not an envelope, or has not one signature."""
        if not isinstance(document, dict):
            raise ValueError("it holds no DSSE envelope")  # noqa: TRY004  bad data, not a bug
        signatures = document.get("signatures")
        payload_type = document.get("payloadType")
        if not (isinstance(signatures, list) and isinstance(payload_type, str)):
            raise ValueError("its DSSE envelope has no signatures, or no type")  # noqa: TRY004  bad data, not a bug
        check_fields(document, _FIELDS, "DSSE envelope")
        if len(signatures) > 1:
            raise ValueError("its DSSE envelope has more than one signature")
        entry = signatures[0] if signatures else None
        if not (isinstance(entry, dict) and entry.get("sig")):
            raise ValueError("its DSSE envelope is not signed")
        check_fields(entry, _SIGNATURE_FIELDS, "signature")
        if not isinstance(entry.get("keyid", ""), str):
            raise ValueError("its signature names a key by what is no text")  # noqa: TRY004  bad data, not a bug
        return cls(decoded(document.get("payload")), decoded(entry["sig"]), payload_type)


def check_fields(document: Mapping[str, Any], known: Collection[str], what: str) -> None:
    """Refuse what the format does not have: a verifier that reads it as protobuf, as cosign does, refuses it too."""
    if more := sorted(document.keys() - set(known)):
        raise ValueError(f"its {what} has a field that is not known: {more[0][:80]!r}")


def decoded(text: Any) -> bytes:
    """Base64 in either alphabet, as the protocol has it. ValueError for anything else."""
    if not isinstance(text, str):
        raise ValueError("a text in Base64 is missing")  # noqa: TRY004  bad data, not a bug
    return b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
