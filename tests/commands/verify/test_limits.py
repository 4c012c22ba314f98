"""Whoever may write to a repository can attach without end: `verify` reads so much and no more, and never says that it has looked at all of it then."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from flakeship.commands.verify import command, images
from flakeship.commands.verify.attached import Allowance
from flakeship.image.document import encode
from flakeship.registry import client
from tests.commands.verify.scene import Scene, lines
from tests.commands.verify.test_verify import put
from tests.sources.layouts import INDEX, MANIFEST
from tests.testbed.registry_memory import memory_registry_of
from tests.testbed.registry_referrers import ReferrersRegistry

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def running() -> Iterator[ReferrersRegistry]:
    with memory_registry_of(ReferrersRegistry) as registry:
        yield registry


@pytest.fixture
def scene(running: ReferrersRegistry, tmp_path: Path) -> Scene:
    running.manner = "lies"
    return Scene(running, tmp_path, running.new_repository())


@pytest.mark.parametrize(
    ("most", "verified"),
    [
        ({"artifacts": 5}, True),
        ({"artifacts": 4}, False),  # the last is the signature under the tag
        ({"artifacts": 3}, False),
        ({"size": 4_000}, False),
    ],
)
def test_nothing_is_verified_of_which_something_was_left_unread(
    most: dict[str, int], scene: Scene, monkeypatch: pytest.MonkeyPatch, *, verified: bool
) -> None:
    """An SBOM, the signatures of both, and provenance; and the signature under the tag."""
    scene.publish("amd64")
    monkeypatch.setattr(command, "Allowance", partial(Allowance, **most))
    found = scene.verify()
    assert found.verified is verified, lines(found)
    told = [each for each in found.errors if "more is attached to sha256:" in each.text]
    assert bool(told) is not verified
    assert all("1,000 artifacts" in each.text and "not all of it was looked at" in each.hint for each in told)


def test_reading_ends_at_the_limit(
    scene: Scene, running: ReferrersRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = scene.publish("amd64")
    junk = [{"mediaType": MANIFEST, "digest": f"sha256:{number:064x}", "size": 1} for number in range(500)]
    listed = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [*junk, *scene.attached(digest)]}
    running.manifests[scene.repository, digest.replace(":", "-")] = (INDEX, encode(listed))
    monkeypatch.setattr(command, "Allowance", partial(Allowance, artifacts=20))
    before = len(running.accesses(scene.repository))
    assert not scene.verify().verified
    assert len(running.accesses(scene.repository)) - before < 60


def test_an_index_that_leads_to_too_much_is_refused(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it lists twice is read once all the same."""
    scene.publish()
    index = scene.registry.manifest(scene.repository, "1") or {}
    entries = index["manifests"]
    put(scene, {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries * 3}, "odd")
    before = len(scene.registry.accesses(scene.repository))
    assert not scene.verify(":odd", key="").errors
    asked = [each.path for each in scene.registry.accesses(scene.repository)[before:]]
    child = scene.registry.manifest(scene.repository, entries[0]["digest"]) or {}
    assert sum(path.endswith(child["layers"][0]["digest"]) for path in asked) == 1
    monkeypatch.setattr(images, "_MOST", 5)
    (error,) = scene.verify(":odd", key="").errors
    assert "an index that leads to more than 5 manifests" in error.text


def test_a_list_that_does_not_end_is_not_looked_at_wholly(
    scene: Scene, running: ReferrersRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stand-in's API tells one entry a page, and there are four."""
    running.manner = "tells"
    scene.publish("amd64")
    monkeypatch.setattr(client, "_MOST_PAGES", 4)
    assert scene.verify().verified
    monkeypatch.setattr(client, "_MOST_PAGES", 3)
    found = scene.verify()
    assert not found.verified
    assert any("does not end: 3 entries were read" in each.text for each in found.errors)
    assert scene.publish("amd64"), "who only attaches is not stopped"
