"""Envelopes: a payload, its type, and signatures over both.

https://github.com/secure-systems-lab/dsse/blob/master/protocol.md
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import Any, Final, Self

from flakeship.attest.artifact import IN_TOTO

_MOST_SIGNATURES: Final = 100


def signed_bytes(payload: bytes, payload_type: str = IN_TOTO) -> bytes:
    """The bytes that are signed, which the protocol calls PAE."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


@dataclass(frozen=True, slots=True)
class Envelope:
    """`signatures` are in the form of their algorithm: of ECDSA, DER."""

    payload: bytes
    signatures: tuple[bytes, ...]
    payload_type: str = IN_TOTO

    @property
    def signed(self) -> bytes:
        """The bytes that each signature is of."""
        return signed_bytes(self.payload, self.payload_type)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object of the envelope."""
        return {
            "payload": b64encode(self.payload).decode(),
            "payloadType": self.payload_type,
            "signatures": [{"sig": b64encode(signature).decode()} for signature in self.signatures],
        }

    @classmethod
    def of(cls, document: Any) -> Self:
        """Read the JSON object of an envelope. ValueError if it is not an envelope, or has no signature."""
        if not isinstance(document, dict):
            raise ValueError("it holds no DSSE envelope")  # noqa: TRY004  bad data, not a bug
        signatures = document.get("signatures")
        payload_type = document.get("payloadType")
        if not (isinstance(signatures, list) and isinstance(payload_type, str)):
            raise ValueError("its DSSE envelope has no signatures, or no type")  # noqa: TRY004  bad data, not a bug
        found = tuple(
            decoded(entry.get("sig"))
            for entry in signatures[:_MOST_SIGNATURES]
            if isinstance(entry, dict) and entry.get("sig")
        )
        if not found:
            raise ValueError("its DSSE envelope is not signed")
        return cls(decoded(document.get("payload")), found, payload_type)


def decoded(text: Any) -> bytes:
    """Base64 in either alphabet, as the protocol has it. ValueError for anything else."""
    if not isinstance(text, str):
        raise ValueError("a text in Base64 is missing")  # noqa: TRY004  bad data, not a bug
    return b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
