"""Keys that sign: EC P-256 in PEM, and cosign's own `cosign.key`. The same bytes always get the same signature (RFC 6979)."""

from __future__ import annotations

import contextlib
import hashlib
import re
from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from flakeship.attest.dsse import decoded
from flakeship.image.document import decode_object

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey

_BEGIN: Final = "-----BEGIN "
_COSIGN: Final = ("ENCRYPTED SIGSTORE PRIVATE KEY", "ENCRYPTED COSIGN PRIVATE KEY")
_READABLE: Final = ("PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY")
_MOST_MEMORY: Final = 512 << 20
"""Bytes that the derivation of a key may take: cosign's takes 64 MiB."""
_NONCE: Final = 24
_PARAMETERS: Final = re.compile(r"-----BEGIN EC PARAMETERS-----.*?-----END EC PARAMETERS-----", re.DOTALL)
"""What `openssl ecparam -genkey` writes before a key."""
_LONGEST: Final = 64 << 10
"""Characters of a key."""


class KeyFormError(ValueError):
    """The key is damaged, or of a type that can't sign here. Its text says how, and holds nothing of the key."""


class PasswordError(ValueError):
    """The password does not open the key; `given` tells whether there was one."""

    def __init__(self, *, given: bool) -> None:
        super().__init__(
            "the password does not open it" if given else "it is encrypted, and there is no password"
        )
        self.given = given


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """A public key."""

    key: EllipticCurvePublicKey

    @classmethod
    def parse(cls, text: str) -> VerifyingKey:
        """Read a public key in PEM. KeyFormError for any other."""
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.serialization import load_pem_public_key

        label = _label(text)
        if label != "PUBLIC KEY":
            what = f"it is {_called(label)}, and not" if label else "it is not"
            raise KeyFormError(f"{what} a public key in PEM")
        try:
            key = load_pem_public_key(_trimmed(text).encode())
        except (ValueError, UnsupportedAlgorithm) as error:
            raise KeyFormError("it is damaged") from error
        return cls(_on_p256(key))

    @property
    def pem(self) -> str:
        """The key in PEM, as `cosign.pub` has it."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        return self.key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    @property
    def hint(self) -> str:
        """What a bundle calls the key: Base64 of the SHA-256 of its DER."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        der = self.key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return b64encode(hashlib.sha256(der).digest()).decode()

    def verifies(self, signature: bytes, data: bytes) -> bool:
        """Tell whether the signature (DER) is this key's over these bytes."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
        from cryptography.hazmat.primitives.hashes import SHA256

        try:
            self.key.verify(signature, data, ECDSA(SHA256()))
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key."""

    key: EllipticCurvePrivateKey

    @classmethod
    def parse(cls, text: str, password: str = "") -> SigningKey:
        """Read a private key. KeyFormError for one of another kind, PasswordError where the password does not open it."""
        if len(text) > _LONGEST:
            raise KeyFormError("it is too long for a key")
        text = _PARAMETERS.sub("", _unwrapped(text))
        label = _label(text)
        if label in _COSIGN:
            return cls(_loaded_der(_opened(_body(_trimmed(text)), password)))
        if label not in _READABLE:
            what = f"it is {_called(label)}, and not" if label else "it is not"
            raise KeyFormError(f"{what} a private key in PEM")
        return cls(
            _loaded_pem(_trimmed(text), password, encrypted=label == _READABLE[-1] or "ENCRYPTED" in text)
        )

    @property
    def public(self) -> VerifyingKey:
        """The key that verifies."""
        return VerifyingKey(self.key.public_key())

    def sign(self, data: bytes) -> bytes:
        """Return the signature in DER, which is the same for the same bytes."""
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
        from cryptography.hazmat.primitives.hashes import SHA256

        return self.key.sign(data, ECDSA(SHA256(), deterministic_signing=True))


def _loaded_pem(text: str, password: str, *, encrypted: bool) -> EllipticCurvePrivateKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    if encrypted and not password:
        raise PasswordError(given=False)
    try:
        # a password of a key that has none is no reason to refuse it
        key = load_pem_private_key(text.encode(), password.encode() if encrypted else None)
    except (ValueError, UnsupportedAlgorithm, TypeError) as error:
        if encrypted and "password" in str(error).lower():
            raise PasswordError(given=True) from error
        raise KeyFormError("it is damaged, or of a kind that can't be read") from error
    return _signs(key)


def _loaded_der(data: bytes) -> EllipticCurvePrivateKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_der_private_key

    try:
        key = load_der_private_key(data, None)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyFormError("what is in it is no private key") from error
    return _signs(key)


def _signs(key: Any) -> EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey

    if not isinstance(key, EllipticCurvePrivateKey):
        raise KeyFormError(f"it is a key of another kind ({_kind(key)}), and not EC P-256")
    if not isinstance(key.curve, SECP256R1):
        raise KeyFormError(f"it is a key on the curve {key.curve.name}, and not on P-256")
    return key


def _on_p256(key: Any) -> EllipticCurvePublicKey:
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey

    if not (isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1)):
        raise KeyFormError(f"it is a key of another kind ({_kind(key)}), and not EC P-256")
    return key


def _kind(key: Any) -> str:
    name = type(key).__name__.lstrip("_")
    for end in ("PrivateKey", "PublicKey"):
        name = name.removesuffix(end)
    return {"EllipticCurve": "EC"}.get(name, name)


def _opened(document: dict[str, Any], password: str) -> bytes:
    """Open what cosign encrypts: scrypt, then NaCl's secretbox.

    https://github.com/secure-systems-lab/go-securesystemslib/blob/main/encrypted/encrypted.go
    """
    try:
        kdf, cipher = document["kdf"], document["cipher"]
        parameters = kdf["params"]
        n, r, p = (int(parameters[name]) for name in ("N", "r", "p"))
        salt, nonce = decoded(kdf["salt"]), decoded(cipher["nonce"])
        sealed = decoded(document["ciphertext"])
        if len(nonce) != _NONCE:
            raise ValueError("the nonce of a secretbox has another length")
        known = kdf["name"] == "scrypt" and cipher["name"] == "nacl/secretbox"
    except (KeyError, TypeError, ValueError) as error:
        raise KeyFormError("it is a damaged cosign.key") from error
    if not known:
        raise KeyFormError("it is a cosign.key that is encrypted in another way than by scrypt and secretbox")
    from nacl.exceptions import CryptoError
    from nacl.secret import SecretBox

    try:
        secret = hashlib.scrypt(
            password.encode(), salt=salt, n=n, r=r, p=p, maxmem=_MOST_MEMORY, dklen=SecretBox.KEY_SIZE
        )
        return bytes(SecretBox(secret).decrypt(sealed, nonce))
    except CryptoError as error:
        raise PasswordError(given=bool(password)) from error
    except (ValueError, TypeError, OverflowError, MemoryError) as error:
        raise KeyFormError("it is a damaged cosign.key") from error


def _unwrapped(text: str) -> str:
    """The key itself of one in Base64: GitLab masks only variables of one line. Others write its lines with `\\n` between them, or a mark of the order of bytes before."""
    text = text.removeprefix("\ufeff")
    if _BEGIN in text:
        return text if "\n" in text.strip() else text.replace("\\n", "\n")
    with contextlib.suppress(ValueError):
        return decoded("".join(text.split())).decode()
    return text


def _trimmed(text: str) -> str:
    """The lines of PEM without what stands around them: a secret is often pasted with blanks."""
    return "\n".join(line.strip() for line in text.strip().splitlines()) + "\n"


def _label(text: str) -> str:
    """Return the label in the first line of PEM (`EC PRIVATE KEY`); empty if the text is not PEM."""
    start = text.find(_BEGIN)
    if start < 0 or text[:start].strip():
        return ""
    label, dashes, _ = text[start + len(_BEGIN) :].partition("-----")
    return label if dashes and len(label) < 60 and "\n" not in label else ""


def _called(label: str) -> str:
    return {"PUBLIC KEY": "a public key", "OPENSSH PRIVATE KEY": "a key of OpenSSH"}.get(
        label, f"PEM of another kind ({label!r})"
    )


def _body(text: str) -> dict[str, Any]:
    lines = text.splitlines()
    try:
        return decode_object(decoded("".join(line for line in lines if not line.startswith("-----"))))
    except ValueError as error:
        raise KeyFormError("it is a damaged cosign.key") from error
