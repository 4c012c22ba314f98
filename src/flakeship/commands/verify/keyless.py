"""Trust in an identity, as cosign calls it: whoever Sigstore has certified to be this job of CI, or this person."""

from __future__ import annotations

from flakeship.attest.bundle import Bundle
from flakeship.attest.keyless_verification import IdentityRefusedError, can_verify, verifier
from flakeship.attest.verification import OtherKeyError
from flakeship.commands.verify.vouching import Trust
from flakeship.errors import UnreachableError, UsageError


def trust_in(identity: str, issuer: str) -> Trust:
    """UsageError where the library that verifies it is not installed, UnreachableError where Sigstore does not answer."""
    if not can_verify():
        raise UsageError(
            "`certificate-identity` is verified by the library sigstore, which is not installed",
            hint="install `flakeship[keyless]`, or verify the signature with `cosign verify`, and the rest here without an identity",
        )
    try:
        check = verifier(identity, issuer)
    except OSError as error:
        raise UnreachableError(
            f"Sigstore can't be asked whom it trusts: {error}",
            hint="check the network: tuf-repo-cdn.sigstore.dev must be reached",
        ) from error

    def by_identity(bundle: Bundle, data: bytes) -> None:
        if bundle.hint:
            raise OtherKeyError("is signed by a key, and by no certificate")
        try:
            payload = check(data)
        except IdentityRefusedError as error:
            raise OtherKeyError(str(error)) from error
        if payload != bundle.envelope.payload:
            raise ValueError("holds another payload than the one that was verified")

    return Trust(name=f"{identity} (certified by {issuer})", check=by_identity)
