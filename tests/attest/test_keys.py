"""Keys of every kind that users give: those that sign do so deterministically, and each other is refused by one line that says what it is."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode, encodebytes
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from nacl.secret import SecretBox

from flakeship.attest.keys import KeyFormError, PasswordError, SigningKey, VerifyingKey

P256 = ec.derive_private_key(123456789, ec.SECP256R1())
PASSWORD = "correct horse"


def pem(key: Any, form: PrivateFormat = PrivateFormat.PKCS8, password: str = "") -> str:
    locked = BestAvailableEncryption(password.encode()) if password else NoEncryption()
    return str(key.private_bytes(Encoding.PEM, form, locked).decode())


def cosign_key(key: Any = P256, password: str = PASSWORD, **changes: Any) -> str:
    """As cosign writes it, but for a derivation that takes no time."""
    salt, nonce = b"s" * 32, b"n" * 24
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    secret = hashlib.scrypt(password.encode(), salt=salt, n=2, r=8, p=1, dklen=32)
    document = {
        "kdf": {"name": "scrypt", "params": {"N": 2, "r": 8, "p": 1}, "salt": b64encode(salt).decode()},
        "cipher": {"name": "nacl/secretbox", "nonce": b64encode(nonce).decode()},
        "ciphertext": b64encode(SecretBox(secret).encrypt(der, nonce).ciphertext).decode(),
        **changes,
    }
    body = b64encode(json.dumps(document).encode()).decode()
    label = "ENCRYPTED SIGSTORE PRIVATE KEY"
    return f"-----BEGIN {label}-----\n{body}\n-----END {label}-----\n"


GOOD: dict[str, Callable[[], tuple[str, str]]] = {
    "PKCS#8": lambda: (pem(P256), ""),
    "SEC 1": lambda: (pem(P256, PrivateFormat.TraditionalOpenSSL), ""),
    "with a password that it needs not": lambda: (pem(P256), "needless"),
    "PKCS#8 encrypted": lambda: (pem(P256, password=PASSWORD), PASSWORD),
    "SEC 1 encrypted": lambda: (pem(P256, PrivateFormat.TraditionalOpenSSL, PASSWORD), PASSWORD),
    "cosign.key": lambda: (cosign_key(), PASSWORD),
    "cosign.key of an empty password": lambda: (cosign_key(password=""), ""),
    "cosign.key of old": lambda: (cosign_key().replace("SIGSTORE", "COSIGN"), PASSWORD),
    "on one line, as a form makes of it": lambda: (pem(P256).replace("\n", ""), ""),
    "with the parameters that openssl writes": lambda: (
        f"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n{pem(P256, PrivateFormat.TraditionalOpenSSL)}",
        "",
    ),
    "in Base64, as GitLab masks it": lambda: (b64encode(pem(P256).encode()).decode(), ""),
    "cosign.key in Base64, of several lines": lambda: (
        encodebytes(cosign_key().encode()).decode(),
        PASSWORD,
    ),
    "with its line ends spelled out": lambda: (pem(P256).replace("\n", "\\n"), ""),
    "with a mark of the order of bytes": lambda: ("\ufeff" + pem(P256), ""),
    "pasted with blanks": lambda: ("\n  " + pem(P256).replace("\n", "\r\n  "), ""),
}


@pytest.mark.parametrize("kind", GOOD)
def test_signs_the_same_bytes_alike(kind: str) -> None:
    text, password = GOOD[kind]()
    key = SigningKey.parse(text, password)
    signature = key.sign(b"data")
    assert signature == SigningKey.parse(pem(P256)).sign(b"data")
    public = VerifyingKey.parse(key.public.pem)
    assert public.verifies(signature, b"data")
    assert not public.verifies(signature, b"Data")
    assert not public.verifies(signature[:-1], b"data")
    assert not public.verifies(b"", b"data")


BAD: dict[str, tuple[Callable[[], str], str]] = {
    "the name of a file": (lambda: "cosign.key", "it is not a private key in PEM"),
    "a public key": (lambda: SigningKey.parse(pem(P256)).public.pem, "a public key"),
    "RSA": (lambda: pem(rsa.generate_private_key(65537, 2048)), "RSA"),
    "Ed25519": (lambda: pem(ed25519.Ed25519PrivateKey.generate()), "Ed25519"),
    "P-384": (lambda: pem(ec.generate_private_key(ec.SECP384R1())), "secp384r1"),
    "of OpenSSH": (lambda: pem(P256, PrivateFormat.OpenSSH), "a key of OpenSSH"),
    "a certificate": (lambda: "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----", "another kind"),
    "Base64 of something else": (lambda: b64encode(b"\xff" * 40).decode(), "not a private key in PEM"),
    "cut": (lambda: pem(P256)[:90], "damaged"),
    "too long": (lambda: pem(P256) * 1000, "too long"),
    "cosign.key, cut": (lambda: cosign_key()[:200], "damaged cosign.key"),
    "cosign.key of RSA": (lambda: cosign_key(rsa.generate_private_key(65537, 2048)), "RSA"),
    "cosign.key by argon": (
        lambda: cosign_key(kdf={"name": "argon2", "params": {"N": 2, "r": 8, "p": 1}, "salt": ""}),
        "another way",
    ),
    "cosign.key that would take all memory": (
        lambda: cosign_key(kdf={"name": "scrypt", "params": {"N": 1 << 40, "r": 8, "p": 1}, "salt": "AA=="}),
        "damaged cosign.key",
    ),
    "cosign.key with a nonce of one byte": (
        lambda: cosign_key(cipher={"name": "nacl/secretbox", "nonce": "AA=="}),
        "damaged cosign.key",
    ),
    "cosign.key that holds a list": (
        lambda: (
            "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nW10=\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----"
        ),
        "damaged cosign.key",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_says_what_it_is_that_does_not_sign(kind: str) -> None:
    make, says = BAD[kind]
    text = make()
    with pytest.raises(KeyFormError, match=says) as caught:
        SigningKey.parse(text, PASSWORD)
    assert text not in str(caught.value) or len(text) < 20


@pytest.mark.parametrize("kind", ["cosign.key", "PKCS#8 encrypted", "SEC 1 encrypted"])
@pytest.mark.parametrize("password", ["", "wrong", "wröng"])
def test_says_that_the_password_does_not_open_it(kind: str, password: str) -> None:
    text, _ = GOOD[kind]()
    with pytest.raises(PasswordError) as caught:
        SigningKey.parse(text, password)
    assert caught.value.given == bool(password)


@pytest.mark.parametrize("kind", ["nothing", "a word", "private", "damaged"])
def test_a_key_that_verifies_is_a_public_one(kind: str) -> None:
    damaged = "-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----\n"
    texts = {"nothing": "", "a word": "no", "private": pem(P256), "damaged": damaged}
    with pytest.raises(KeyFormError):
        VerifyingKey.parse(texts[kind])


def test_only_p256_verifies() -> None:
    other = ec.generate_private_key(ec.SECP384R1()).public_key()
    text = other.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    with pytest.raises(KeyFormError, match="another kind"):
        VerifyingKey.parse(text)
