"""Bundles that an identity signed and Sigstore certified, verified by the library `sigstore`, which does all of it.

No test reaches Sigstore's public servers, which say whom to trust: tests put a stand-in in their place.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec


class IdentityRefusedError(ValueError):
    """The certificate is of somebody else, or the signature or its entry in the log does not hold."""


def can_verify() -> bool:
    """Tell whether the library is there."""
    return find_spec("sigstore") is not None


def verifier(identity: str, issuer: str) -> Callable[[bytes], bytes]:
    """Return a function that takes a bundle and returns the payload that this identity signed. OSError where Sigstore can't be reached.

    The function raises IdentityRefusedError with what the library says.
    """
    import sigstore.errors
    from sigstore.models import Bundle
    from sigstore.verify import Verifier
    from sigstore.verify.policy import Identity

    try:
        trusted = Verifier.production()
    except sigstore.errors.Error as error:
        raise OSError(str(error)) from error
    wanted = Identity(identity=identity, issuer=issuer)

    def verify(data: bytes) -> bytes:
        try:
            _, payload = trusted.verify_dsse(Bundle.from_json(data), wanted)
        except Exception as error:  # whoever may write to the repository wrote the bundle, and the library says of no class that it is all
            raise IdentityRefusedError(" ".join(str(error).split())[:300]) from error
        return bytes(payload)

    return verify
