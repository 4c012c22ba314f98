"""Signatures without a key of one's own: by the identity of a job of CI, which Sigstore certifies and logs in public.

It is all done by the library `sigstore`, an extra that is not installed unless it is asked for (`flakeship[keyless]`). No test runs it: it needs the
public servers, and the identity of a job.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any


class KeylessError(Exception):
    """Sigstore, or the identity that it asks for, failed."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a certificate is of: what `cosign verify` is told with --certificate-identity and --certificate-oidc-issuer."""

    name: str
    issuer: str


@dataclass(frozen=True, slots=True)
class KeylessBundle:
    """A bundle, and whose certificate is in it."""

    data: bytes
    identity: Identity


def is_installed() -> bool:
    """Tell whether the library is there."""
    return find_spec("sigstore") is not None


def sign_keyless(statement: bytes) -> KeylessBundle:
    """Sign a statement as this job. KeylessError with what the library says."""
    import sigstore.errors
    from cryptography.x509 import SubjectAlternativeName, UniformResourceIdentifier
    from sigstore.dsse import Statement
    from sigstore.models import ClientTrustConfig
    from sigstore.oidc import IdentityError, IdentityToken, detect_credential
    from sigstore.sign import SigningContext

    try:
        token = detect_credential()
        if token is None:
            raise KeylessError("this job has no identity to show")
        identity = IdentityToken(token)
        context: Any = SigningContext.from_trust_config(ClientTrustConfig.production())
        with context.signer(identity) as signer:
            bundle = signer.sign_dsse(Statement(statement))
    except (sigstore.errors.Error, IdentityError, OSError, ValueError) as error:
        raise KeylessError(str(error)) from error
    names = bundle.signing_certificate.extensions.get_extension_for_class(SubjectAlternativeName).value
    name = next(iter(names.get_values_for_type(UniformResourceIdentifier)), "")
    return KeylessBundle(bundle.to_json().encode(), Identity(name, identity.federated_issuer))
