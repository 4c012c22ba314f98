"""`flakeship cache list|prune|verify`: of a folder, of a real registry, and of what is wrong with either."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeAlias

import pytest

from flakeship.caches.packs.repository import Repository, read_root
from flakeship.commands.cache.command import run
from flakeship.commands.runtime import Runtime
from flakeship.errors import Error, RejectedError, UsageError
from flakeship.events import Event
from flakeship.image.document import encode as encode_json
from flakeship.settings.arguments import read
from tests.caches.packs.scene import BRANCH, MAIN, Scene, WithoutTime, holds, some_paths
from tests.runtimes import runtime as runtime_of
from tests.testbed.registry import FaultProxy, Registry

DAY = 86400
Cache: TypeAlias = Callable[..., str]


def cache_of(scene: Scene, *words: str, **environ: str) -> tuple[str, Runtime, list[Event]]:
    """What the command prints, as of the time that the scene's clock shows."""
    machine, told = runtime_of(scene.folder, environ)
    machine = replace(machine, now=datetime.fromtimestamp(scene.now, UTC), temporary=scene.folder)
    return run(read(["cache", *words], {}, None).settings, machine), machine, told


def printed(scene: Scene, *words: str, **environ: str) -> str:
    return cache_of(scene, *words, **environ)[0]


def document(scene: Scene, *words: str) -> Any:
    return json.loads(printed(scene, *words, "--json"))


@pytest.fixture(params=["layout", pytest.param("registry", marks=pytest.mark.slow)])
def place(request: pytest.FixtureRequest, scene: Scene) -> tuple[Repository, str]:
    """A repository, and how it is written in `nix-cache`."""
    if request.param == "layout":
        return scene.layout(), "oci:layout"
    registry: Registry = request.getfixturevalue("registry")
    request.getfixturevalue("monkeypatch").setattr(
        "flakeship.commands.cache.command.RegistryRepository", WithoutTime
    )
    name = registry.new_repository()
    return scene.registry(registry.host, name), f"docker://{registry.host}/{name}"


def test_roots_are_listed(place: tuple[Repository, str], scene: Scene) -> None:
    repository, named = place
    scene.write(repository, some_paths(3))
    scene.now += 3 * DAY
    scene.write(repository, some_paths(1, seed="b"), BRANCH)
    scene.now += 3600
    listed = document(scene, "list", "--nix-cache", named)
    assert (listed["cache"], listed["paths"], listed["otherTags"]) == (repository.name, 4, 0)
    first, second = listed["roots"]
    assert (first["tag"], first["paths"], first["idle"], first["problem"]) == (BRANCH.tag, 1, 3600, "")
    assert (second["tag"], second["paths"], second["packs"], second["oldest"]) == (
        MAIN.tag,
        3,
        1,
        3 * DAY + 3600,
    )
    lines = printed(scene, "--nix-cache", named).splitlines()
    assert lines[0].startswith(f"{repository.name}: 2 roots, 4 paths, ")
    assert lines[1].startswith(f"{BRANCH.tag}  ")
    assert lines[1].endswith("used 1 h ago, the oldest path 1 h ago")


def test_what_is_whole_is_verified(scene: Scene) -> None:
    repository, named = scene.layout(), "oci:layout"
    scene.write(repository, some_paths(3))
    scene.write(repository, some_paths(2, seed="b"))
    found = document(scene, "verify", "--nix-cache", named)
    assert (found["roots"], found["paths"], found["problems"]) == (1, 5, [])
    assert "1 root, 5 paths" in printed(scene, "verify", "--nix-cache", named)


def test_pruning_removes_old_roots_and_paths(place: tuple[Repository, str], scene: Scene) -> None:
    repository, named = place
    old, lasting = some_paths(2, seed="a"), some_paths(2, seed="b")
    scene.write(repository, some_paths(1, seed="c"), BRANCH)
    scene.write(repository, old)
    scene.now += 10 * DAY
    scene.write(repository, lasting)
    scene.now += 5 * DAY
    done = document(scene, "prune", "--nix-cache", named)
    assert (done["removed"], done["rewritten"], done["byHand"]) == ([BRANCH.tag], [MAIN.tag], {})
    assert done["freed"] > 3000
    assert list(repository.tags()) == [MAIN.tag]
    cache = scene.cache(repository)
    assert holds(cache, {**old, **lasting}) == list(lasting)
    again = document(scene, "prune", "--nix-cache", named)
    assert (again["removed"], again["rewritten"], again["freed"]) == ([], [], 0)


def test_half_empty_packs_are_written_anew(place: tuple[Repository, str], scene: Scene) -> None:
    """Of the pack only one path is still used: it keeps the time of its last use."""
    repository, named = place
    paths = some_paths(5, size=20_000)
    kept = dict(list(paths.items())[:1])
    scene.write(repository, paths)
    scene.now += 10 * DAY
    cache = scene.cache(repository)
    holds(cache, kept)
    scene.write(repository, {}, after=cache)
    used = scene.now
    scene.now += 5 * DAY
    assert document(scene, "prune", "--nix-cache", named)["rewritten"] == [MAIN.tag]
    root = read_root(repository, MAIN.tag)
    assert root
    assert root.index.size < 25_000
    assert [line.used for line in root.index.held.values()] == [int(used)]
    assert holds(scene.cache(repository), paths) == list(kept)


def test_many_small_packs_are_joined(scene: Scene) -> None:
    repository, named = scene.layout(), "oci:layout"
    every = {}
    for number in range(10):
        paths = some_paths(1, seed=str(number))
        scene.write(repository, paths)
        every.update(paths)
    document(scene, "prune", "--nix-cache", named)
    root = read_root(repository, MAIN.tag)
    assert root
    assert len(root.manifest.packs) == 1
    assert holds(scene.cache(repository), every) == list(every)


def test_parameters_of_the_place_say_what_is_kept(scene: Scene) -> None:
    repository = scene.layout()
    for number in range(3):
        scene.now += 60
        scene.write(repository, some_paths(1, size=100_000, seed=str(number)))
    document(scene, "prune", "--nix-cache", "oci:layout?size=250K")
    root = read_root(repository, MAIN.tag)
    assert root
    assert len(root.index.held) == 2


def test_damage_is_told_path_by_path(scene: Scene) -> None:
    repository = scene.layout()
    paths = some_paths(3)
    scene.write(repository, paths)
    root = read_root(repository, MAIN.tag)
    assert root
    [pack] = root.index.packs
    line = root.index.held[next(iter(paths)).hash_part]
    blob = scene.folder / "layout/blobs" / pack.replace(":", "/")
    data = bytearray(blob.read_bytes())
    data[line.offset + 9] ^= 1
    blob.write_bytes(data)
    machine, _ = runtime_of(scene.folder)
    with pytest.raises(RejectedError, match="is damaged in 2 places") as caught:
        run(read(["cache", "verify", "--nix-cache", "oci:layout"], {}, None).settings, machine)
    assert "flakeship cache prune" in caught.value.hint
    assert isinstance(machine.stdout, io.BytesIO)
    text = machine.stdout.getvalue().decode()
    assert f"damaged  {pack[:19]}: the pack is damaged" in text
    assert f"damaged  {MAIN.tag}: {line.entry.path} is not the frame that the index tells of" in text
    blob.unlink()
    with pytest.raises(RejectedError, match=r"is damaged in 1 place$"):
        printed(scene, "verify", "--nix-cache", "oci:layout")


def test_a_root_that_nobody_can_read_is_told_and_removed(scene: Scene) -> None:
    repository = scene.layout()
    scene.write(repository, some_paths(1))
    root = read_root(repository, MAIN.tag)
    assert root
    (scene.folder / "layout/blobs" / root.manifest.index[0].replace(":", "/")).write_bytes(b"x")
    [listed] = document(scene, "--nix-cache", "oci:layout")["roots"]
    assert "is damaged" in listed["problem"]
    assert document(scene, "prune", "--nix-cache", "oci:layout")["removed"] == [MAIN.tag]
    assert repository.tags() == []


def test_what_another_tool_or_a_later_version_made_is_left(scene: Scene) -> None:
    repository = scene.layout()
    manifest = {"schemaVersion": 2, "layers": [], "mediaType": "application/vnd.oci.image.manifest.v1+json"}
    repository.put(MAIN.tag, encode_json(manifest), instead_of=None)
    repository.put("latest", encode_json(manifest), instead_of=None)
    text, _, told = cache_of(scene, "prune", "--nix-cache", "oci:layout")
    assert f"left     {MAIN.tag}" in text
    assert len(told) == 1
    assert sorted(repository.tags()) == ["latest", MAIN.tag]
    listed = document(scene, "--nix-cache", "oci:layout")
    assert listed["otherTags"] == 1
    assert "is no cache of flakeship" in listed["roots"][0]["problem"]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([], "needs a cache to look at, and none is named"),
        (["--nix-cache", "oci:nowhere"], "there is no folder"),
        (["--nix-cache", "oci:/proc/self"], "is neither empty nor an OCI image layout"),
        (["--nix-cache", "registry"], "is beside an image, and no image is named"),
        (["--nix-cache", "registry", "--images", "me/app"], "Docker Hub has no repository"),
        (["--nix-cache", "https://cache.example.org"], "a binary cache of another kind has no roots"),
        (["--nix-cache", "oci:x?size=lots"], "size is 'lots', which is not a size"),
    ],
)
def test_what_can_be_told_before_anything_is_asked(scene: Scene, words: list[str], reason: str) -> None:
    with pytest.raises(UsageError) as caught:
        printed(scene, *words)
    assert reason in caught.value.message


@pytest.mark.slow
def test_beside_an_image(scene: Scene, registry: Registry) -> None:
    name = registry.new_repository()
    scene.write(scene.registry(registry.host, f"{name}/nix-cache"), some_paths(1))
    image = f"{registry.host}/{name}"
    listed = document(scene, "--nix-cache", "registry", "--images", image)
    assert [root["tag"] for root in listed["roots"]] == [MAIN.tag]
    gitlab = {"GITLAB_CI": "true", "CI_REGISTRY": registry.host, "CI_REGISTRY_IMAGE": image}
    assert MAIN.tag in printed(scene, "--nix-cache", "registry", **gitlab)


@pytest.mark.slow
@pytest.mark.parametrize("status", [401, 403, 404, 429])
def test_a_refusal_is_an_error(scene: Scene, proxy: FaultProxy, registry: Registry, status: int) -> None:
    """A repository that is not there is an empty one."""
    proxy.fail_next("GET", "/tags/list", status=status, times=9)
    words = ("--nix-cache", f"docker://{proxy.host}/{registry.new_repository()}")
    if status == 404:
        assert document(scene, *words)["roots"] == []
        return
    with pytest.raises(Error, match=f"was answered {status}") as caught:
        printed(scene, *words)
    assert caught.value.exit_code == (6 if status == 429 else 5)


@pytest.mark.slow
def test_a_registry_that_removes_nothing(scene: Scene, proxy: FaultProxy, registry: Registry) -> None:
    """What is left to do is printed: GHCR answers 405."""
    name = registry.new_repository()
    scene.now -= 20 * DAY
    scene.write(scene.registry(registry.host, name), some_paths(1))
    scene.now += 20 * DAY
    proxy.fail_next("DELETE", "/manifests/", status=405, times=9)
    text = printed(scene, "prune", "--nix-cache", f"docker://{proxy.host}/{name}")
    assert f"remove it by hand: {MAIN.tag} (" in text
    assert registry.tags(name) == [MAIN.tag]


def test_a_folder_is_tidied(scene: Scene) -> None:
    """A run that was killed left a pack that nothing lists, and one is writing another just now."""
    repository = scene.layout()
    scene.write(repository, some_paths(1))
    folder = scene.folder / "layout/blobs/sha256"
    (folder / ("0" * 64)).write_bytes(b"old")
    (folder / ("1" * 64)).write_bytes(b"new")
    os.utime(folder / ("0" * 64), (1, 1))
    assert document(scene, "prune", "--nix-cache", "oci:layout")["freed"] == 3
    assert not (folder / ("0" * 64)).exists()
    assert (folder / ("1" * 64)).exists()
