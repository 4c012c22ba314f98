"""What a run wrote the next one reads, from a registry and from a folder, and nothing is written without need."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from flakeship.caches.nar_entry import NarCache
from flakeship.caches.packs.pack import PACK_SIZE, WrongNarError
from flakeship.caches.packs.repository import Repository, read_root
from flakeship.caches.packs.root import Root, is_root
from tests.caches.packs.scene import BRANCH, MAIN, SYSTEM, Scene, holds, path_of, some_paths
from tests.testbed.registry import FaultProxy, Registry

DAY = 86400


def test_what_was_written_is_read(repository: Repository, scene: Scene) -> None:
    paths = some_paths(30)
    written = scene.write(repository, paths)
    assert written
    assert (written.paths, written.all_paths) == (30, 30)
    cache = scene.cache(repository)
    served: NarCache = cache  # what the loopback server serves
    assert served.name == f"the cache {repository.name}"
    assert holds(cache, paths) == list(paths)
    assert cache.used == {info.hash_part for info in paths}
    assert list(repository.tags()) == [MAIN.tag]
    assert not scene.warnings
    assert not list(scene.folder.glob("pack-*"))


def test_the_next_run_adds_to_it(repository: Repository, scene: Scene) -> None:
    first, second = some_paths(3, seed="a"), some_paths(4, seed="b")
    scene.write(repository, first)
    written = scene.write(repository, second)
    assert written
    assert (written.paths, written.all_paths) == (4, 7)
    assert len(holds(scene.cache(repository), {**first, **second})) == 7


def test_nothing_new_writes_nothing(repository: Repository, scene: Scene) -> None:
    paths = some_paths(3)
    scene.write(repository, paths)
    before = repository.manifest(MAIN.tag)
    cache = scene.cache(repository)
    holds(cache, paths)
    assert scene.write(repository, {}, after=cache) is None
    assert repository.manifest(MAIN.tag) == before


def test_more_may_come_behind_an_index_that_is_written(repository: Repository, scene: Scene) -> None:
    first, second = some_paths(3, seed="a"), some_paths(4, seed="b")
    writer = scene.writer(repository)
    for info, nar in first.items():
        writer.add(info, [nar])
    early = writer.finish(60, roots=(), closes=False)
    assert early
    assert early.paths == 3
    before = repository.manifest(MAIN.tag)
    assert writer.finish(60, roots=(), closes=False) == early
    assert repository.manifest(MAIN.tag) == before, "nothing new writes nothing"
    for info, nar in second.items():
        writer.add(info, [nar])
    late = writer.finish(60, roots=())
    assert late
    assert (late.paths, late.all_paths) == (7, 7)
    assert len(holds(scene.cache(repository), {**first, **second})) == 7
    assert not scene.warnings


def test_the_own_root_is_preferred_and_the_default_branch_read_beside_it(
    repository: Repository, scene: Scene
) -> None:
    """A build that is not reproducible gives two NARs of one path."""
    (info, nar), (other, other_nar) = path_of("same", b"one"), path_of("same", b"two")
    only, only_nar = path_of("only", b"x")
    scene.write(repository, {info: nar, only: only_nar}, MAIN)
    scene.write(repository, {other: other_nar}, BRANCH)
    cache = scene.cache(repository, BRANCH, MAIN)
    assert holds(cache, {other: other_nar, only: only_nar}) == [other, only]
    assert holds(scene.cache(repository, MAIN), {info: nar}) == [info]


def test_a_root_of_other_attributes_is_found_where_no_other_is(repository: Repository, scene: Scene) -> None:
    paths = some_paths(2)
    scene.write(repository, paths, replace(MAIN, attributes=(".#other",)))
    assert holds(scene.cache(repository, BRANCH, MAIN), paths) == list(paths)
    assert not scene.warnings


REFS = (
    "",
    "日本",
    "中国",
    "feature/x",
    "feature-x",
    "a" * 200,
    "a" * 201,
    MAIN.tag,
    f"{MAIN.family}0",
    ".-",
    "refs/x",
    "x" * 79 + "/y",
)


@pytest.mark.parametrize("ref", REFS)
def test_each_branch_has_a_root_of_its_own_however_it_is_called(scene: Scene, ref: str) -> None:
    """Also one that is called as the root of another begins, or with letters that no tag has."""
    repository, paths = scene.layout(), some_paths(1)
    root = Root(ref, SYSTEM, (".#default",))
    assert is_root(root.tag)
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}", root.tag)
    assert root.tag not in {Root(other, SYSTEM, root.attributes).tag for other in REFS if other != ref}
    scene.write(repository, paths, root)
    assert holds(scene.cache(repository, root), paths) == list(paths)
    assert holds(scene.cache(repository, replace(MAIN, attributes=(".#other",))), paths) == []


def test_an_empty_place_is_an_empty_cache(repository: Repository, scene: Scene) -> None:
    cache = scene.cache(repository, BRANCH, MAIN)
    assert (len(cache), cache.entry("0" * 32)) == (0, None)
    assert not scene.warnings


def test_what_is_not_used_for_days_goes_and_what_is_used_stays(scene: Scene) -> None:
    repository = scene.layout()
    old, lasting = some_paths(2, seed="a"), some_paths(2, seed="b")
    scene.write(repository, old)
    scene.write(repository, lasting)
    for _ in range(4):
        scene.now += 5 * DAY
        cache = scene.cache(repository)
        holds(cache, lasting)
        scene.write(repository, {}, after=cache)
    scene.write(repository, some_paths(1, seed="c"))
    found = scene.cache(repository)
    assert holds(found, {**old, **lasting}) == list(lasting)
    assert len(found.roots[0].manifest.packs) == 2


def test_a_root_keeps_within_its_size(scene: Scene) -> None:
    repository = scene.layout()
    for number in range(4):
        scene.now += 60
        scene.write(repository, some_paths(1, size=100_000, seed=str(number)), size=250_000)
    root = read_root(repository, MAIN.tag)
    assert root
    assert len(root.manifest.packs) == 2
    assert root.index.size <= 250_000
    assert holds(scene.cache(repository), some_paths(1, size=100_000, seed="3"))


def test_a_nar_that_is_not_what_nix_says_is_not_taken(scene: Scene) -> None:
    writer = scene.writer(scene.layout())
    info, nar = path_of("a", b"content")
    for wrong in ([nar, b"\0"], [nar[:-1]], [nar.replace(b"content", b"CONTENT")]):
        with pytest.raises(WrongNarError, match=info.path):
            writer.add(info, wrong)
    assert writer.finish(10) is None
    assert not writer.stopped


def test_packs_are_closed_before_they_are_too_large(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A NAR that is larger than a pack is one of its own. Each is read back."""
    monkeypatch.setattr("flakeship.caches.packs.pack.PACK_SIZE", 1_000_000)
    assert PACK_SIZE == 64 * 1024 * 1024
    repository = scene.layout()
    paths = {
        **some_paths(3, size=400_000, seed="a"),
        **some_paths(1, size=9_000_000, seed="b"),
        **some_paths(3, size=400_000, seed="c"),
    }
    scene.write(repository, paths)
    cache = scene.cache(repository)
    sizes = sorted(size // 100_000 for _, size in cache.roots[0].manifest.packs)
    assert sizes == [4, 4, 8, 8, 90]
    assert holds(cache, paths) == list(paths)


@pytest.mark.slow
def test_a_miss_and_what_lies_beside_cost_no_request(
    scene: Scene, proxy: FaultProxy, registry: Registry
) -> None:
    """They are counted by a proxy, which notes a request before it is answered: the registry logs it behind a large answer."""
    name = registry.new_repository()
    paths = some_paths(200, size=5000)
    scene.write(scene.registry(registry.host, name), paths)
    cache = scene.cache(scene.registry(proxy.host, name), MAIN, BRANCH)
    assert len(proxy.of("GET", name)) == 3, "two manifests, one index"
    assert cache.entry("0" * 32) is None
    assert len(holds(cache, paths)) == 200
    assert len(proxy.of("GET", name)) == 4
    assert len([each for each in proxy.requests if name in each.path]) == 4


def test_what_does_not_fit_is_not_counted_as_kept(scene: Scene) -> None:
    written = scene.write(scene.layout(), some_paths(2, size=5000), size=6000)
    assert written
    assert (written.paths, written.size) == (0, 0)
    (warning,) = scene.warnings
    assert "2 new paths can't be kept in the cache oci:" in warning
    assert warning.endswith("its size is limited to 6 kB")


@pytest.mark.parametrize(
    "changes", [{"system": "aarch64-linux"}, {"attributes": (".#other",)}, {"ref": "mainx"}]
)
def test_a_root_is_of_one_ref_one_system_and_some_attributes(scene: Scene, changes: dict[str, Any]) -> None:
    """What other attributes of the ref have is looked for where there is no root of these."""
    repository, paths = scene.layout(), some_paths(1)
    other = replace(MAIN, **changes)
    scene.write(repository, paths)
    assert bool(holds(scene.cache(repository, other), paths)) == ("attributes" in changes)
    scene.write(repository, some_paths(1, seed="x"), other)
    assert holds(scene.cache(repository, other), paths) == []
    assert len(repository.tags()) == 2


@pytest.mark.slow
def test_a_root_is_an_image_to_any_registry(scene: Scene, registry: Registry) -> None:
    """GitLab refuses an artifactType, and a config of a type of its own."""
    name = registry.new_repository()
    scene.write(scene.registry(registry.host, name), some_paths(3))
    (tag,) = registry.tags(name)
    manifest = registry.manifest(name, tag)
    assert manifest
    assert manifest.keys() == {"schemaVersion", "mediaType", "config", "layers", "annotations"}
    assert manifest["mediaType"] == "application/vnd.oci.image.manifest.v1+json"
    assert manifest["config"]["mediaType"] == "application/vnd.oci.image.config.v1+json"
    kinds = [layer["mediaType"].rpartition(".dev.flakeship.")[2] for layer in manifest["layers"]]
    assert kinds == ["nix-index.v1+zstd", "nar-pack.v1"]
    pack = registry.blob(name, manifest["layers"][1]["digest"])
    assert pack
    assert pack.startswith(b"\x28\xb5\x2f\xfd"), "frames of zstd, which any program reads"
