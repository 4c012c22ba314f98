"""Signatures without a key of one's own: by the identity of a job of CI, which Sigstore certifies and logs in public.

It is all done by the library `sigstore`, which is an extra (`flakeship[keyless]`) and in the image of the action. No test reaches the public servers,
which certify nobody but jobs of CI: tests run all of this against a stand-in that speaks their protocols.
"""

from __future__ import annotations

import threading
import time
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeVar

from flakeship.image.document import decode_object, encode

T = TypeVar("T")

_SECONDS: Final = 180.0
"""For one signature: the library itself waits for Fulcio and Rekor for ever."""
_RENEWED: Final = 300.0
"""Seconds after which another certificate is asked for; one lasts ten minutes."""
_LIMIT: Final = 256 << 20


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


@dataclass(slots=True)
class KeylessSession:
    """Signs as the job that runs, by one certificate as long as that lasts. `token` is the identity of the job where CI hands it over (GitLab); GitHub is
    asked for one. `announce` is told each token before it is used.
    """

    token: str = field(default="", repr=False)
    announce: Callable[[str], object] = lambda token: None
    seconds: float = _SECONDS
    _signer: tuple[Any, str] | None = None
    _since: float = 0.0
    _shown: str = field(default="", repr=False)

    def identity(self) -> Identity:
        """Return whom Sigstore would certify, by what the token says. KeylessError where there is no token, or it says nothing."""
        return _within(self.seconds, lambda: _identity_in(self._token()))

    def sign(self, statement: bytes) -> KeylessBundle:
        """Sign an in-toto statement. KeylessError with what the library says."""
        return _within(self.seconds, lambda: self._sign(statement))

    def _sign(self, statement: bytes) -> KeylessBundle:
        from cryptography.x509 import SubjectAlternativeName, UniformResourceIdentifier
        from sigstore.dsse import Statement

        token = self._token()
        if self._signer is None:
            self._signer = _signer_of(token)
        signer, issuer = self._signer
        bundle = signer.sign_dsse(Statement(_with_names(statement)))
        names = bundle.signing_certificate.extensions.get_extension_for_class(SubjectAlternativeName).value
        name = next(iter(names.get_values_for_type(UniformResourceIdentifier)), "")
        return KeylessBundle(bundle.to_json().encode(), Identity(name, issuer))

    def _token(self) -> str:
        """The token of the job: another where the last one, and the certificate for it, may soon be too old."""
        from sigstore.oidc import detect_credential

        if not self._shown or time.monotonic() - self._since > _RENEWED:
            token = self.token or detect_credential()
            if not token:
                raise KeylessError("this job has no identity to show")
            self.announce(token)
            self._shown, self._since, self._signer = token, time.monotonic(), None
        return self._shown


def _signer_of(token: str) -> tuple[Any, str]:
    from sigstore.models import ClientTrustConfig
    from sigstore.oidc import IdentityToken
    from sigstore.sign import Signer, SigningContext

    identity = IdentityToken(token)
    context = SigningContext.from_trust_config(ClientTrustConfig.production())
    return Signer(identity, context), identity.federated_issuer


def _identity_in(token: str) -> Identity:
    """What Fulcio makes of the claims: https://github.com/sigstore/fulcio/blob/main/docs/oidc.md."""
    try:
        body = token.split(".")[1]
        claims = decode_object(b64decode(body + "=" * (-len(body) % 4), altchars=b"-_"))
        issuer = claims["iss"]
        workflow, config = claims.get("job_workflow_ref"), claims.get("ci_config_ref_uri")
        name = (
            f"https://github.com/{workflow}" if workflow else f"https://{config}" if config else claims["sub"]
        )
    except (ValueError, IndexError, KeyError) as error:
        raise KeylessError("the token of this job does not say whose it is") from error
    return Identity(str(name), str(issuer))


def _with_names(statement: bytes) -> bytes:
    """The statement with a name for each subject: in-toto needs none, and the library refuses a statement without.

    https://github.com/sigstore/sigstore-python/blob/main/sigstore/dsse/__init__.py
    """
    document = decode_object(statement, limit=_LIMIT)
    named = [{"name": "", **subject} for subject in document["subject"]]
    return encode({**document, "subject": named})


def _within(seconds: float, action: Callable[[], T]) -> T:
    """Do it in a thread that is left behind where it takes too long. KeylessError for that, and for all that it raises."""
    ended: SimpleQueue[tuple[T | None, Exception | None]] = SimpleQueue()

    def run() -> None:
        try:
            ended.put((action(), None))
        except Exception as error:  # noqa: BLE001  what its clients of Fulcio and Rekor raise has no class in common
            ended.put((None, error))

    threading.Thread(target=run, name="keyless", daemon=True).start()
    try:
        made, error = ended.get(timeout=seconds)
    except Empty:
        raise KeylessError(f"Sigstore did not answer for {seconds:.0f} seconds") from None
    if error is not None:
        raise KeylessError(_said(error)) from error
    assert made is not None
    return made


def _said(error: BaseException) -> str:
    """What an error and its causes say; some say nothing themselves."""
    texts: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(texts) < 3:
        text = " ".join(str(cause).split())[:300] or type(cause).__name__
        if text not in texts:
            texts.append(text)
        cause = cause.__cause__
    return ": ".join(texts)
