"""The image is the one that was asked for: exactly these outputs, whatever is published already and whatever Nix is there."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.publishing import Run, runner
from tests.testbed.archives import BUSYBOX
from tests.testbed.registry import Registry

pytestmark = pytest.mark.slow

FLAKE = """{
  outputs = _:
    let
      busybox = "${./bin}/busybox";
      make = extra: (derivation ({
        name = "srv-1";
        system = "x86_64-linux";
        builder = busybox;
        outputs = [ "out" "server" "client" ];
        args = [ "sh" "-euc" ''
          b=${busybox}; $b mkdir -p $out/share
          for p in server client; do
            eval o=\\$$p; $b mkdir -p $o/bin
            $b printf '#!${busybox} sh\\necho %s\\n' $p > $o/bin/$p; $b chmod +x $o/bin/$p
          done'' ];
        salt = builtins.readFile ./salt;
      } // extra)) // { pname = "srv"; version = "1"; };
      one = name: script: extra: derivation ({
        inherit name; system = "x86_64-linux"; builder = busybox; salt = builtins.readFile ./salt;
        args = [ "sh" "-euc" "b=${busybox}; $b mkdir -p $out/bin; ${script}; $b chmod +x $out/bin/*" ];
      } // extra);
      noise = "{ $b printf '#!${busybox} sh\\n# '; $b cat /proc/sys/kernel/random/uuid; } > $out/bin/r";
      floating = { __contentAddressed = true; outputHashMode = "recursive"; outputHashAlgo = "sha256"; };
      steady = "$b cp ${busybox} $out/bin/steady";
      two = one "two-1" "$b cp ${busybox} $out/bin/a; $b cp ${busybox} $out/bin/b" { };
    in {
      packages.x86_64-linux = rec {
        default = make { } // { meta = { mainProgram = "server"; outputsToInstall = [ "client" "server" ]; }; };
        server = default // { meta = { outputsToInstall = [ "server" ]; }; };
        client = default // { meta = { outputsToInstall = [ "client" ]; }; };
        absent = default // { meta = { outputsToInstall = [ "client" ]; mainProgram = "server"; }; };
        plain = make { };
        a = two // { meta.mainProgram = "a"; };
        b = two // { meta.mainProgram = "b"; };
        addressed = one "addressed-1" steady floating;
        several-addressed = make floating // { meta.outputsToInstall = [ "server" ]; };
        on-addressed = one "on-1" "${steady}; : ${addressed}" { };
        random = one "random-1" noise { };
        random-addressed = one "random-1" noise floating;
        random-impure = one "random-1" noise (builtins.removeAttrs floating [ "__contentAddressed" ] // { __impure = true; });
        random-on-addressed = one "random-1" "${noise}; : ${addressed}" { };
        random-doc = derivation {
          name = "half-1"; system = "x86_64-linux"; builder = busybox; outputs = [ "out" "doc" ];
          args = [ "sh" "-euc" "b=${busybox}; $b mkdir -p $out/bin; $b cp $b $out/bin/x; $b cat /proc/sys/kernel/random/uuid > $doc" ];
          salt = builtins.readFile ./salt;
        };
      };
    };
}
"""
FEATURES = ("--nix-config", "extra-experimental-features = ca-derivations impure-derivations")


@pytest.fixture
def flake(tmp_path: Path, nix_environ: Mapping[str, str]) -> Path:
    folder = tmp_path / "flake"
    (folder / "bin").mkdir(parents=True)
    shutil.copy(BUSYBOX, folder / "bin/busybox")
    (folder / "flake.nix").write_text(FLAKE)
    (folder / "salt").write_text(str(tmp_path))
    (folder / "default.nix").write_text(
        "(builtins.getFlake (toString ./.)).packages.x86_64-linux // { recurseForDerivations = true; }"
    )
    return folder


@pytest.fixture
def run(nix_environ: Mapping[str, str], flake: Path) -> Run:
    return runner(nix_environ, flake)


@pytest.fixture
def publish(run: Run, registry: Registry) -> Callable[..., dict[str, Any]]:
    """Publish `path:.#NAME` to a tag; the runtime config, with what the manifest says of its source, and stderr."""
    repository = registry.new_repository()

    def publish(name: str, *flags: str, tag: str = "main") -> dict[str, Any]:
        flake = () if "--file" in flags else ("--flake", f"path:.#{name}")
        reference = f"{registry.host}/{repository}:{tag}"
        done = run(*flake, "--tags", reference, *FEATURES, *flags)
        assert done.returncode == 0, done.stderr
        manifest = registry.manifest(repository, tag)
        assert manifest
        config = json.loads(registry.blob(repository, manifest["config"]["digest"]) or b"")
        runtime: dict[str, Any] = config["config"]
        sources = manifest["annotations"]["dev.flakeship.source"].split()
        return runtime | {
            "sources": [path.partition("-")[2] for path in sources],
            "paths": sources,
            "stderr": done.stderr,
            "reused": "published already" in done.stderr,
        }

    return publish


OTHERS = [
    ("plain", "plain^server", "srv-1-server", "server"),
    ("plain^server", "plain^client", "srv-1-client", "client"),
    ("server", "client", "srv-1-client", "client"),  # by meta.outputsToInstall alone
    ("client", "default^server", "srv-1-server", "server"),
    ("plain^client,server", "plain^client", "srv-1-client", "client"),
]


@pytest.mark.parametrize(("first", "second", "source", "program"), OTHERS)
def test_another_output_is_another_image(
    publish: Callable[..., dict[str, Any]], first: str, second: str, source: str, program: str
) -> None:
    entrypoint = ("--entrypoint", '["/x"]') if first in {"plain", "plain^client,server"} else ()
    publish(first, *entrypoint)
    made = publish(second)
    assert (made["sources"], made["reused"]) == ([source], False)
    assert made["Entrypoint"][0].endswith(f"-{source}/bin/{program}")
    again = publish(second, tag="other")
    assert (again["sources"], again["reused"]) == ([source], True)


def test_outputs_in_another_order_are_another_image(publish: Callable[..., dict[str, Any]]) -> None:
    name = ("--entrypoint", '["/x"]')
    assert publish("plain^client,server", *name)["sources"] == ["srv-1-client", "srv-1-server"]
    made = publish("plain^server,client", *name)
    assert (made["sources"], made["reused"]) == (["srv-1-server", "srv-1-client"], False)


@pytest.mark.parametrize("flags", [(), ("--file", "default.nix", "--attr", "default", "--impure")])
def test_several_installed_outputs_are_one_image_that_is_found_again(
    publish: Callable[..., dict[str, Any]], flags: tuple[str, ...]
) -> None:
    made = publish("default", *flags)
    assert made["sources"] == ["srv-1-client", "srv-1-server"]
    assert made["Entrypoint"] == [f"{made['paths'][1]}/bin/server"]
    assert f"PATH={made['paths'][0]}/bin:{made['paths'][1]}/bin" in made["Env"]
    assert publish("default", *flags)["reused"]


@pytest.mark.parametrize("name", ["default^*", "plain^*"])
def test_all_outputs_are_one_image(publish: Callable[..., dict[str, Any]], name: str) -> None:
    flags = () if name.startswith("default") else ("--entrypoint", '["/x"]')
    made = publish(name, *flags)
    assert made["sources"] == ["srv-1", "srv-1-client", "srv-1-server"]


@pytest.mark.parametrize("text", ["path:.#^server", "path:.#default^server"])
def test_an_output_of_the_default_package_is_taken(run: Run, flake: Path, text: str) -> None:
    done = run("--flake", text, "--to", "oci:out")
    assert done.returncode == 0, done.stderr


def test_a_program_that_no_installed_output_has_is_said(publish: Callable[..., dict[str, Any]]) -> None:
    made = publish("absent")
    assert made["Entrypoint"] == [f"{made['paths'][0]}/bin/client"]
    assert "meta.mainProgram names 'server', which is not in" in made["stderr"]


def test_another_main_program_of_the_same_store_path_is_another_image(
    publish: Callable[..., dict[str, Any]],
) -> None:
    first, second = publish("a"), publish("b")
    assert first["paths"] == second["paths"]
    assert second["Entrypoint"] == [f"{second['paths'][0]}/bin/b"]
    assert not second["reused"]
    assert publish("b")["reused"]


@pytest.mark.parametrize("name", ["addressed", "several-addressed", "random-impure", "on-addressed"])
def test_what_only_a_build_can_tell_is_built_again_and_said(
    publish: Callable[..., dict[str, Any]], name: str
) -> None:
    first = publish(name)
    second = publish(name)
    assert not second["reused"]
    assert "only a build can tell the store path" in second["stderr"]
    assert (first["paths"] == second["paths"]) == (name != "random-impure")


@pytest.mark.parametrize(
    "name", ["plain^server", "server", "addressed", "random-impure", "random-on-addressed"]
)
def test_the_hash_in_a_tag_is_that_of_what_is_published(run: Run, registry: Registry, name: str) -> None:
    repository = registry.new_repository()
    done = run(
        *("--flake", f"path:.#{name}", "--images", f"{registry.host}/{repository}"),
        *("--tags", "type=nix,value=hash", *FEATURES),
    )
    assert done.returncode == 0, done.stderr
    (tag,) = registry.tags(repository)
    manifest = registry.manifest(repository, tag)
    assert manifest
    assert manifest["annotations"]["dev.flakeship.source"].startswith(f"/nix/store/{tag}-")


def test_metadata_says_why_there_is_no_hash(nix_environ: Mapping[str, str], flake: Path) -> None:
    import sys

    command = (sys.executable, "-m", "flakeship", "metadata", "--flake", "path:.#addressed", *FEATURES)
    done = subprocess.run(
        [*command, "--images", "x/y", "--tags", "type=nix,value=hash"],
        cwd=flake, env=dict(nix_environ), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "the build has no hash: it is content-addressed or impure" in done.stderr


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("random", "is not reproducible"),
        ("random-addressed", "can't be checked by a second build: it is content-addressed"),
        ("random-impure", "can't be checked by a second build: it is impure"),
        ("addressed", "can't be checked by a second build: it is content-addressed"),
        ("random-on-addressed", "is not reproducible"),
        ("random-doc", "an output that was not asked for"),
    ],
)
def test_a_second_build_is_compared_or_the_run_fails(run: Run, flake: Path, name: str, said: str) -> None:
    done = run("--flake", f"path:.#{name}", "--rebuild", "compare", "--to", "oci:out", *FEATURES)
    assert done.returncode == 7, done.stderr
    assert said in done.stderr
    assert not (flake / "out/index.json").exists()


def test_a_second_build_compares_where_a_cache_gave_some_outputs_alone(
    run: Run, flake: Path, nix_environ: Mapping[str, str]
) -> None:
    def nix(*words: str) -> str:
        return subprocess.run(
            ["nix", *words], cwd=flake, env=dict(nix_environ), capture_output=True, check=True, text=True
        ).stdout

    nix("build", "--no-link", "path:.#plain")
    nix("store", "delete", nix("eval", "--raw", "path:.#plain.client.outPath"))
    done = run("--flake", "path:.#plain^server", "--rebuild", "compare", "--to", "oci:out")
    assert done.returncode == 0, done.stderr
