"""A merge with two tags in each of two repositories, signed and with provenance, where the registry fails one request after another."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import pytest

from flakeship import cli
from tests.attest.test_keys import P256, pem
from tests.commands.merge.scene import AMD64, ARM64, BOTH, Jobs, Said
from tests.testbed.registry_memory import MemoryRegistry, registry
from tests.testbed.registry_proxy import FaultProxy, fault_proxy

pytestmark = [pytest.mark.slow, pytest.mark.long]

__all__ = ["registry"]

TAGS: Final = ("1", "latest")
KEY: Final = {"FLAKESHIP_SIGNING_KEY": pem(P256)}


@dataclass(slots=True)
class Fleet:
    """Legs that are in both repositories, with SBOMs of their own, and what the registry held before they are merged."""

    registry: MemoryRegistry
    proxy: FaultProxy
    jobs: Jobs
    repositories: tuple[str, str]
    files: list[str] = field(init=False)
    begun: tuple[dict[Any, Any], dict[Any, Any]] = field(init=False)

    def __post_init__(self) -> None:
        names = "\n".join(f"{self.proxy.host}/{each}:{tag}" for each in self.repositories for tag in TAGS)
        flags = ("--tags", names, "--sbom", "true", "--provenance", "--sign", "key")
        self.files = [str(self.jobs.push(platform, *flags, **KEY)) for platform in (AMD64, ARM64)]
        self.begun = dict(self.registry.blobs), dict(self.registry.manifests)

    def merge(self) -> Said:
        return self.jobs.merge(*self.files, "--platforms", BOTH, "--provenance", "--sign", "key", **KEY)

    def restore(self) -> None:
        held: tuple[dict[Any, Any], dict[Any, Any]] = self.registry.blobs, self.registry.manifests
        for now, then in zip(held, self.begun, strict=True):
            now.clear()
            now.update(then)

    def tags(self) -> dict[str, set[str]]:
        return {each: set(self.registry.tags(each)) for each in self.repositories}

    def named(self) -> set[tuple[str, str]]:
        return {(each, tag) for each, found in self.tags().items() for tag in found & {*TAGS}}


@pytest.fixture
def fleet(registry: MemoryRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    unhurried = {name: getattr(time, name) for name in dir(time) if not name.startswith("_")}
    monkeypatch.setattr(cli, "time", SimpleNamespace(**unhurried | {"sleep": lambda _: None}))
    with fault_proxy(registry.host) as proxy:
        repositories = registry.new_repository(), registry.new_repository()
        yield Fleet(registry, proxy, Jobs(registry, tmp_path, repositories[0]), repositories)


def steps_of(proxy: FaultProxy, begun: int) -> list[tuple[str, str]]:
    """Method and pattern of each request since then. The place of an upload has another name each time, so its repository stands for it."""
    found: dict[tuple[str, str], None] = {}
    for each in proxy.requests[begun:]:
        repository, uploads, _ = each.path.partition("/blobs/uploads/")
        digest = re.search(r"digest=[^&]+", each.path)
        pattern = re.escape(repository + uploads) + (f".*{digest[0]}" if digest else "")
        found[each.method, pattern if uploads else f"^{re.escape(each.path)}$"] = None
    return list(found)


def without_digests(method: str, pattern: str) -> tuple[str, str]:
    """Of what holds the time of a run, as provenance does: all requests of this kind to the repository fail."""
    return method, re.sub(r"sha256(:|%3A)[0-9a-f]{64}", "sha256.*", pattern)


def good_run(fleet: Fleet) -> tuple[list[tuple[str, str]], dict[str, set[str]]]:
    """Its requests, and the tags that are there then."""
    fleet.restore()
    begun = len(fleet.proxy.requests)
    done = fleet.merge()
    assert done.code == 0, done.log
    assert fleet.named() == {(each, tag) for each in fleet.repositories for tag in TAGS}
    return steps_of(fleet.proxy, begun), fleet.tags()


@pytest.mark.parametrize("status", [403, 500])
def test_nothing_is_named_where_any_request_fails(status: int, fleet: Fleet) -> None:
    once, right = good_run(fleet)
    twice, _ = good_run(fleet)
    steps = list(dict.fromkeys(each if each in twice else without_digests(*each) for each in once))
    assert len(steps) > 20
    failed = 0
    for method, pattern in steps:
        fleet.restore()
        fleet.proxy.fail_next(method, pattern, status=status, times=999)
        done = fleet.merge()
        is_met = (
            fleet.proxy.left < 999
        )  # which threads ask first decides whether the referrers API is asked again
        fleet.proxy.clear()
        what = f"{method} {pattern} {status}\n{done.log}"
        assert is_met or done.code == 0, what
        if done.code == 0:
            assert fleet.tags() == right, what
            continue
        failed += 1
        is_name = method == "PUT" and pattern.endswith(tuple(f"/manifests/{tag}$" for tag in TAGS))
        if not is_name:
            assert not fleet.named(), what
        again = fleet.merge()
        assert again.code == 0, f"{what}\n{again.log}"
        assert fleet.tags() == right, what
    assert failed > len(steps) / 2
