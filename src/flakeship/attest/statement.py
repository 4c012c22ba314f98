"""in-toto statements: a predicate about the images with these digests.

https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from flakeship.image.document import encode
from flakeship.image.model import Digest

STATEMENT: Final = "https://in-toto.io/Statement/v1"
SIGNED: Final = "https://sigstore.dev/cosign/sign/v1"
"""The predicate of a plain signature, which is empty: cosign 3 writes and expects it."""
CYCLONEDX_BOM: Final = "https://cyclonedx.org/bom"
SPDX_DOCUMENT: Final = "https://spdx.dev/Document"
SLSA_PROVENANCE: Final = "https://slsa.dev/provenance/v1"


def statement(
    subjects: Sequence[tuple[str, Digest]], predicate_type: str, predicate: Mapping[str, Any]
) -> bytes:
    """Return the statement about these subjects, each a name (which may be empty) and a digest, in its one spelling."""
    return encode(
        {
            "_type": STATEMENT,
            "subject": [
                {**({"name": name} if name else {}), "digest": dict([digest.split(":", 1)])}
                for name, digest in subjects
            ],
            "predicateType": predicate_type,
            "predicate": dict(predicate),
        }
    )
