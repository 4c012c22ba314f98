"""A docker-registry that speaks TLS, with a certificate that only an authority of this test vouches for."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.testbed.certificates import self_issued
from tests.testbed.registry import serve


@dataclass(frozen=True, slots=True)
class Certified:
    host: str
    authority: Path


def write_certificate(
    folder: Path, *names: str, addresses: Sequence[str] = (), subject: str = "fixture"
) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1, of these names and addresses, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        self_issued(key.public_key(), subject=subject)
        .add_extension(
            x509.SubjectAlternativeName(
                [
                    *(x509.IPAddress(ipaddress.ip_address(each)) for each in ("127.0.0.1", *addresses)),
                    *map(x509.DNSName, names),
                ]
            ),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, secret = folder / "certificate.pem", folder / "key.pem"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return pem, secret


@pytest.fixture(scope="session")
def one_authority(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file with one certificate authority: to read all of the system's takes longer than a small push."""
    # OpenSSL looks authorities up by their names: this one stands in no other's way
    return str(write_certificate(tmp_path_factory.mktemp("authority"), subject="nobody's")[0])


@pytest.fixture(scope="session")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Certified]:
    folder = tmp_path_factory.mktemp("tls-registry")
    certificate, key = write_certificate(folder)
    http = {"addr": "127.0.0.1:0", "secret": "x", "tls": {"certificate": str(certificate), "key": str(key)}}
    with serve(folder / "registry", http=http) as running:
        yield Certified(running.host, certificate)
