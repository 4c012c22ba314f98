"""Signing and verifying without a key, at a stand-in for Sigstore's servers: what is real is the library, the registry's protocol, and cosign."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID
from pytest_mock import MockerFixture

from flakeship import errors, events
from flakeship.attest.bundle import BUNDLE
from flakeship.attest.keyless import KeylessError, KeylessSession
from flakeship.attest.statement import CYCLONEDX_BOM, SIGNED
from flakeship.commands.run import open_run
from flakeship.commands.verify.command import Verdict, verify
from flakeship.settings.declaration import Settings
from tests.commands.publish import test_attaching
from tests.commands.publish.test_attaching import Provenance, Scene, bill, of_platforms
from tests.runtimes import runtime
from tests.testbed.cosign import Cosign
from tests.testbed.sigstore import IDENTITY, ISSUER, Sigstore

pytestmark = pytest.mark.slow

running = test_attaching.running
scene = test_attaching.scene

GITLAB = {
    "GITLAB_CI": "true",
    "CI_PROJECT_PATH": "a/b",
    "CI_PROJECT_VISIBILITY": "public",
    "CI_COMMIT_SHA": "8" * 40,
}
FULCIO, REKOR = "/api/v2/signingCert", "/api/v1/log/entries"


@pytest.fixture
def sigstore(mocker: MockerFixture) -> Iterator[Sigstore]:
    """The stand-in, which the library trusts in place of the public servers."""
    from sigstore.models import ClientTrustConfig

    stand_in = Sigstore()
    trust = ClientTrustConfig.from_json(stand_in.trust)
    mocker.patch.object(ClientTrustConfig, "production", return_value=trust)
    yield stand_in
    stand_in.close()


def push(scene: Scene, sigstore: Sigstore, *makers: Any, **inputs: Any) -> Any:
    job = GITLAB | {"SIGSTORE_ID_TOKEN": sigstore.token()}
    usual = {"sign": "keyless", "signing_key": "", "environ": job}
    return scene.push(*makers, **(usual | inputs))


def verdict(scene: Scene, identity: str = IDENTITY, issuer: str = ISSUER) -> Verdict:
    settings = Settings(
        image=f"{scene.image}:1", certificate_identity=identity, certificate_oidc_issuer=issuer
    )
    machine, _ = runtime(scene.folder)
    with open_run(settings, machine) as run:
        return verify(settings, run)


@pytest.mark.long
def test_what_a_job_signs_is_verified_by_its_identity_and_by_no_other(
    scene: Scene, sigstore: Sigstore, cosign: Cosign
) -> None:
    """The index, its images and what is stated of them; by our own command, and by cosign."""
    of_platforms(scene)
    made = push(scene, sigstore, bill)
    digest = made.packed.descriptor.digest
    kinds = [
        entry["annotations"]["dev.sigstore.bundle.predicateType"]
        for entry in scene.listed(digest)
        if entry["artifactType"] == BUNDLE
    ]
    assert kinds == [SIGNED]
    children = [entry.descriptor.digest for entry in made.packed.entries]
    for child in children:
        listed = [entry["annotations"] for entry in scene.listed(child) if entry["artifactType"] == BUNDLE]
        assert [each["dev.sigstore.bundle.predicateType"] for each in listed] == [SIGNED, CYCLONEDX_BOM]
    assert sigstore.asked.count(FULCIO) == 1, "one certificate serves one run"
    assert verdict(scene).verified
    for other in ((IDENTITY + "x", ISSUER), (IDENTITY, "https://gitlab.com")):
        found = verdict(scene, *other)
        assert not found.verified
        assert any("is signed, and not by" in each.text for each in found.errors)
    scene.registry.manner = "takes only 1.0"  # which has no such API: cosign believes an empty list
    (cosign.folder / "root.json").write_text(json.dumps(sigstore.trusted_root))
    line = made.attached.verify.split()
    assert line[0] == "cosign"
    for each in (digest, *children):
        reference = f"{scene.image}@{each}"
        done = cosign(*line[1:-1], "--trusted-root", "root.json", reference)
        assert done.returncode == 0, done.stderr
    refused = cosign(
        "verify",
        "--trusted-root",
        "root.json",
        "--certificate-identity=x",
        line[3],
        f"{scene.image}@{digest}",
    )
    assert refused.returncode != 0


@pytest.mark.long
@pytest.mark.parametrize("fault", ["nothing", "expired", "not for code", "another case"])
def test_a_certificate_that_cosign_does_not_believe_is_not_believed(
    fault: str, scene: Scene, sigstore: Sigstore, cosign: Cosign
) -> None:
    scene.registry.manner = "takes only 1.0"
    if fault == "expired":
        sigstore.late = 3600
    elif fault == "not for code":
        sigstore.usages = (ExtendedKeyUsageOID.CLIENT_AUTH,)
    digest = push(scene, sigstore).packed.descriptor.digest
    identity = IDENTITY.replace("octo", "Octo") if fault == "another case" else IDENTITY
    (cosign.folder / "root.json").write_text(json.dumps(sigstore.trusted_root))
    done = cosign(
        "verify", "--trusted-root", "root.json", f"--certificate-identity={identity}", f"--certificate-oidc-issuer={ISSUER}", f"{scene.image}@{digest}",
    )  # fmt: skip
    assert (done.returncode == 0) == (fault == "nothing"), done.stderr
    assert verdict(scene, identity, ISSUER).verified == (fault == "nothing")


def test_a_second_run_tells_the_public_log_nothing(scene: Scene, sigstore: Sigstore) -> None:
    push(scene, sigstore, bill, Provenance())
    sigstore.asked.clear()
    assert scene.written(lambda: push(scene, sigstore, bill, Provenance())) == []
    assert sigstore.asked == []
    assert any("signed already, nothing was added" in getattr(each, "text", "") for each in scene.told)


def test_a_signature_that_is_listed_and_gone_is_made_again(scene: Scene, sigstore: Sigstore) -> None:
    made = push(scene, sigstore)
    (entry,) = scene.listed(made.packed.descriptor.digest)
    del scene.registry.manifests[scene.repository, entry["digest"]]
    push(scene, sigstore)
    assert verdict(scene).verified


def test_github_is_asked_for_the_identity(
    scene: Scene, sigstore: Sigstore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """And the token is announced, so that no log shows it."""
    payload = tmp_path / "event.json"
    payload.write_text(json.dumps({"repository": {"full_name": "octo/app", "private": False}}))
    job = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_NAME": "push",
        "GITHUB_EVENT_PATH": str(payload),
        "GITHUB_REPOSITORY": "octo/app",
        "GITHUB_REF": "refs/heads/main",
        "GITHUB_SHA": "8" * 40,
        **sigstore.job,
    }
    for name, text in job.items():  # which the library reads itself
        monkeypatch.setenv(name, text)
    push(scene, sigstore, environ=job)
    assert sigstore.asked[0] == "/token?api=1&audience=sigstore"
    assert verdict(scene).verified
    secrets = [each.text for each in scene.told if isinstance(each, events.Secret)]
    assert any(text.count(".") == 2 and text.startswith("ey") for text in secrets)


FAILURES: dict[str, tuple[str, tuple[int, str] | float, str]] = {
    "Fulcio refuses": (FULCIO, (403, '{"message": "no"}'), "FulcioClientError: 403"),
    "Fulcio shows HTML": (FULCIO, (200, "<html>"), "Expecting value"),
    "Fulcio certifies nothing": (FULCIO, (201, "{}"), "missing certificate chain"),
    "Rekor fails": (REKOR, (500, "{}"), "500"),
    "Rekor logs nothing": (REKOR, (201, "{}"), "multiple entries"),
    "Rekor is silent": (REKOR, 30.0, "did not answer for 1 seconds"),
}


@pytest.mark.parametrize("kind", FAILURES)
def test_nothing_is_named_where_sigstore_fails(
    kind: str, scene: Scene, sigstore: Sigstore, mocker: MockerFixture
) -> None:
    path, answer, says = FAILURES[kind]
    sigstore.answers[path] = answer
    session = mocker.patch("flakeship.attest.keyless.KeylessSession", autospec=False)
    session.side_effect = lambda token, announce: KeylessSession(token, announce, seconds=1.0)
    with pytest.raises(errors.UnreachableError) as caught:
        push(scene, sigstore)
    assert "the image can't be signed without a key: " in caught.value.message
    assert says in caught.value.message
    assert "status page of Sigstore" in caught.value.hint
    assert "id_tokens: SIGSTORE_ID_TOKEN" in caught.value.hint
    assert scene.tags() == []


@pytest.mark.parametrize("token", ["not a token", "a.b.c", "expired"])
def test_a_token_that_is_not_one(token: str, sigstore: Sigstore) -> None:
    text = sigstore.token(seconds=-60) if token == "expired" else token
    with pytest.raises(KeylessError, match="malformed or missing claims"):
        KeylessSession(text).sign(b'{"subject":[]}')


def test_a_bundle_that_breaks_the_library_is_signed_by_nobody(
    scene: Scene, sigstore: Sigstore, mocker: MockerFixture
) -> None:
    push(scene, sigstore)
    mocker.patch("sigstore.models.Bundle.from_json", side_effect=TypeError("unexpected"))
    found = verdict(scene)
    assert [each.what for each in found.errors] == ["signature"]


@pytest.mark.parametrize(
    ("job", "says"),
    [
        (
            {"GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": "push", "GITHUB_REPOSITORY": "octo/app"},
            "add `id-token: write` to `permissions` of the job",
        ),
        (GITLAB, "add `id_tokens: SIGSTORE_ID_TOKEN: aud: sigstore` to the job"),
        ({}, "sign in a job of GitHub or GitLab"),
    ],
)
def test_a_job_without_an_identity_is_told_which_permission_to_give(
    job: dict[str, str], says: str, scene: Scene
) -> None:
    with pytest.raises(errors.UsageError, match="has no identity to show") as caught:
        scene.push(sign="keyless-public", signing_key="", environ=job)
    assert says in caught.value.hint


def test_the_library_may_be_missing(scene: Scene, mocker: MockerFixture) -> None:
    mocker.patch("flakeship.attest.keyless.is_installed", return_value=False)
    job = GITLAB | {"SIGSTORE_ID_TOKEN": "x"}
    with pytest.raises(errors.UsageError, match="sigstore is not installed"):
        scene.push(sign="keyless", signing_key="", environ=job)


def test_the_signature_of_another_branch_does_not_count(scene: Scene, sigstore: Sigstore) -> None:
    """Nix gives both branches the same image, and who admits it to a cluster asks for one of them."""
    sigstore.identity = IDENTITY.replace("main", "feature")
    push(scene, sigstore)
    sigstore.identity = IDENTITY
    made = push(scene, sigstore)
    assert len(scene.listed(made.packed.descriptor.digest)) == 2
    for branch in ("main", "feature"):
        found = verdict(scene, IDENTITY.replace("main", branch))
        assert found.verified
    sigstore.asked.clear()
    again = push(scene, sigstore)
    assert sigstore.asked == []
    assert f"--certificate-identity={IDENTITY} " in again.attached.verify


def test_gitlab_says_whose_a_token_is_by_another_claim() -> None:
    claims = {
        "iss": "https://gitlab.com",
        "ci_config_ref_uri": "gitlab.com/a/b//.gitlab-ci.yml@refs/heads/x",
        "sub": "y",
    }
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    found = KeylessSession(f"e.{body}.s").identity()
    assert (found.name, found.issuer) == (
        "https://gitlab.com/a/b//.gitlab-ci.yml@refs/heads/x",
        "https://gitlab.com",
    )
    with pytest.raises(KeylessError, match="does not say whose it is"):
        KeylessSession("abc").identity()
