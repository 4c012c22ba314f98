"""Keys as Nix writes them, `NAME:BASE64`, and the signatures of store paths by them.

https://nix.dev/manual/nix/latest/command-ref/new-cli/nix3-key-generate-secret
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from flakeship.caches.nar_entry import PathInfo
from flakeship.errors import UsageError

_NAME: Final = re.compile(r"[^\s:]{1,200}")
_SEED: Final = 32
_POINT: Final = 32
"""Bytes of the two halves of a secret key: https://www.rfc-editor.org/rfc/rfc8032#section-5.1.5."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """`name` is what stands before the colon of signatures by it; `point` has 32 bytes."""

    name: str
    point: bytes

    @classmethod
    def parse(cls, text: str) -> PublicKey:
        """Read `NAME:BASE64`. UsageError for anything else."""
        name, data = _split(text)
        if len(data) != _POINT:
            raise UsageError(
                f"{text[:100]!r} is not a public key of a cache",
                hint="write NAME:BASE64 as `nix key convert-secret-to-public` prints it",
            )
        return cls(name, data)

    def has_signed(self, info: PathInfo) -> bool:
        """Tell whether one of the signatures of a path is by this key, and is valid."""
        for signature in info.sigs:
            name, colon, text = signature.partition(":")
            if not colon or name != self.name:
                continue
            try:
                data = base64.b64decode(text, validate=True)
            except binascii.Error:
                continue
            try:
                Ed25519PublicKey.from_public_bytes(self.point).verify(data, info.fingerprint.encode())
            except InvalidSignature:
                continue
            return True
        return False

    def __str__(self) -> str:
        return f"{self.name}:{base64.b64encode(self.point).decode()}"


@dataclass(frozen=True, slots=True)
class SecretKey:
    """`seed` is a secret."""

    name: str
    seed: bytes = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> SecretKey:
        """Read `NAME:BASE64`, which holds the secret key and the public one behind it. UsageError without the text for anything else."""
        try:
            name, data = _split(text.strip())
        except UsageError:
            name, data = "", b""
        if len(data) != _SEED + _POINT or _public_of(data[:_SEED]) != data[_SEED:]:
            public = " but a public one" if len(data) == _POINT else ""
            raise UsageError(
                f"nix-cache-key: the value is not a secret key{public}",
                hint="give what `nix key generate-secret --key-name NAME` prints",
            )
        return cls(name, data[:_SEED])

    @property
    def public(self) -> PublicKey:
        """Return the key that its signatures are checked by."""
        return PublicKey(self.name, _public_of(self.seed))

    def signature(self, info: PathInfo) -> str:
        """Return the signature of a path, `NAME:BASE64`."""
        data = Ed25519PrivateKey.from_private_bytes(self.seed).sign(info.fingerprint.encode())
        return f"{self.name}:{base64.b64encode(data).decode()}"


def _public_of(seed: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def _split(text: str) -> tuple[str, bytes]:
    name, colon, digits = text.partition(":")
    try:
        data = base64.b64decode(digits, validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if not colon or not _NAME.fullmatch(name) or not data:
        raise UsageError(f"{text[:100]!r} is not a key of a cache", hint="write NAME:BASE64")
    return name, data
