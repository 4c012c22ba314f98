"""The form of a signature that most clusters verify today: a layer of the image that the tag `sha256-HEX.sig` names.

https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md
"""

from __future__ import annotations

import copy
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from flakeship.attest.keys import SigningKey
from flakeship.image.document import encode
from flakeship.image.media_types import OCI
from flakeship.image.model import Descriptor, Digest

SIMPLE_SIGNING: Final = "application/vnd.dev.cosign.simplesigning.v1+json"
SIGNATURE: Final = "dev.cosignproject.cosign/signature"
_NEVER: Final = "0001-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaggedSignature:
    """A signature over `payload`, which names the digest of `subject`; `signature` is its Base64."""

    subject: Descriptor
    payload: bytes
    signature: str

    @property
    def layer(self) -> Descriptor:
        """The layer of the image that holds signatures."""
        plain = Descriptor.of(SIMPLE_SIGNING, self.payload)
        return Descriptor(plain.media_type, plain.digest, plain.size, annotations={SIGNATURE: self.signature})

    @property
    def tag(self) -> str:
        """The tag of that image."""
        return signature_tag(self.subject.digest)


@dataclass(frozen=True, slots=True)
class SignatureImage:
    """The image that holds the signatures of one digest."""

    manifest: bytes
    config: bytes
    config_descriptor: Descriptor


def signature_tag(digest: Digest) -> str:
    """The tag under which cosign keeps the signatures of a digest."""
    return f"{digest.replace(':', '-')}.sig"


def payload_for(digest: Digest, repository: str) -> bytes:
    """What is signed, as cosign has it: `repository` is the one that the image was in when it was signed."""
    host, _, path = repository.partition("/")
    name = f"index.docker.io/{path}" if host == "docker.io" else repository
    return encode(
        {
            "critical": {
                "identity": {"docker-reference": name},
                "image": {"docker-manifest-digest": digest},
                "type": "cosign container image signature",
            },
            "optional": None,
        }
    )


def tagged_signature(key: SigningKey, subject: Descriptor, repository: str) -> TaggedSignature:
    """Sign the payload that names this digest in this repository."""
    payload = payload_for(subject.digest, repository)
    return TaggedSignature(subject=subject, payload=payload, signature=b64encode(key.sign(payload)).decode())


def holds(manifest: Mapping[str, Any], signature: TaggedSignature) -> bool:
    """Tell whether the manifest lists this very signature."""
    wanted = signature.layer
    return any(
        entry.get("digest") == wanted.digest
        and isinstance(noted := entry.get("annotations"), dict)
        and noted.get(SIGNATURE) == signature.signature
        for entry in _layers(manifest)
    )


def with_signature(manifest: Mapping[str, Any], signature: TaggedSignature) -> SignatureImage:
    """The image with one signature more; those of others stay. `manifest` is that of the tag, {} if nothing has it."""
    layers = [*copy.deepcopy(_layers(manifest)), signature.layer.to_json()]
    config = encode(
        {
            "architecture": "",
            "config": {},
            "created": _NEVER,
            "history": [{"created": _NEVER} for _ in layers],
            "os": "",
            "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]},
        }
    )
    described = Descriptor.of(OCI.config, config)
    document: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": OCI.manifest,
        "config": described.to_json(),
        "layers": layers,
    }
    if isinstance(annotations := manifest.get("annotations"), dict):
        document["annotations"] = annotations
    return SignatureImage(encode(document), config, described)


def _layers(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    layers = manifest.get("layers")
    listed = layers if isinstance(layers, list) else []
    return [entry for entry in listed if isinstance(entry, dict) and isinstance(entry.get("digest"), str)]
