"""What the jobs of the platforms know of their images is in the provenance of the index, and nothing that they don't know."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from flakeship.attest.provenance import check_predicate
from tests.commands.merge.scene import AMD64, ARM64, BOTH, Jobs, changed
from tests.testbed.registry_memory import MemoryRegistry, registry

pytestmark = pytest.mark.slow

__all__ = ["registry"]

WORKFLOW = "octo/harbour/.github/workflows/image.yml@refs/heads/main"


@pytest.fixture
def jobs(registry: MemoryRegistry, tmp_path: Path) -> Jobs:
    return Jobs(registry, tmp_path, registry.new_repository())


def stated(jobs: Jobs, digest: str) -> dict[str, Any]:
    """The statement that is attached to a manifest."""
    index = jobs.registry.manifest(jobs.repository, digest.replace(":", "-"))
    assert index
    (entry,) = index["manifests"]
    manifest = jobs.registry.manifest(jobs.repository, entry["digest"])
    assert manifest
    return dict(json.loads(jobs.registry.blob(jobs.repository, manifest["layers"][0]["digest"]) or b""))


def test_the_index_is_stated_with_the_runs_of_its_images(jobs: Jobs) -> None:
    for platform in (AMD64, ARM64):
        jobs.push(platform, "--provenance", GITHUB_WORKFLOW_REF=WORKFLOW, GITHUB_RUN_ATTEMPT="1")
    document = json.loads(next(jobs.folder.glob("flakeship-*arm64.json")).read_text())
    jsonschema.validate(
        document, json.loads((Path(__file__).parents[3] / "docs/metadata-file.schema.json").read_text())
    )
    done = jobs.merge(
        ".", "--platforms", BOTH, "--provenance", GITHUB_WORKFLOW_REF=WORKFLOW, GITHUB_RUN_ATTEMPT="2"
    )
    assert done.code == 0, done.log
    digest = jobs.registry.digest(jobs.repository, "1")
    said = stated(jobs, digest)
    index = jobs.registry.manifest(jobs.repository, "1")
    assert index
    wanted = [digest, *(entry["digest"] for entry in index["manifests"])]
    assert [f"sha256:{each['digest']['sha256']}" for each in said["subject"]] == wanted
    check_predicate(said["predicate"])
    assert json.loads((jobs.folder / "provenance.json").read_text()) == said["predicate"]
    images = said["predicate"]["buildDefinition"]["internalParameters"]["images"]
    run = {
        "builder": f"https://github.com/{WORKFLOW}",
        "invocation": "https://github.com/octo/harbour/actions/runs/7/attempts/1",
    }
    assert images == [{"platform": AMD64, "run": run}, {"platform": ARM64, "run": run}]
    assert said["predicate"]["runDetails"]["metadata"]["invocationId"].endswith("/runs/7/attempts/2")
    again = jobs.merge(".", "--platforms", BOTH, "--provenance")
    assert again.code == 0, again.log
    assert stated(jobs, digest) == said
    assert not (jobs.folder / "provenance.json").exists()


def test_a_leg_without_provenance_is_named_and_nothing_is_made_up(jobs: Jobs) -> None:
    jobs.push(AMD64, "--provenance")
    jobs.push(ARM64)
    done = jobs.merge(".", "--platforms", BOTH, "--provenance")
    assert done.code == 0, done.log
    assert "the provenance states nothing of the image for linux/arm64" in done.log
    said = stated(jobs, jobs.registry.digest(jobs.repository, "1"))["predicate"]["buildDefinition"]
    assert said["externalParameters"]["images"][1] == {"platform": ARM64}
    assert [each["platform"] for each in said["internalParameters"]["images"]] == [AMD64]


@pytest.mark.parametrize(
    ("provenance", "why"),
    [({"x": 1}, "buildDefinition is missing"), ("text", "provenance is not what it should be")],
)
def test_provenance_that_was_changed_on_the_way(jobs: Jobs, provenance: Any, why: str) -> None:
    changed(jobs.push(AMD64, "--provenance"), provenance=provenance)
    jobs.push(ARM64)
    done = jobs.merge(".", "--platforms", BOTH, "--provenance")
    assert done.code == 2, done.log
    assert "the file that the job wrote" in done.log
    assert why in done.log
    assert not jobs.registry.digest(jobs.repository, "1")


def test_a_plain_merge_attaches_nothing(jobs: Jobs) -> None:
    jobs.push(AMD64, "--provenance")
    jobs.push(ARM64)
    assert jobs.merge(".", "--platforms", BOTH).code == 0
    digest = jobs.registry.digest(jobs.repository, "1")
    assert not jobs.registry.digest(jobs.repository, digest.replace(":", "-"))
