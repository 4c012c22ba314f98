"""What a merge tells of what changed in the image since its tag named another, in the log, in the file and on a pull request."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.commands.merge.scene import AMD64, ARM64, BOTH, GITHUB, Jobs, Said
from tests.metadata import events
from tests.testbed.github_comments import TOKEN, CommentApi, api
from tests.testbed.registry_memory import MemoryRegistry, registry
from tests.testbed.store_images import image_folder, paths_of

pytestmark = pytest.mark.slow

__all__ = ["api", "registry"]

BASE = ["busybox-1.36", "openssl-3.0.8"]
CHANGED = ["busybox-1.36", "openssl-3.0.14"]


@pytest.fixture
def jobs(registry: MemoryRegistry, tmp_path: Path) -> Jobs:
    return Jobs(registry, tmp_path, registry.new_repository())


def merged(jobs: Jobs, names: list[str], tag: str, *flags: str, **environ: str) -> Said:
    """Two legs of an image of these packages, and the merge of them."""
    (name,) = {f"image-{'-'.join(names)}"}
    folder = jobs.folder / name
    if not folder.exists():
        image_folder(folder, *(paths_of(each) for each in names))
    for file in jobs.folder.glob("flakeship-*.json"):
        file.unlink()
    for platform in (AMD64, ARM64):
        leg = ("--override-platform", platform, "--push-by-digest", "--tags", f"{jobs.image}:{tag}")
        done = jobs.flakeship("publish", "--source", name, *leg, **environ)
        assert done.code == 0, done.log
    done = jobs.merge(".", "--platforms", BOTH, *flags, **environ)
    assert done.code == 0, done.log
    return done


def test_changes_since_the_tag_named_another_are_told(jobs: Jobs) -> None:
    def document() -> dict[str, Any]:
        return dict(json.loads((jobs.folder / "made.json").read_text()))

    first = merged(jobs, BASE, "1", "--metadata-file", "made.json")
    assert "since" not in first.log
    assert "flakeship.difference" not in document()
    second = merged(jobs, CHANGED, "1", "--metadata-file", "made.json")
    for platform in (AMD64, ARM64):
        assert f"since {jobs.image}:1 ({platform}): " in second.log
    assert second.log.count("openssl  3.0.8 → 3.0.14") == 2
    told = document()["flakeship.difference"]
    assert told["since"] == f"{jobs.image}:1"
    assert [each["platform"] for each in told["platforms"]] == [AMD64, ARM64]
    before = len(jobs.registry.accesses(jobs.repository))
    again = merged(jobs, CHANGED, "1", "--metadata-file", "made.json")
    assert "flakeship.difference" not in document()
    assert "since" not in again.log
    asked = [each.path for each in jobs.registry.accesses(jobs.repository)[before:] if each.method == "GET"]
    manifest = jobs.registry.manifest(jobs.repository, "1") or {}
    children = [
        jobs.registry.manifest(jobs.repository, each["digest"]) or {} for each in manifest["manifests"]
    ]
    layers = [layer["digest"] for each in children for layer in each["layers"]]
    assert len(layers) == 4
    assert not [path for path in asked if any(layer in path for layer in layers)]


def test_an_earlier_image_that_can_not_be_read_stops_nothing(jobs: Jobs, registry: MemoryRegistry) -> None:
    merged(jobs, BASE, "1")
    kind, _ = registry.manifests[jobs.repository, "1"]
    registry.manifests[jobs.repository, "1"] = (kind, b'{"broken')
    assert "since" not in merged(jobs, CHANGED, "1").log


def test_a_merge_keeps_the_comment_on_a_pull_request(jobs: Jobs, api: CommentApi, tmp_path: Path) -> None:
    """Against the image of the target branch, of which the legs say nothing: they have no name."""
    merged(jobs, BASE, "main")
    jobs.environ = GITHUB | events.github("pr 7 to main", tmp_path) | {"GITHUB_API_URL": api.url}
    comment = {"FLAKESHIP_GITHUB_TOKEN": TOKEN, "FLAKESHIP_PR_COMMENT": "true"}
    done = merged(jobs, CHANGED, "pr-7", **comment)
    assert f"a comment on pull request 7 says what changed in {jobs.image}" in done.log
    (body,) = api.bodies(7)
    assert body.count(f"**Since <code>{jobs.image.replace(':', '&#58;')}&#58;main</code>, linux") == 2
    assert body.count("openssl  3.0.8 → 3.0.14") == 2
    again = merged(jobs, CHANGED, "pr-7", **comment)
    assert "was brought up to date" in again.log
    assert len(api.bodies(7)) == 1
