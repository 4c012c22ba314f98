"""`--nix-cache` through the command: cold runners, each with an empty store of its own, real Nix, a real registry."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import tarfile
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.e2e.starting import ended, wait_for
from tests.e2e.test_github_pushing import pull_request
from tests.testbed.command import Publish
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


def test_a_cold_runner_builds_nothing_that_another_has_built_and_a_fork_writes_nothing(
    cold: OwnStores, flake: Path, proxy: FaultProxy, registry: Registry, tmp_path: Path
) -> None:
    repository = registry.new_repository()
    image = f"{proxy.host}/{repository}"
    flags = ("--images", image, "--reuse", "off", "--nix-cache", "registry")
    pull = pull_request(tmp_path, "them/app")
    fork = {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(flake), **pull}
    push = {"GITHUB_REF": "refs/heads/main", "GITHUB_EVENT_NAME": "push", "GITHUB_EVENT_PATH": ""}
    main = {**fork, **push, "GITHUB_STEP_SUMMARY": str(tmp_path / "page")}
    first = cold().publish("--flake", ".#hello", *flags, cwd=flake, **main)
    assert first.code == 0, first.stderr
    assert built(first.stderr) == ["hello-2.12"]
    name = f"the cache {image}/nix-cache"
    assert re.fullmatch(rf"1 derivation built here; 2 new in {re.escape(name)} \(.*\)", told(first.stderr))
    assert "1 derivation built here; 2 new in the cache" in (tmp_path / "page").read_text()
    (root,) = registry.tags(f"{repository}/nix-cache")
    assert root.startswith("main-x86_64-linux-")

    before, runner = len(proxy.requests), cold()
    second = runner.publish("--flake", ".#hello", *flags, cwd=flake, **main)
    assert (second.code, built(second.stderr)) == (0, []), second.stderr
    assert told(second.stderr) == f"1 path from {name}; nothing new in {name}"
    assert not runner.paths("hello-2.12"), "its image is read from the cache"
    asked = [(each.method, each.path) for each in proxy.requests[before:] if "/nix-cache/" in each.path]
    assert [method for method, _ in asked] == ["GET"] * 3, asked  # manifest, index, a part of a pack

    before = len(proxy.requests)
    stranger = cold().publish("--flake", ".#behind", *flags, cwd=flake, **fork)
    assert (stranger.code, built(stranger.stderr)) == (3, ["behind"]), stranger.stderr
    assert f"nothing is written to {name}: the pull request comes from them/app" in stranger.stderr
    asked = [(each.method, each.path) for each in proxy.requests[before:] if "/nix-cache/" in each.path]
    assert {method for method, _ in asked} == {"GET"}, asked


def test_what_was_built_is_in_the_cache_before_the_image_has_its_name(
    cold: OwnStores, flake: Path, proxy: FaultProxy, registry: Registry
) -> None:
    """The image is held up at the registry. Of what is pushed Nix is asked once, beside the question that the image needs."""
    repository = registry.new_repository()
    flags = ("--images", f"{proxy.host}/{repository}", "--nix-cache", "registry", "--log-level", "debug")
    held = proxy.hold_next("PUT", f"/{repository}/manifests/")
    with ThreadPoolExecutor(1) as pool:
        push = pool.submit(cold().publish, "--flake", ".#hello", *flags, cwd=flake)
        deadline = time.monotonic() + 40
        while not registry.tags(f"{repository}/nix-cache") and time.monotonic() < deadline:
            time.sleep(0.05)
        kept, named = registry.tags(f"{repository}/nix-cache"), registry.tags(repository)
        held.let_pass()
        done = push.result()
    assert done.code == 0, done.stderr
    assert (len(kept), named) == (1, [])
    assert "; 2 new in the cache" in told(done.stderr)
    asked = Counter(re.findall(r"^ *\+ nix (\S+)", done.stderr, re.MULTILINE))
    assert asked["path-info"] == 2, asked
    assert asked["show-derivation"] + asked["derivation"] == 1, asked
    assert asked["flake"] == 1, asked


def test_what_was_built_before_a_build_failed_is_kept_and_what_another_key_signed_is_not_used(
    cold: OwnStores, flake: Path, tmp_path: Path, nix_environ: Mapping[str, str]
) -> None:
    """And an image is not kept, whose package is."""

    def key(name: str) -> str:
        argv = ("nix", "key", "generate-secret", "--key-name", name)
        return subprocess.run(argv, env=nix_environ, check=True, capture_output=True, text=True).stdout

    flags = ("--to", "oci:x", "--reuse", "off", "--nix-cache", f"oci:{tmp_path}/cache")
    ours, theirs = key("ours-1"), key("theirs-1")
    failed = cold().publish("--flake", ".#behind", *flags, cwd=flake, FLAKESHIP_NIX_CACHE_KEY=theirs)
    assert (failed.code, built(failed.stderr)) == (3, ["behind", "hello-2.12"]), failed.stderr
    assert "; 2 new in the cache oci:" in told(failed.stderr)
    anew = cold().publish("--flake", ".#behind", *flags, cwd=flake, FLAKESHIP_NIX_CACHE_KEY=ours)
    assert (anew.code, built(anew.stderr)) == (3, ["behind", "hello-2.12"]), anew.stderr
    image = cold().publish("--flake", ".#archived", *flags, cwd=flake, FLAKESHIP_NIX_CACHE_KEY=ours)
    assert (image.code, built(image.stderr)) == (0, ["archived.tar"]), image.stderr
    assert told(image.stderr).endswith("; nothing new in the cache oci:" + str(tmp_path / "cache"))
    assert "warning: the cache" not in image.stderr
    assert ours.strip() not in anew.stderr + image.stderr


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
    time.sleep(1.5)  # what was built is gathered for half a second, and pushed
    code, said, seconds = ended(process, 15)
    assert code == 143, said
    assert seconds < 60
    assert "2 new in" in told(said)


def test_what_nix_could_not_copy_is_built_and_kept_in_one_run(
    cold: OwnStores, flake: Path, tmp_path: Path
) -> None:
    """Nix tells of a path before it is there: what turned out to be damaged did not come from the cache."""
    flags = ("--to", "oci:x", "--reuse", "off", "--nix-cache", f"oci:{tmp_path}/cache")
    first = cold().publish("--flake", ".#archived", *flags, cwd=flake)
    pack = max((tmp_path / "cache/blobs/sha256").iterdir(), key=lambda path: path.stat().st_size)
    pack.write_bytes(bytes(pack.stat().st_size))
    second = cold().publish("--flake", ".#archived", *flags, cwd=flake)
    assert built(first.stderr) == built(second.stderr) == ["archived.tar", "hello-2.12"]
    assert told(second.stderr).startswith("2 derivations built here; 1 new in"), (
        "the other output was not read"
    )


def test_a_registry_that_is_down_costs_a_warning(cold: OwnStores, flake: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        place = f"docker://127.0.0.1:{taken.getsockname()[1]}/cache"
        done = cold().publish("--flake", ".#hello", "--to", "oci:x", "--nix-cache", place, cwd=flake)
    assert done.code == 0, done.stderr
    assert built(done.stderr) == ["hello-2.12"]
    warnings = [line for line in done.stderr.splitlines() if line.startswith("warning: ")]
    assert len(warnings) == 1, done.stderr
    assert "nothing new" in told(done.stderr)


def test_a_private_input_is_not_kept_where_anybody_can_read_it(
    publish: Publish, flake: Path, registry: Registry, tmp_path: Path
) -> None:
    """Neither the input nor what leads to it is kept in an open registry; in a folder, with `inputs=true`, both are."""
    (tmp_path / "private").mkdir()
    (tmp_path / "private/x").write_text(str(tmp_path))
    text = (flake / "flake.nix").read_text()
    text = text.replace("{ self }:", f'{{ self, private }}: # "{tmp_path}"').replace(
        "outputs =",
        f'inputs.private = {{ url = "path:{tmp_path}/private"; flake = false; }};\n  outputs =',
        1,
    )
    uses = """uses = make "uses" "$b mkdir -p $out/bin; $b cp ${busybox} $out/bin/uses; $b ln -s ${private}/x $out/x" { };"""
    (flake / "flake.nix").write_text(text.replace("default = hello;", f"default = hello; {uses}"))
    flags = ("--flake", ".#uses", "--reuse", "off", "--nix-cache")
    name = f"{registry.host}/{registry.new_repository()}"
    everybody = publish(*flags, "registry?inputs=true", "--images", name, cwd=flake)
    assert everybody.code == 0, everybody.stderr
    warning = f"with the source of a private input (private) is not kept in the cache {name}/nix-cache, which anybody can read"
    assert warning in everybody.stderr
    assert "nothing new in" in told(everybody.stderr)
    ours = publish(*flags, f"oci:{tmp_path}/cache?inputs=true", "--to", "oci:x", cwd=flake)
    assert "private input" not in ours.stderr
    assert "2 new in" in told(ours.stderr)


def test_an_input_that_was_kept_comes_from_the_cache(cold: OwnStores, flake: Path, tmp_path: Path) -> None:
    """It is gone from its own place, so that whoever evaluates without the cache fails."""
    tarball, text = tmp_path / "input.tar.gz", (flake / "flake.nix").read_text()
    with tarfile.open(tarball, "w:gz") as tar:
        tar.add(flake / "salt", arcname="input/salt")
    text = text.replace("{ self }:", "{ self, input }:").replace("./salt", '"${input}/salt"')
    given = f'inputs.input = {{ url = "file://{tarball}"; flake = false; }};\n  outputs ='
    (flake / "flake.nix").write_text(text.replace("outputs =", given, 1))
    runner = cold()
    lock = runner.command("nix", "flake", "lock", f"path:{flake}")
    subprocess.run(lock, env=runner.environ, check=True, capture_output=True)
    flags = ("--flake", "path:.#hello", "--to", f"oci:{tmp_path}/x", "--reuse", "off", "--nix-cache")
    place = f"oci:{tmp_path}/cache?inputs=true"
    first = cold().publish(*flags, place, cwd=flake)
    assert told(first.stderr).startswith("1 derivation built here; 4 new in"), first.stderr
    tarball.unlink()

    again = cold().publish(*flags, place, cwd=flake)

    assert (again.code, built(again.stderr)) == (0, []), again.stderr
    assert told(again.stderr).startswith("1 path from the cache"), again.stderr


@pytest.mark.long
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_registry_that_hangs_costs_ten_seconds_and_a_warning(
    cold: OwnStores, flake: Path, proxy: FaultProxy, registry: Registry, method: str
) -> None:
    for _ in range(20):
        proxy.hold_next(method, "/nix-cache/")
    place = f"docker://{proxy.host}/{registry.new_repository()}/nix-cache"
    begun = time.monotonic()
    done = cold().publish("--flake", ".#hello", "--to", "oci:x", "--nix-cache", place, cwd=flake)
    seconds = time.monotonic() - begun
    proxy.clear()
    assert (done.code, built(done.stderr)) == (0, ["hello-2.12"]), done.stderr
    assert len([line for line in done.stderr.splitlines() if line.startswith("warning: ")]) == 1
    assert "nothing new in" in told(done.stderr)
    assert seconds < 10 + 4  # with the build and the image
