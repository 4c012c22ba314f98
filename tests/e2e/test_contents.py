"""`contents` and `debug-shell` are those of the flake that is published, on every machine, and for the package's system."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.e2e.publishing import runner
from tests.testbed.archives import BUSYBOX

pytestmark = pytest.mark.slow

Furnished: TypeAlias = Callable[..., tuple[str, str]]

APP = """{
  %s
  outputs = { self, ... }: {
    packages = builtins.listToAttrs (map (system: {
      name = system;
      value.default = derivation {
        name = "app-1"; inherit system; builder = "${./bin}/busybox";
        args = [ "sh" "-euc" "${./bin}/busybox mkdir -p $out/bin; ${./bin}/busybox cp ${./bin}/busybox $out/bin/app" ];
      };
    }) [ "x86_64-linux" ]);
  };
}
"""
TOOLS = """{
  outputs = _:
    let
      for = system: (derivation {
        name = "tools-%s-${system}"; system = "x86_64-linux"; builder = "${./bin}/busybox"; outputs = [ "out" "etc" ];
        args = [ "sh" "-euc" "b=${./bin}/busybox; $b mkdir -p $out/share/tools $etc/etc; : > $out/share/tools/x; : > $etc/etc/x" ];
      }) // { inherit system; meta.outputsToInstall = [ "out" "etc" ]; };
    in {
      %s = builtins.listToAttrs (map (system: { name = system; value.tools = for system; }) [ "x86_64-linux" "aarch64-linux" ]);
      defaultPackage = builtins.listToAttrs (map (system: { name = system; value = for system; }) [ "x86_64-linux" "aarch64-linux" ]);
    };
}
"""


def flake(folder: Path, text: str) -> Path:
    (folder / "bin").mkdir(parents=True)
    shutil.copy(BUSYBOX, folder / "bin/busybox")
    (folder / "flake.nix").write_text(text)
    return folder


@pytest.fixture(params=["packages", "legacyPackages"])
def furnished(nix_environ: Mapping[str, str], tmp_path: Path, request: pytest.FixtureRequest) -> Furnished:
    """Publish a package with `contents`; the history of the image, and stderr. The registry of flakes knows `pinned` too."""
    for name in ("locked", "registered"):
        flake(tmp_path / name, TOOLS % (name, request.param))
    entries = [
        {
            "from": {"type": "indirect", "id": name},
            "to": {"type": "path", "path": str(tmp_path / "registered")},
        }
        for name in ("pinned", "other")
    ]
    (tmp_path / "registry.json").write_text(json.dumps({"version": 2, "flakes": entries}))
    run = runner(nix_environ, tmp_path)

    def furnish(*flags: str, inputs: str | None = None) -> tuple[str, str]:
        given = f'inputs.pinned.url = "path:{tmp_path}/locked";' if inputs is None else inputs
        shutil.rmtree(tmp_path / "app", ignore_errors=True)
        flake(tmp_path / "app", APP % given)
        settings = f"flake-registry = {tmp_path}/registry.json"
        done = run("--to", f"oci:{tmp_path}/image:x", "--nix-config", settings, *flags)
        assert done.returncode == 0, done.stderr
        (tmp_path / "stderr").write_text(done.stderr)
        layout = Path(tmp_path / "image")
        index = json.loads((layout / "index.json").read_text())
        texts = ""
        for entry in index["manifests"]:
            manifest = json.loads((layout / "blobs/sha256" / entry["digest"][7:]).read_text())
            texts += (layout / "blobs/sha256" / manifest["config"]["digest"][7:]).read_text()
        return texts, done.stderr

    return furnish


@pytest.mark.parametrize("spelling", ["pinned#tools", "pinned", "flake:pinned#tools"])
def test_an_input_of_the_flake_is_the_locked_one(furnished: Furnished, spelling: str) -> None:
    held, said = furnished("--flake", "path:./app", "--contents", spelling)
    assert "tools-locked-x86_64-linux" in held
    assert "tools-locked-x86_64-linux-etc" in held  # of several installed outputs each
    assert "registry of flakes" not in said


def test_an_input_that_follows_another_is_locked_too(furnished: Furnished, tmp_path: Path) -> None:
    base = flake(tmp_path / "base", '{ inputs.pinned.url = "path:%s/locked"; outputs = _: { }; }' % tmp_path)  # noqa: UP031
    inputs = f'inputs.base.url = "path:{base}"; inputs.pinned.follows = "base/pinned";'
    held, _ = furnished("--flake", "path:./app", "--contents", "pinned#tools", inputs=inputs)
    assert "tools-locked-" in held


def test_the_shell_of_the_debug_variant_is_the_locked_one(furnished: Furnished) -> None:
    held, said = furnished("--flake", "path:./app", "--debug", "--debug-shell", "pinned#tools")
    assert "tools-locked-" in held
    assert "registry of flakes" not in said


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (("--flake", "path:./app", "--contents", "other#tools"), "path:./app has no input 'other'"),
        (
            ("--file", "app.nix", "--contents", "pinned#tools"),
            "there is no flake whose lock file",
        ),
    ],
)
def test_what_no_lock_names_comes_from_the_registry_and_is_said(
    furnished: Furnished, tmp_path: Path, flags: tuple[str, ...], why: str
) -> None:
    (tmp_path / "app.nix").write_text(
        "((import ./app/flake.nix).outputs { self = { }; }).packages.x86_64-linux.default"
    )
    held, said = furnished(*flags)
    assert "tools-registered-" in held
    assert why in said


def test_contents_are_for_the_packages_system(furnished: Furnished) -> None:
    machine = ("--nix-config", "system = aarch64-linux\nextra-platforms = x86_64-linux")
    package = ("--flake", "path:./app#packages.x86_64-linux.default", *machine)
    for spelling in ("pinned#tools", "pinned", "path:./locked#tools"):
        held, _ = furnished(*package, "--contents", spelling)
        assert "tools-locked-x86_64-linux" in held
        assert "aarch64" not in held


@pytest.mark.parametrize("input_name", ["contents", "debug-shell"])
@pytest.mark.parametrize(
    ("spelling", "said"),
    [
        ("path:./locked#absent", "has no package 'absent'"),
        ("/nix/store/00000000000000000000000000000000-absent", "there is no /nix/store/"),
    ],
)
def test_what_can_not_be_had_ends_the_run_before_anything_is_built_or_sent(
    nix_environ: Mapping[str, str], tmp_path: Path, input_name: str, spelling: str, said: str
) -> None:
    for name, text in (("app", APP % ""), ("locked", TOOLS % ("locked", "packages"))):
        flake(tmp_path / name, text)
    debug = ("--debug",) if input_name == "debug-shell" else ()
    run = runner(nix_environ, tmp_path)
    done = run(
        "--flake", "path:./app", *debug, f"--{input_name}", spelling, "--to", f"oci:{tmp_path}/image:x"
    )
    assert done.returncode in (2, 3), done.stderr
    assert f"{input_name}: " in done.stderr
    assert said in done.stderr
    assert "building path:./app" not in done.stderr
    assert not (tmp_path / "image/index.json").exists()
