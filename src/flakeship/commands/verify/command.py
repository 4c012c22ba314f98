"""The command `verify`: every byte of an image is compared with its digest, and all that is attached to it with the image."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from flakeship.attest.keys import KeyFormError, VerifyingKey
from flakeship.ci.platforms import current_platform
from flakeship.commands.run import Run, open_run
from flakeship.commands.runtime import Runtime
from flakeship.commands.verify.attached import Allowance, attached_to
from flakeship.commands.verify.images import (
    ExaminedImage,
    KnownLayers,
    examined,
    is_image,
    manifests_below,
    read_blobs,
)
from flakeship.commands.verify.stored import StoredManifest, StoredObjects, nothing_there
from flakeship.commands.verify.vouching import (
    Trust,
    Vouched,
    provenance_finding,
    sbom_findings,
    signature_finding,
    vouched,
)
from flakeship.errors import RejectedError, UsageError
from flakeship.outside.reading import read_file
from flakeship.printable import counted
from flakeship.redaction import redacted_result
from flakeship.registry.reference import TRANSPORT, Reference
from flakeship.registry.referrers import Referrers
from flakeship.report.findings import Finding, findings_text
from flakeship.report.plain import size_of
from flakeship.settings.declaration import Settings
from flakeship.sources.written import written_source

_LONGEST_KEY: Final = 64 << 10
_WHOM: Final = ("FLAKESHIP_KEY", "FLAKESHIP_CERTIFICATE_IDENTITY", "FLAKESHIP_CERTIFICATE_OIDC_ISSUER")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `verify` found. `verified` is True only if nothing is wrong and somebody who is trusted has signed the image."""

    reference: str
    findings: tuple[Finding, ...]
    verified: bool

    @property
    def errors(self) -> list[Finding]:
        """The checks that failed."""
        return [each for each in self.findings if each.state == "error"]

    def spelled(self, as_given: Callable[[str], str]) -> Verdict:
        """Return it with the names of inputs as `as_given` writes them."""
        return replace(self, findings=tuple(each.spelled(as_given) for each in self.findings))


def run(settings: Settings, runtime: Runtime) -> str:
    """Verify, and return what was found. Where a check failed that is printed, and RejectedError."""
    with open_run(settings, runtime) as opened:
        verdict = verify(settings, opened).spelled(runtime.spelled)
    text = _json(verdict) if settings.json else _text(verdict)
    if not verdict.errors:
        return text
    shown = current_platform(runtime.environ).safe_on_stdout(redacted_result(text))
    runtime.stdout.write(f"{shown}\n".encode(errors="surrogateescape"))
    runtime.stdout.flush()
    first, more = verdict.errors[0], len(verdict.errors) - 1
    also = f"; {more} more {'check' if more == 1 else 'checks'} failed" if more else ""
    why = first.text.replace(verdict.reference, "it")  # a name with its digest is long enough once
    raise RejectedError(f"{verdict.reference} is not verified: {why}{also}", hint=first.hint)


def verify(settings: Settings, run_: Run) -> Verdict:
    """Make all checks of the image that the input `image` names.

    UsageError where it does not exist, and for a key that can't be read. Errors of the registry pass through.
    """
    if not settings.image:
        raise UsageError(
            "`verify` needs an image in a registry, and none is named",
            hint="write `flakeship verify ghcr.io/owner/name:tag --key cosign.pub`",
        )
    trust = trust_of(settings, run_.runtime)
    reference = _reference(settings.image, run_.runtime)
    client = run_.connections.client(reference, actions="pull")
    objects = StoredObjects(client, reference, run_.emit)
    try:
        top = objects.named(reference.digest or reference.tag or "latest")
    except RejectedError as error:
        return Verdict(
            str(reference), (Finding("digests", "error", error.message, error.hint),), verified=False
        )
    if top is None:
        raise nothing_there(reference)
    name = f"{reference.name}@{top.entry.digest}"
    with run_.stage("verify", f"verifying {name}"):
        findings = tuple(_findings(top, objects, Referrers(client, whole=True), trust))
    sure = trust.check is not None and not any(each.state == "error" for each in findings)
    return Verdict(name, findings, verified=sure)


def _reference(text: str, runtime: Runtime) -> Reference:
    """UsageError for what lies somewhere else than in a registry, or is not built yet."""
    source = written_source(text, runtime.cwd)
    elsewhere = source.form or text.startswith((".", "/")) or (runtime.cwd / text).exists()
    if "#" in text or (source.place != "registry" and (elsewhere or source.place != "path")):
        raise UsageError(
            f"verify reads what is in a registry, and {text!r} lies elsewhere or is not built",
            hint="name it as `docker pull` does, ghcr.io/owner/name:tag; `flakeship inspect` shows images that lie elsewhere",
        )
    return Reference.parse(text.removeprefix(TRANSPORT))


def trust_of(settings: Settings, runtime: Runtime) -> Trust:
    """Read who is trusted. UsageError for a key that can't be read, and for inputs that contradict each other."""
    for name in _WHOM:
        if runtime.environ.get(name) == "":
            raise UsageError(
                f"{name} is empty, and without it an unsigned image would pass",
                hint="check the name of the secret or variable that it is set from; unset it to ask no more than whether the image is whole",
            )
    identity, issuer = settings.certificate_identity, settings.certificate_oidc_issuer
    if settings.key and (identity or issuer):
        raise UsageError(
            "`key` and `certificate-identity` are given, and an image is verified by one of them",
            hint="leave out the one that did not sign it",
        )
    if bool(identity) != bool(issuer):
        given, other = ("identity", "oidc-issuer") if identity else ("oidc-issuer", "identity")
        raise UsageError(
            f"`certificate-{given}` is given without `certificate-{other}`, and either alone is worth nothing",
            hint="give both: `--certificate-identity https://github.com/OWNER/NAME/.github/workflows/FILE@REF "
            "--certificate-oidc-issuer https://token.actions.githubusercontent.com`",
        )
    if identity:
        from flakeship.commands.verify.keyless import trust_in

        return trust_in(identity, issuer)
    return Trust.in_key(_key(settings.key, runtime.cwd)) if settings.key else Trust()


def _key(name: str, cwd: Path) -> VerifyingKey:
    hint = "name the public key, `cosign.pub`: `cosign public-key --key cosign.key` prints it"
    try:
        return VerifyingKey.parse(read_file(cwd / name, _LONGEST_KEY).decode(errors="replace"))
    except OSError as error:
        raise UsageError(f"key: {name} can't be read: {error.strerror}", hint=hint) from error
    except (KeyFormError, ValueError) as error:
        raise UsageError(f"key: {name} can't be used: {error}", hint=hint) from error


def _findings(
    top: StoredManifest, objects: StoredObjects, referrers: Referrers, trust: Trust
) -> Iterator[Finding]:
    """Return what each check found. Digests come first, since the later checks compare with these bytes."""
    images, faults = _images(top, objects)
    yield from faults

    allowance = Allowance()

    def judged(manifest: StoredManifest) -> Vouched:
        attached = attached_to(manifest, referrers, objects, allowance)
        return vouched(attached, manifest.entry.digest, trust)

    of_top = judged(top)
    below = [(each, judged(each.manifest)) for each in images if top.is_index]
    if not faults:
        yield Finding(
            "digests",
            "ok",
            f"{counted(objects.count, 'object')}, {size_of(objects.size)}: each is what its digest says",
        )
    if top.is_index and not faults:
        yield Finding("platforms", "ok", ", ".join(each.platform for each in images) or "no image")
    yield signature_finding(of_top, f"{objects.name}@{top.entry.digest}", trust)
    yield from (fault for each in (of_top, *(other for _, other in below)) for fault in each.faults)
    yield provenance_finding(of_top, trust)
    yield from _of_sboms([(each, of_top) for each in images if not top.is_index] + below, trust)


def _of_sboms(images: Sequence[tuple[ExaminedImage, Vouched]], trust: Trust) -> Iterator[Finding]:
    found = [finding for image, each in images for finding in sbom_findings(each, image, trust)]
    without = [image.platform for image, each in images if not each.sboms]
    if without:
        found.append(
            Finding("sbom", "warning", f"no SBOM is among what refers to the image for {', '.join(without)}")
        )
    yield from found


def _images(top: StoredManifest, objects: StoredObjects) -> tuple[list[ExaminedImage], list[Finding]]:
    """Read all that a name leads to: the images that are whole, and what is wrong with the others."""
    manifests: list[StoredManifest] = []
    images: list[ExaminedImage] = []
    known: KnownLayers = {}
    faults = list(_faults(lambda: manifests.extend(manifests_below(top, objects))))
    for each in manifests:
        faults += _faults(lambda each=each: _examine(each, objects, images, known))  # type: ignore[misc]
    return images, faults


def _examine(
    manifest: StoredManifest, objects: StoredObjects, images: list[ExaminedImage], known: KnownLayers
) -> None:
    if is_image(manifest):
        images.append(examined(manifest, objects, known))
    else:
        read_blobs(manifest, objects)


def _faults(check: Callable[[], object]) -> Iterator[Finding]:
    try:
        check()
    except RejectedError as error:
        yield Finding("digests", "error", error.message, error.hint)


def _verdict(verdict: Verdict) -> str:
    if verdict.errors:
        return f"{verdict.reference} is NOT verified"
    if verdict.verified:
        return f"{verdict.reference} is verified"
    return f"{verdict.reference} is whole, and nobody vouches for it here: it is not verified"


def _text(verdict: Verdict) -> str:
    return f"{findings_text(verdict.findings)}\n{_verdict(verdict)}"


def _json(verdict: Verdict) -> str:
    return json.dumps(
        {
            "reference": verdict.reference,
            "verified": verdict.verified,
            "failed": bool(verdict.errors),
            "checks": [asdict(each) for each in verdict.findings],
        },
        indent=2,
    )
