"""What vouches for an image is there before anything names it; two runs of one image add nothing; what fails leaves no name.

The registry is in memory, and where it has the referrers API a stand-in for those that have it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import pytest
from pytest_mock import MockerFixture

from flakeship import errors, events
from flakeship.attest.artifact import CYCLONEDX, IN_TOTO, PREDICATE_TYPE, Artifact
from flakeship.attest.bundle import BUNDLE, PREDICATE, Bundle
from flakeship.attest.keys import SigningKey
from flakeship.attest.legacy import SIGNATURE
from flakeship.attest.statement import CYCLONEDX_BOM, SIGNED, SLSA_PROVENANCE, statement
from flakeship.commands.publish.attaching.signature import signed_subjects
from flakeship.commands.publish.attaching.step import Attaching
from flakeship.commands.publish.metadata_document import metadata
from flakeship.commands.publish.parts import Part
from flakeship.commands.publish.pipeline import publish
from flakeship.commands.publish.request import Request
from flakeship.commands.publish.result import Result
from flakeship.commands.run import open_run
from flakeship.destinations.protocol import Attached
from flakeship.http.transport import Transport
from flakeship.image.media_types import OCI
from flakeship.image.model import Descriptor, Packed, PackedIndex, Platform, digest_of
from flakeship.registry.referrers import fallback_tag
from flakeship.settings.declaration import Settings
from tests.attest.test_keys import P256, PASSWORD, cosign_key, pem
from tests.e2e.test_sbom_attached import layout_with
from tests.metadata.computing import placed
from tests.runtimes import runtime
from tests.sbom.knowing import store_path
from tests.sources.layouts import Layout
from tests.testbed.registry import FaultProxy
from tests.testbed.registry_faults import Answer
from tests.testbed.registry_memory import memory_registry_of
from tests.testbed.registry_proxy import fault_proxy
from tests.testbed.registry_referrers import Manner, ReferrersRegistry

pytestmark = pytest.mark.slow

KEY: Final = pem(P256)
PUBLIC: Final = SigningKey.parse(KEY).public
WRITES: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})


@dataclass
class Scene:
    """One repository behind a fault proxy, and one image to push there."""

    registry: ReferrersRegistry
    proxy: FaultProxy
    folder: Path
    repository: str
    told: list[Any] = field(default_factory=list)

    @property
    def image(self) -> str:
        return f"{self.proxy.host}/{self.repository}"

    def push(
        self, *makers: Any, environ: dict[str, str] | None = None, signed: bool = True, **inputs: Any
    ) -> Result:
        """Publish the layout in `folder`; with `makers` what they make is attached too."""
        usual = {"source": str(self.folder / "layout"), "tags": placed(f"{self.image}:1"), "signing_key": KEY}
        settings = Settings(lint="off", created="keep", **(usual | inputs))
        machine, told = runtime(self.folder, environ)
        machine = replace(machine, clock=time.monotonic)  # for what is waited for
        self.told = told
        with open_run(settings, machine) as run:
            request = Request.of(settings, run)
            if makers:
                made = request.attaching or Attaching.of(settings, run)
                signer = made.signer if signed else None
                request = replace(request, attaching=replace(made, makers=makers, signer=signer))
            return publish(request, run)

    def written(self, do: Callable[[], object]) -> list[str]:
        """The paths that a call writes, or begins to; but for the upload by which the right to push is checked."""
        before = len(self.proxy.requests)
        do()
        paths = [each.path for each in self.proxy.requests[before:] if each.method in WRITES]
        return [path for path in paths if "/blobs/uploads/" not in path or "digest=" in path]

    def tags(self) -> list[str]:
        return self.registry.tags(self.repository)

    def listed(self, digest: str) -> list[dict[str, Any]]:
        """What the fallback index lists."""
        found = self.registry.manifest(self.repository, digest.replace(":", "-"))
        return list((found or {}).get("manifests", ()))

    def data_of(self, digest: str) -> bytes:
        manifest = self.registry.manifest(self.repository, digest)
        assert manifest
        return self.registry.blob(self.repository, manifest["layers"][0]["digest"]) or b""

    def warnings(self) -> list[str]:
        return [event.text for event in self.told if isinstance(event, events.Warned)]


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[ReferrersRegistry, FaultProxy]]:
    with memory_registry_of(ReferrersRegistry) as registry, fault_proxy(registry.host) as proxy:
        yield registry, proxy


@pytest.fixture
def scene(running: tuple[ReferrersRegistry, FaultProxy], tmp_path: Path) -> Iterator[Scene]:
    registry, proxy = running
    registry.manner = "lies"
    layout = Layout()
    layout.listing(layout.image("a", "b")).folder(tmp_path / "layout")
    yield Scene(registry, proxy, tmp_path, registry.new_repository())
    proxy.clear()


def of_platforms(scene: Scene) -> None:
    layout = Layout()
    layout.listing(layout.platforms("amd64", "arm64")).folder(scene.folder / "layout")


def bill(packed: Packed | PackedIndex, parts: Sequence[Part]) -> tuple[Artifact, ...]:
    """An SBOM for each platform, as the step for it makes one."""
    made = []
    for image in packed.images:
        predicate = {"bomFormat": "CycloneDX", "specVersion": "1.6", "of": image.descriptor.digest}
        made.append(
            Artifact(
                kind="sbom",
                subject=image.descriptor,
                artifact_type=CYCLONEDX,
                data=json.dumps(predicate).encode(),
                statement=statement([("", image.descriptor.digest)], CYCLONEDX_BOM, predicate),
                predicate_type=CYCLONEDX_BOM,
            )
        )
    return tuple(made)


@dataclass
class Provenance:
    """Each time another."""

    turn: int = 0

    def __call__(self, packed: Packed | PackedIndex, parts: Sequence[Part]) -> tuple[Artifact, ...]:
        self.turn += 1
        said = statement([("", packed.descriptor.digest)], SLSA_PROVENANCE, {"turn": self.turn})
        return (
            Artifact(
                kind="provenance",
                subject=packed.descriptor,
                artifact_type=IN_TOTO,
                data=said,
                annotations={PREDICATE_TYPE: SLSA_PROVENANCE},
                statement=said,
                predicate_type=SLSA_PROVENANCE,
                unless_alike=True,
                only_if_new=True,
            ),
        )


def test_both_forms_of_a_signature_are_there_and_are_the_keys(scene: Scene) -> None:
    result = scene.push()
    digest = result.packed.descriptor.digest
    (entry,) = scene.listed(digest)
    assert entry["artifactType"] == BUNDLE
    assert entry["annotations"][PREDICATE] == SIGNED
    bundle = Bundle.of(scene.data_of(entry["digest"]))
    assert bundle.hint == PUBLIC.hint
    assert json.loads(bundle.envelope.payload)["subject"] == [{"digest": {"sha256": digest[7:]}}]
    assert PUBLIC.verifies(bundle.envelope.signature, bundle.envelope.signed)
    old = scene.registry.manifest(scene.repository, f"{fallback_tag(digest)}.sig")
    assert old
    assert SIGNATURE in old["layers"][0]["annotations"]
    document = metadata(result)["flakeship.signature"]
    assert document["verify"].startswith("cosign verify --key cosign.pub ")
    assert document["verify"].endswith(f" {scene.image}@{digest}")
    assert document["public-key"] == PUBLIC.pem


MANNERS: Final[tuple[Manner, ...]] = ("tells", "lies", "shows HTML", "refuses", "takes only 1.0")


@pytest.mark.parametrize("manner", MANNERS)
def test_a_second_run_of_one_image_writes_nothing(manner: Manner, scene: Scene) -> None:
    of_platforms(scene)
    scene.registry.manner = manner
    provenance = Provenance()
    first = scene.written(lambda: scene.push(bill, provenance))
    assert first
    assert scene.written(lambda: scene.push(bill, provenance)) == []
    scene.registry.manner = (
        "tells" if manner == "lies" else manner
    )  # and where a registry learns to tell since
    assert scene.written(lambda: scene.push(bill, provenance)) == []


def test_an_index_its_images_and_all_that_is_stated_are_signed(scene: Scene) -> None:
    of_platforms(scene)
    result = scene.push(bill, Provenance())
    index, images = result.packed.descriptor.digest, [each.descriptor.digest for each in result.packed.images]
    said = {
        digest: [
            entry["annotations"].get(PREDICATE) if "annotations" in entry else entry["artifactType"]
            for entry in scene.listed(digest)
        ]
        for digest in (index, *images)
    }
    assert said == {
        index: [SIGNED, SLSA_PROVENANCE],
        **{key: [CYCLONEDX, SIGNED, CYCLONEDX_BOM] for key in images},
    }
    assert {f"{fallback_tag(digest)}.sig" for digest in (index, *images)} < set(scene.tags())


def test_the_list_is_written_once_for_each_manifest_and_before_the_tag(scene: Scene) -> None:
    paths = [path for path in scene.written(lambda: scene.push(bill)) if "/manifests/" in path]
    names = [path.rpartition("/")[2] for path in paths]
    tags = [name for name in names if ":" not in name]
    assert tags == [tags[0], f"{tags[0]}.sig", "1"]
    assert tags[0].startswith("sha256-")
    assert ":" in names[0], "the image itself comes first, by its digest"


def test_an_image_that_is_published_unsigned_is_signed(scene: Scene) -> None:
    unsigned = scene.push(signing_key="")
    assert unsigned.attached is None
    assert scene.tags() == ["1"]
    result = scene.push()
    assert result.packed.descriptor == unsigned.packed.descriptor
    assert [entry["artifactType"] for entry in scene.listed(result.packed.descriptor.digest)] == [BUNDLE]


def test_who_finds_the_image_published_knows_nothing_of_how_it_was_made(scene: Scene) -> None:
    scene.push(signing_key="")
    digest = scene.push(bill, Provenance()).packed.descriptor.digest
    assert [entry["artifactType"] for entry in scene.listed(digest)] == [CYCLONEDX, BUNDLE, BUNDLE]
    assert SLSA_PROVENANCE not in json.dumps(scene.listed(digest))


@pytest.mark.parametrize("of_index", [False, True])
@pytest.mark.parametrize("refused", ["list", "old signature"])
def test_the_run_after_one_that_failed_attaches_all_of_it_once(
    scene: Scene, refused: str, *, of_index: bool
) -> None:
    """The image is there by its digest then, and no name leads to it: the next run still says how it was made."""
    if of_index:
        of_platforms(scene)
    tags = placed(f"{scene.image}:1", f"{scene.image}:2")
    pattern = "/manifests/sha256-" + ("" if refused == "list" else r"[0-9a-f]{64}\.sig")
    scene.proxy.fail_next("PUT", pattern, status=403, times=9)
    with pytest.raises(errors.NotAllowedError):
        scene.push(bill, Provenance(), tags=tags)
    scene.proxy.clear()
    assert not {"1", "2"} & set(scene.tags())
    digest = scene.push(bill, Provenance(turn=7), tags=tags).packed.descriptor.digest
    listed = [each.get("annotations", {}).get(PREDICATE, "") for each in scene.listed(digest)]
    assert sorted(filter(None, listed)) == sorted(
        [SIGNED, SLSA_PROVENANCE] if of_index else [CYCLONEDX_BOM, SIGNED, SLSA_PROVENANCE]
    )
    assert scene.written(lambda: scene.push(bill, Provenance(turn=8), tags=tags)) == []


def test_what_a_cleaner_took_is_attached_again(scene: Scene) -> None:
    digest = scene.push().packed.descriptor.digest
    (entry,) = scene.listed(digest)
    del scene.registry.manifests[scene.repository, entry["digest"]]
    scene.push()
    assert (scene.repository, entry["digest"]) in scene.registry.manifests


def test_signatures_of_others_stay(scene: Scene) -> None:
    digest = scene.push(signing_key=cosign_key(), signing_password=PASSWORD).packed.descriptor.digest
    from cryptography.hazmat.primitives.asymmetric import ec

    scene.push(signing_key=pem(ec.derive_private_key(5, ec.SECP256R1())))
    assert len(scene.listed(digest)) == 2
    old = scene.registry.manifest(scene.repository, f"{fallback_tag(digest)}.sig")
    assert old
    assert len(old["layers"]) == 2


def once(packed: Packed | PackedIndex, parts: Sequence[Part]) -> tuple[Artifact, ...]:
    return tuple(replace(each, unless_alike=True) for each in bill(packed, parts))


def test_an_sbom_that_another_key_signed_is_not_taken_for_signed(scene: Scene) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec

    other = pem(ec.derive_private_key(5, ec.SECP256R1()))
    digest = scene.push(once, signing_key=other).packed.descriptor.digest
    scene.push(once)
    bundles = [
        Bundle.of(scene.data_of(entry["digest"]))
        for entry in scene.listed(digest)
        if entry.get("annotations", {}).get(PREDICATE) == CYCLONEDX_BOM
    ]
    by = [PUBLIC.verifies(each.envelope.signature, each.envelope.signed) for each in bundles]
    assert by == [False, True]
    assert scene.written(lambda: scene.push(once)) == []


def test_an_sbom_that_is_listed_and_gone_is_attached_again(scene: Scene) -> None:
    digest = scene.push(once, signed=False).packed.descriptor.digest
    (entry,) = scene.listed(digest)
    del scene.registry.manifests[scene.repository, entry["digest"]]
    scene.push(once, signed=False)
    assert (scene.repository, entry["digest"]) in scene.registry.manifests


@pytest.mark.parametrize("sign", [True, False])
def test_a_registry_that_keeps_no_artifacts(scene: Scene, *, sign: bool) -> None:
    """Signed is an error, and then nothing is named; an SBOM is worth a warning."""
    scene.registry.manner = "takes none"
    if sign:
        with pytest.raises(errors.UnreachableError) as caught:
            scene.push(bill)
        assert caught.value.message.startswith("the signature or the SBOM of the image can't be attached to ")
        assert "415" in caught.value.message
        assert scene.tags() == []
    else:
        scene.push(bill, signed=False)
        assert scene.tags() == ["1"]
        assert [text for text in scene.warnings() if "does not take" in text and "415" in text]


@pytest.mark.parametrize(("status", "named"), [(403, True), (507, True), (401, False)])
def test_a_registry_that_refuses_an_sbom_otherwise(scene: Scene, status: int, named: bool) -> None:
    """Firewalls say 403 of a document that is too large. A token that has run out (401) is no answer to the document."""
    scene.push(signing_key="", tags=placed(f"{scene.image}:0"))
    path = f"/v2/{scene.repository}/manifests/sha256:"
    scene.proxy.fail_next("PUT", path, status=status, times=99)
    try:
        scene.push(bill, signed=False)
    except errors.NotAllowedError:
        assert not named
    else:
        assert [text for text in scene.warnings() if "does not take" in text and str(status) in text]
    assert scene.tags() == (["0", "1"] if named else ["0"])


def test_a_large_sbom_is_told_before_a_registry_refuses_it(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flakeship.commands.publish.attaching import bill as bills

    layout_with(scene.folder / "layout", store_path("hello-1.0"), b"#!/bin/sh")
    for most, told in ((100, 1), (1_000_000, 0)):
        monkeypatch.setattr(bills, "_WARNED", most)
        scene.push(signing_key="", sbom=("true",))
        assert len([text for text in scene.warnings() if "GitHub refuses attestations" in text]) == told


def test_a_link_in_the_checkout_is_not_followed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The names of these files are known, so whoever writes the repository may have put a link there."""
    from flakeship import cli

    layout_with(tmp_path / "layout", store_path("hello-1.0"), b"#!/bin/sh")
    victim = tmp_path / "victim"
    victim.write_text("kept")
    links = [tmp_path / "provenance.json", tmp_path / "flakeship-layout-linux-amd64.cdx.json"]
    for link in links:
        link.symlink_to(victim)
    argv = ["publish", "--source", f"oci:{tmp_path}/layout", "--to", f"oci:{tmp_path}/out", "--sbom", "true"]
    code = cli.main([*argv, "--provenance", "--metadata-file", str(tmp_path / "made.json")])
    assert code == 0, capsys.readouterr().err
    assert victim.read_text() == "kept"
    assert [link.is_symlink() for link in links] == [False, False]
    assert json.loads(links[0].read_text())["buildDefinition"]


def test_nothing_is_signed_where_nothing_is_kept_beside_an_image(scene: Scene) -> None:
    result = scene.push(tags=(), to=("oci:out:1",))
    assert result.attached
    assert not result.attached.verify
    assert [text for text in scene.warnings() if text.startswith("the image is not signed")]


def test_what_is_attached_is_taken_for_no_image(scene: Scene) -> None:
    digest = scene.push(bill).packed.descriptor.digest
    tag = fallback_tag(digest)
    again = scene.push(reuse_from=(tag, f"{tag}.sig"), tags=placed(f"{scene.image}:2"))
    assert again.packed.descriptor.digest == digest
    layout = Layout()
    layout.listing(layout.image("c")).folder(scene.folder / "other")
    made = scene.push(
        reuse_from=(tag, f"{tag}.sig"), tags=placed(f"{scene.image}:3"), source=str(scene.folder / "other")
    )
    assert {blob.state for blob in made.published[0].blobs} == {"uploaded"}


FORK: Final = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_EVENT_NAME": "pull_request_target",
    "GITHUB_REPOSITORY": "octo/app",
    "GITHUB_REF": "refs/heads/main",
    "GITHUB_SHA": "8" * 40,
}

INPUTS: Final[dict[str, tuple[dict[str, Any], type[errors.Error], str]]] = {
    "no key": ({"sign": "key", "signing_key": ""}, errors.UsageError, "`signing-key` is empty"),
    "blanks for a key": ({"sign": "key", "signing_key": " \n"}, errors.UsageError, "`signing-key` is empty"),
    "a password alone": (
        {"signing_key": "", "signing_password": "x"},
        errors.UsageError,
        "`signing-key` is empty",
    ),
    "a wrong password": (
        {"signing_key": cosign_key(), "signing_password": "wrong"},
        errors.UsageError,
        "signing-key can't be used: the password does not open it",
    ),
    "no password": (
        {"signing_key": cosign_key()},
        errors.UsageError,
        "it is encrypted, and there is no password",
    ),
    "the name of a file": (
        {"signing_key": "cosign.key"},
        errors.UsageError,
        "it is not a private key in PEM",
    ),
    "a key, and without one": (
        {"sign": "keyless-public"},
        errors.UsageError,
        "`sign` is keyless-public, and `signing-key` is given",
    ),
    "a password, and without a key": (
        {"sign": "keyless", "signing_key": "", "signing_password": "x"},
        errors.UsageError,
        "an image is signed by one of them",
    ),
    "keyless in no job": (
        {"sign": "keyless-public", "signing_key": ""},
        errors.UsageError,
        "no identity to show",
    ),
    "keyless, not known to be public": (
        {"sign": "keyless", "signing_key": ""},
        errors.NotAllowedError,
        "not known to be public",
    ),
}


@pytest.mark.parametrize("kind", INPUTS)
def test_bad_inputs_are_told_before_anybody_is_asked(kind: str, scene: Scene) -> None:
    inputs, error, says = INPUTS[kind]
    before = len(scene.proxy.requests)
    with pytest.raises(error, match=says) as caught:
        scene.push(**inputs)
    assert caught.value.hint
    assert len(scene.proxy.requests) == before
    assert KEY not in caught.value.message + caught.value.hint


@pytest.mark.parametrize(
    ("said", "visibility"),
    [({"private": True}, "private"), ({"visibility": "internal", "private": True}, "internal"), ({}, "")],
)
def test_a_repository_of_github_that_is_not_public_is_told_to_no_log_unasked(
    said: dict[str, Any], visibility: str, scene: Scene, tmp_path: Path
) -> None:
    payload = tmp_path / "event.json"
    payload.write_text(json.dumps({"repository": {"full_name": "octo/app", **said}}))
    environ = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_NAME": "push",
        "GITHUB_EVENT_PATH": str(payload),
        "GITHUB_REPOSITORY": "octo/app",
        "ACTIONS_ID_TOKEN_REQUEST_URL": "https://token.invalid",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "x",
    }
    with pytest.raises(errors.NotAllowedError) as caught:
        scene_keyless(scene, environ, "keyless")
    assert f"octo/app is {visibility or 'not known to be public'}" in caught.value.message
    payload.write_text(json.dumps({"repository": {"full_name": "octo/app", "private": False}}))
    scene_keyless(scene, environ, "keyless")


def test_a_project_of_gitlab_that_is_private_is_told_to_no_log_unasked(scene: Scene) -> None:
    gitlab = {
        "GITLAB_CI": "true",
        "CI_PROJECT_PATH": "a/b",
        "CI_PROJECT_VISIBILITY": "private",
        "CI_COMMIT_SHA": "8" * 40,
        "SIGSTORE_ID_TOKEN": "x",
    }
    with pytest.raises(errors.NotAllowedError, match="the repository a/b is private") as caught:
        scene_keyless(scene, gitlab, "keyless")
    assert "keyless-public" in caught.value.hint
    scene_keyless(scene, gitlab, "keyless-public")


def scene_keyless(scene: Scene, environ: dict[str, str], way: str) -> None:
    settings = Settings(source=str(scene.folder / "layout"), sign=way, tags=placed(f"{scene.image}:1"))
    machine, _ = runtime(scene.folder, environ)
    with open_run(settings, machine) as run:
        Request.of(settings, run)


def test_sign_false_signs_nothing(scene: Scene) -> None:
    settings = Settings(sign="false", signing_key=KEY)
    assert not settings.attaches


def test_a_key_that_ci_keeps_back_does_not_fail_a_run_that_pushes_nothing(scene: Scene) -> None:
    settings = Settings(
        source=str(scene.folder / "layout"),
        sign="key",
        tags=placed(f"{scene.image}:1"),
        created="keep",
        lint="off",
    )
    machine, _ = runtime(scene.folder, FORK)
    with open_run(settings, machine) as run:
        result = publish(Request.of(settings, run), run)
    assert not result.published[0].sent
    forced = replace(settings, allow_untrusted=True)
    with open_run(forced, machine) as run, pytest.raises(errors.UsageError) as caught:
        publish(Request.of(forced, run), run)
    assert "`signing-key` is empty: " in caught.value.message
    assert scene.tags() == []


def _steps(scene: Scene) -> range:
    """The numbers of the requests from the first question of what is attached up to the tag, in a push without faults."""
    before = len(scene.proxy.requests)
    scene.push(bill, Provenance())
    asked = [(each.method, each.path) for each in scene.proxy.requests[before:]]
    first = next(number for number, (_, path) in enumerate(asked) if "/referrers/" in path)
    return range(first, asked.index(("PUT", f"/v2/{scene.repository}/manifests/1")))


def _fail_from(number: int, kind: str, proxy: FaultProxy) -> None:
    match kind:
        case "error":
            proxy.fail_next("*", "", status=500, times=9999, skip=number)
        case "close":
            proxy.reset_next("*", "", times=9999, skip=number)
        case "lost":
            proxy.lose_response("*", "", times=9999, skip=number)
        case _:
            for _ in range(20):  # more than the tries of one request, and the DELETEs of a run that ends
                proxy.hold_next("*", "", skip=number)


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", ["error", *(pytest.param(kind, marks=pytest.mark.long) for kind in ("close", "lost", "hang"))]
)
def test_nothing_is_named_where_attaching_fails_at_any_step(
    kind: str, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each request of the phase in turn, as a push without faults makes them: from there on the registry fails."""
    steps = _steps(scene)
    assert len(steps) > 20
    left = [0]
    exchange = Transport.exchange

    def impatient(*given: Any, **more: Any) -> Any:
        left[0] -= 1
        return exchange(*given, **(more | ({"timeout": 0.03} if left[0] < 0 else {})))

    if kind == "hang":
        monkeypatch.setattr(Transport, "exchange", impatient)
    for number in steps:
        turn = replace(scene, repository=scene.registry.new_repository())
        left[0] = number
        _fail_from(number, kind, scene.proxy)
        with pytest.raises(errors.UnreachableError):
            turn.push(bill, Provenance())
        assert scene.proxy.left
        scene.proxy.clear()
        assert "1" not in turn.tags(), f"named although request {number} of the push failed"
        assert scene.registry.manifests, "the image itself is there, and nothing names it"


@pytest.mark.slow
@pytest.mark.parametrize(
    "status", [400, *(pytest.param(status, marks=pytest.mark.long) for status in (403, 404, 413))]
)
def test_nothing_is_named_where_a_step_is_refused(status: int, scene: Scene) -> None:
    """Whatever is refused of the writes, the signed image gets no name; what is asked may be refused."""
    steps = _steps(scene)
    for number in steps:
        turn = replace(scene, repository=scene.registry.new_repository())
        scene.proxy.fail_next("PUT", "", status=status, times=9999, skip=max(0, number - steps.start))
        refused = scene.proxy.left
        try:
            turn.push(bill, Provenance())
        except errors.Error:
            assert "1" not in turn.tags()
        else:
            assert scene.proxy.left == refused, "it was refused, and all went well"
            scene.proxy.clear()
            break
        scene.proxy.clear()


def test_a_destination_is_not_asked_where_nothing_is_to_be_attached(mocker: MockerFixture) -> None:
    """As for an image of which no SBOM can be made: to call that attached would be false."""
    place, told = mocker.Mock(), list[events.Event]()
    done = Attaching(makers=(), signer=None, emit=told.append).attach(mocker.Mock(), [], [place])
    assert not done.artifacts
    assert not told
    place.attach.assert_not_called()


def test_a_signature_counts_that_every_destination_has(mocker: MockerFixture) -> None:
    """Without a key no two signatures are alike: one that the first registry has, and the second lacks, is made for both."""
    signer = mocker.Mock(outline=lambda each: each, signed=lambda each: each, tagged=lambda *_: None)
    signer.configure_mock(verify=lambda _: "", public_key="")

    def place(*, there: bool) -> Any:
        made = mocker.Mock(leaves_out=lambda each: [there] * len(each))
        made.attach.return_value = Attached()
        return made

    packed = mocker.Mock(spec=Packed, descriptor=Descriptor.of(OCI.manifest, b"{}"))
    for there, kinds in ((False, ["signature"]), (True, [])):
        places = [place(there=True), place(there=there)]
        Attaching(makers=(), signer=signer, emit=mocker.Mock()).attach(packed, [], places)
        for each in places:
            attached = each.attach.call_args
            assert [one.kind for one in (attached.args[0] if attached else [])] == kinds


def test_what_buildkit_lists_beside_images_is_not_signed(mocker: MockerFixture) -> None:
    images = [
        Descriptor(OCI.manifest, digest_of(architecture.encode()), 1, platform=Platform(os, architecture))
        for os, architecture in (("linux", "amd64"), ("unknown", "unknown"), ("linux", "arm64"))
    ]
    index = mocker.Mock(spec=PackedIndex, descriptor=Descriptor.of(OCI.index, b"{}"))
    index.entries = [mocker.Mock(descriptor=each) for each in images]
    assert signed_subjects(index) == [index.descriptor, images[0], images[2]]


def _forgetting(scene: Scene, *, times: int = 1) -> None:
    """Let somebody else, who has read the lists before this run wrote them, write them while it sets the tag."""

    def late(answer: Answer) -> Answer:
        for name in [each for each in scene.registry.manifests if each[1].startswith("sha256-")]:
            del scene.registry.manifests[name]
        return answer

    scene.proxy.change_next("PUT", "/manifests/1", late, times=times)


def test_what_a_late_writer_took_away_is_listed_again(scene: Scene) -> None:
    _forgetting(scene)
    made = scene.push(bill, Provenance())
    digest = made.packed.descriptor.digest
    assert any(
        "had taken what was attached out of the list" in getattr(each, "text", "") for each in scene.told
    )
    assert [entry["artifactType"] for entry in scene.listed(digest)] == [CYCLONEDX, BUNDLE, BUNDLE, BUNDLE]
    assert f"{digest.replace(':', '-')}.sig" in scene.tags()


@pytest.mark.parametrize("signed", [True, False])
def test_what_can_not_be_listed_again_is_told(scene: Scene, *, signed: bool) -> None:
    """The tag is set then: with a signature that may be missing the run fails, and says what to do; the next one mends it."""
    _forgetting(scene)
    tag = "/manifests/sha256-"
    steps = 1 if not signed else 2
    scene.proxy.fail_next("PUT", tag, status=500, times=9, skip=steps)
    if signed:
        with pytest.raises(errors.UnreachableError) as caught:
            scene.push(bill)
        assert "may be listed no more" in caught.value.message
        assert "run again: that attaches what is missing" in caught.value.hint
    else:
        scene.push(bill, signed=False)
        assert any("may be listed no more" in text for text in scene.warnings())
    assert "1" in scene.tags()
    scene.proxy.clear()
    made = scene.push(bill, signed=signed)
    wanted = [CYCLONEDX, BUNDLE, BUNDLE] if signed else [CYCLONEDX]
    assert [entry["artifactType"] for entry in scene.listed(made.packed.descriptor.digest)] == wanted
