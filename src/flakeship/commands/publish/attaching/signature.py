"""Who signs the images of a run, and what is stated about them: checked before anything is built, used before anything is named."""

from __future__ import annotations

import contextlib
import functools
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol

from flakeship import events
from flakeship.attest.artifact import Artifact
from flakeship.attest.bundle import BUNDLE, SIGNED_BY, bundle_by_key, bundled
from flakeship.attest.dsse import Envelope, signed_bytes
from flakeship.attest.keys import KeyFormError, PasswordError, SigningKey
from flakeship.attest.legacy import TaggedSignature, tagged_signature
from flakeship.attest.statement import SIGNED, statement
from flakeship.commands.run import Run
from flakeship.errors import DOCS, Error, NotAllowedError, UnreachableError, UsageError
from flakeship.image.media_types import MANIFESTS
from flakeship.image.model import Descriptor, Packed, PackedIndex
from flakeship.settings.declaration import Settings

if TYPE_CHECKING:  # who signs by a key needs none of it
    from flakeship.attest.keyless import Identity, KeylessSession

_IDENTITY: Final = {
    "github": "add `id-token: write` to `permissions` of the job, and keep what it has: what is not named there is taken away",
    "gitlab": "add `id_tokens: SIGSTORE_ID_TOKEN: aud: sigstore` to the job, in the `.gitlab-ci.yml` of the project itself",
}
_AGAIN: Final = (
    "run again, and read the status page of Sigstore; check that the job reaches fulcio.sigstore.dev, rekor.sigstore.dev and "
    "tuf-repo-cdn.sigstore.dev"
)


class Signer(Protocol):
    """Signs statements. Those who sign without a key leave no tag for old verifiers."""

    def signed(self, artifact: Artifact) -> Artifact:
        """Return the bundle of its statement, as an artifact about the same image."""

    def outline(self, artifact: Artifact) -> Artifact | None:
        """Return what `signed` would, without its bundle, where one that is there already makes it needless; None where the bundle itself is compared."""

    def tagged(self, subject: Descriptor, repository: str) -> TaggedSignature | None:
        """Return the signature in the form of cosign 1 and 2, None where there is no such form."""

    def verify(self, reference: str) -> str:
        """Return the command that verifies the image, for people to copy."""

    @property
    def public_key(self) -> str:
        """The key that verifies, in PEM; empty where a certificate tells who signed."""


@dataclass(frozen=True, slots=True)
class KeySigner:
    """Signs by a key: the same image gets the same signature."""

    key: SigningKey

    def signed(self, artifact: Artifact) -> Artifact:
        """As `Signer.signed`."""
        signature = self.key.sign(signed_bytes(artifact.statement))
        hint = self.key.public.hint
        # what another key has signed does not count as signed by this one: docs/decisions.md#an-image-gets-one-sbom-of-each-format
        by = {SIGNED_BY: f"SHA256:{hint}"} if artifact.unless_alike else {}
        return bundled(artifact, bundle_by_key(Envelope(artifact.statement, signature), hint), by)

    def outline(self, artifact: Artifact) -> Artifact | None:
        """As `Signer.outline`."""
        return None

    def tagged(self, subject: Descriptor, repository: str) -> TaggedSignature | None:
        """As `Signer.tagged`."""
        return tagged_signature(self.key, subject, repository)

    def verify(self, reference: str) -> str:
        """As `Signer.verify`. No log has the signature, and cosign looks there unless it is told otherwise."""
        return f"cosign verify --key cosign.pub --insecure-ignore-tlog=true {shlex.quote(reference)}"

    @property
    def public_key(self) -> str:
        """As `Signer.public_key`."""
        return self.key.public.pem


@dataclass(slots=True)
class KeylessSigner:
    """Signs as the job that runs: no two runs write the same signature, so one by the same identity that is there counts. `hint` says what to do where
    Sigstore fails.
    """

    session: KeylessSession
    hint: str
    _whose: Identity | None = None

    def signed(self, artifact: Artifact) -> Artifact:
        """As `Signer.signed`. UnreachableError where Sigstore fails."""
        with self._explained():
            bundle = self.session.sign(artifact.statement)
        self._whose = bundle.identity
        return self._in_bundle(artifact, bundle.data)

    def outline(self, artifact: Artifact) -> Artifact:
        """As `Signer.outline`. UnreachableError where the job shows no identity."""
        if self._whose is None:
            with self._explained():
                self._whose = self.session.identity()
        return self._in_bundle(artifact, b"")

    def _in_bundle(self, artifact: Artifact, bundle: bytes) -> Artifact:
        """What another job has signed, as on another branch, does not count: who verifies asks for one identity."""
        assert self._whose
        return replace(
            bundled(artifact, bundle, {SIGNED_BY: f"keyless {self._whose.name}"}), unless_alike=True
        )

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        from flakeship.attest.keyless import KeylessError

        try:
            yield
        except KeylessError as error:
            raise UnreachableError(
                f"the image can't be signed without a key: {error}", hint=self.hint
            ) from error

    def tagged(self, subject: Descriptor, repository: str) -> TaggedSignature | None:
        """As `Signer.tagged`."""
        return None

    def verify(self, reference: str) -> str:
        """As `Signer.verify`."""
        if not self._whose:
            return ""
        return (
            f"cosign verify --certificate-identity={shlex.quote(self._whose.name)} "
            f"--certificate-oidc-issuer={shlex.quote(self._whose.issuer)} {shlex.quote(reference)}"
        )

    @property
    def public_key(self) -> str:
        """As `Signer.public_key`."""
        return ""


@dataclass(frozen=True, slots=True)
class WithheldSigner:
    """Takes the place of a signer where CI keeps the key from the run. Nothing is pushed there as a rule; if something is, `error` is raised."""

    error: Error

    def signed(self, artifact: Artifact) -> Artifact:
        """Raise the error."""
        raise self.error

    def outline(self, artifact: Artifact) -> Artifact | None:
        """Return None: `signed` says what is wrong."""
        return None

    def tagged(self, subject: Descriptor, repository: str) -> TaggedSignature | None:
        """Raise the error."""
        raise self.error

    def verify(self, reference: str) -> str:
        """Return nothing."""
        return ""

    @property
    def public_key(self) -> str:
        """Return no key: the certificate in the bundle names who signed."""
        return ""


def signer_of(settings: Settings, run: Run) -> Signer | None:
    """Return who signs, None for nobody. UsageError for a key that can't sign, NotAllowedError where the log would tell too much."""
    given = (
        settings.signing_key or settings.signing_password
    )  # one of them empty is a secret that does not exist
    way = settings.sign or ("key" if given else "false")
    if way == "false":
        return None
    if way != "key" and given:
        raise UsageError(
            f"`sign` is {way}, and `signing-key` is given: an image is signed by one of them",
            hint="leave `signing-key` and `signing-password` out, or set `sign: key`",
        )
    try:
        return _by_key(settings) if way == "key" else _keyless(way, run)
    except Error as error:
        kept = run.event.secrets_kept_because or run.event.untrusted_because
        # docs/decisions.md#a-withheld-key-is-missed-late
        if kept and isinstance(error, _NotGivenError):
            error.message = f"{error.message}: {kept}"
            return WithheldSigner(error)
        raise


def statements_of_images(packed: Packed | PackedIndex) -> Iterator[Artifact]:
    """Yield what a signature states of the image and, for an index, of the image of each platform."""
    for subject in signed_subjects(packed):
        said = statement([("", subject.digest)], SIGNED, {})
        yield Artifact(
            kind="signature",
            subject=subject,
            artifact_type=BUNDLE,
            data=said,
            statement=said,
            predicate_type=SIGNED,
        )


def signed_subjects(packed: Packed | PackedIndex) -> list[Descriptor]:
    """The manifests that are signed, the index first: a cluster pulls the image of its platform by its own digest."""
    listed = [] if isinstance(packed, Packed) else [entry.descriptor for entry in packed.entries]
    images = [
        each
        for each in listed
        if each.media_type in MANIFESTS and not (each.platform and each.platform.os == "unknown")
    ]
    return [packed.descriptor, *{each.digest: each for each in images}.values()]


class _NotGivenError(UsageError):
    """What signing needs was not given to this run."""


def _by_key(settings: Settings) -> KeySigner:
    if not settings.signing_key.strip():
        raise _NotGivenError(
            "the image is to be signed, and `signing-key` is empty",
            hint="give the text of the private key by `signing-key`, and check the name of the secret: one that does not exist is empty",
        )
    try:
        return KeySigner(_parsed(settings.signing_key, settings.signing_password))
    except PasswordError as error:
        raise UsageError(
            f"signing-key can't be used: {error}",
            hint="give the password of that key by `signing-password`"
            + (", and check that both are of one pair" if error.given else ""),
        ) from error
    except KeyFormError as error:
        raise UsageError(
            f"signing-key can't be used: {error}",
            hint="give the text of the key, not the name of its file: `openssl ecparam -name prime256v1 -genkey -noout` makes one, and "
            f"`cosign generate-key-pair` too; see {DOCS}/signing.md",
        ) from error


@functools.lru_cache(maxsize=1)
def _parsed(text: str, password: str) -> SigningKey:
    """Opening a cosign.key takes a third of a second on purpose, and a run may have many images."""
    return SigningKey.parse(text, password)


def _keyless(way: str, run: Run) -> KeylessSigner:
    from flakeship.attest.keyless import KeylessSession, is_installed

    repository = run.event.repository
    if way == "keyless" and repository.visibility != "public":
        known = f"is {repository.visibility}" if repository.visibility else "is not known to be public"
        raise NotAllowedError(
            f"the image is not signed without a key: the repository {repository.full_name or 'of this run'} {known}, and the public log "
            "would tell its name, its workflow and when it ran",
            hint="set `sign: keyless-public` if that may be known, or sign with `signing-key`",
        )
    environ = run.runtime.environ
    token = environ.get("SIGSTORE_ID_TOKEN", "")
    asks_github = bool(
        environ.get("ACTIONS_ID_TOKEN_REQUEST_URL") and environ.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN")
    )
    platform = run.event.platform
    if not (token or asks_github):
        raise _NotGivenError(
            f"`sign` is {way}, and this job has no identity to show",
            hint=_IDENTITY.get(platform, "sign in a job of GitHub or GitLab, or with `signing-key`"),
        )
    if not is_installed():
        raise UsageError(
            f"`sign` is {way}, and the library sigstore is not installed",
            hint="install `flakeship[keyless]`, or sign with `signing-key`",
        )
    # of other clouds the library would take an identity where it finds one: only GitHub is left to it
    session = KeylessSession("" if asks_github else token, lambda text: run.emit(events.Secret(text)))
    return KeylessSigner(session, "; ".join(filter(None, (_AGAIN, _IDENTITY.get(platform)))))
