"""`--nix-cache` through the command: cold runners, each with an empty store of its own, real Nix, a real registry."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.e2e.starting import ended, wait_for
from tests.e2e.test_github_pushing import pull_request
from tests.testbed.nix import MakeFlake
from tests.testbed.own_store import OwnStores
from tests.testbed.registry import FaultProxy, Registry

pytestmark = pytest.mark.slow

BUILT = re.compile(r"building '/nix/store/\w+-(.*)\.drv'")


def built(stderr: str) -> list[str]:
    """The derivations that were built, in any order."""
    return sorted(BUILT.findall(stderr))


def told(stderr: str) -> str:
    """The line about caches, of which there is one."""
    (line,) = (line for line in stderr.splitlines() if line.startswith("Nix: "))
    return line.removeprefix("Nix: ")


@pytest.fixture
def flake(make_flake: MakeFlake) -> Path:
    """A flake of which nothing was built, with a script that needs a package, an archive, and a package that fails behind another."""
    folder = make_flake(fresh=True)
    text = (folder / "flake.nix").read_text()
    more = """
          archived = make "archived.tar" "echo ${hello} >/dev/null; $b cp ${archives}/layered.tar $out" { imageName = "registry.example/shapes"; imageTag = "1.0"; };
          behind = make "behind" "echo ${hello}; exit 3" { };
          slow = make "slow" "echo ${hello}; echo asleep; $b sleep 1000" { };
    """
    (folder / "flake.nix").write_text(text.replace("default = hello;", f"default = hello;{more}"))
    return folder


@pytest.mark.parametrize("place", ["oci", "registry"])
def test_a_cold_runner_builds_nothing_that_another_has_built(
    cold: OwnStores, flake: Path, proxy: FaultProxy, tmp_path: Path, place: str
) -> None:
    """And what nothing was added to is not written: the registry is asked for the two roots' manifest, index and frames alone."""
    image = f"{proxy.host}/test/{tmp_path.name.replace('_', '-')}-{time.monotonic_ns():x}"
    cache = f"oci:{tmp_path}/cache" if place == "oci" else "registry"
    flags = ("--flake", ".#hello", "--images", image, "--reuse", "off", "--nix-cache", cache)
    first = cold().publish(*flags, "--push", "true", cwd=flake)
    assert first.code == 0, first.stderr
    assert built(first.stderr) == ["hello-2.12"]
    name = f"the cache {cache if place == 'oci' else image + '/nix-cache'}"
    assert re.fullmatch(rf"1 derivation built here; 2 new in {re.escape(name)} \(.*\)", told(first.stderr))

    before = len(proxy.requests)
    runner = cold()
    second = runner.publish(*flags, "--push", "true", cwd=flake)
    assert second.code == 0, second.stderr
    assert built(second.stderr) == []
    assert f"from '{name}'" in second.stderr
    assert told(second.stderr) == f"1 path from {name}; nothing new in {name}"
    asked = [each for each in proxy.requests[before:] if "/nix-cache/" in each.path]
    assert not [each for each in asked if each.method not in ("GET", "HEAD")]
    assert len(asked) <= (0 if place == "oci" else 4), [(each.method, each.path) for each in asked]
    assert runner.paths("hello-2.12")


def test_what_was_built_before_a_build_failed_is_kept_and_images_are_not(
    cold: OwnStores, flake: Path, tmp_path: Path
) -> None:
    cache = ("--nix-cache", f"oci:{tmp_path}/cache")
    failed = cold().publish("--flake", ".#behind", "--to", "oci:x", *cache, cwd=flake)
    assert failed.code == 3
    assert built(failed.stderr) == ["behind", "hello-2.12"]
    assert "2 new in" in told(failed.stderr)
    archived = cold().publish("--flake", ".#archived", "--to", "oci:x", *cache, cwd=flake)
    assert archived.code == 0, archived.stderr
    assert built(archived.stderr) == ["archived.tar"]
    assert told(archived.stderr).endswith(f"nothing new in the cache oci:{tmp_path}/cache")


def test_a_signal_leaves_five_seconds_to_keep_what_was_built(
    cold: OwnStores, flake: Path, tmp_path: Path
) -> None:
    runner, cache = cold(), ("--nix-cache", f"oci:{tmp_path}/cache")
    process = subprocess.Popen(
        runner.command(
            sys.executable, "-m", "flakeship", "publish", "--flake", ".#slow", "--to", "oci:x", *cache
        ),
        cwd=flake,
        env=runner.environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_for(process, "asleep")
    time.sleep(2.5)  # what was built is gathered for a second, and pushed
    code, said, seconds = ended(process, 15)
    assert code == 143, said
    assert seconds < 5
    assert "2 new in" in told(said)


def test_a_fork_reads_and_writes_nothing(
    cold: OwnStores, flake: Path, registry: Registry, tmp_path: Path
) -> None:
    name = f"{registry.host}/{registry.new_repository()}"
    flags = ("--flake", ".#hello", "--images", name, "--reuse", "off", "--nix-cache", "registry")
    main = {"GITHUB_REF": "refs/heads/main", "GITHUB_REF_NAME": "main"}
    project = {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(flake), **pull_request(tmp_path, "me/app")}
    (tmp_path / "event.json").write_text('{"repository": {"full_name": "me/app", "default_branch": "main"}}')
    push = {**project, **main, "GITHUB_EVENT_NAME": "push"}
    assert cold().publish(*flags, cwd=flake, **push).code == 0
    assert len(registry.tags(f"{name.partition('/')[2]}/nix-cache")) == 1

    fork = {**project, **pull_request(tmp_path, "them/app")}
    done = cold().publish(*flags, cwd=flake, **fork)
    assert done.code == 0, done.stderr
    assert built(done.stderr) == []
    new = cold().publish("--flake", ".#stream", *flags[2:], cwd=flake, **fork)
    assert (new.code, built(new.stderr)[-1]) == (0, "stream-shapes"), new.stderr
    assert "nothing is written to the cache" in new.stderr
    assert len(registry.tags(f"{name.partition('/')[2]}/nix-cache")) == 1


def test_a_registry_that_is_down_costs_a_warning(cold: OwnStores, flake: Path) -> None:
    begun = time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        place = f"docker://127.0.0.1:{listener.getsockname()[1]}/cache"
    done = cold().publish("--flake", ".#hello", "--to", "oci:x", "--nix-cache", place, cwd=flake)
    assert done.code == 0, done.stderr
    assert built(done.stderr) == ["hello-2.12"]
    warnings = [line for line in done.stderr.splitlines() if line.startswith("warning: ")]
    assert len(warnings) == 1, done.stderr
    assert "nothing new" in told(done.stderr)
    assert time.monotonic() - begun < 10


def test_what_another_key_signed_is_built_anew(
    cold: OwnStores, flake: Path, tmp_path: Path, nix_environ: Mapping[str, str]
) -> None:
    def key(name: str) -> str:
        argv = ("nix", "key", "generate-secret", "--key-name", name)
        return subprocess.run(argv, env=nix_environ, check=True, capture_output=True, text=True).stdout

    flags = ("--flake", ".#hello", "--to", "oci:x", "--nix-cache", f"oci:{tmp_path}/cache")
    ours, theirs = key("ours-1"), key("theirs-1")
    assert cold().publish(*flags, cwd=flake, FLAKESHIP_NIX_CACHE_KEY=theirs).code == 0
    anew = cold().publish(*flags, cwd=flake, FLAKESHIP_NIX_CACHE_KEY=ours)
    assert (anew.code, built(anew.stderr)) == (0, ["hello-2.12"]), anew.stderr
    again = cold().publish(*flags, cwd=flake, FLAKESHIP_NIX_CACHE_KEY=ours)
    assert (again.code, built(again.stderr)) == (0, []), again.stderr
    assert "warning" not in again.stderr
    assert ours.strip() not in again.stderr
