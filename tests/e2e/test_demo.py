"""`./dev demo` in a checkout of its own, and the command that it prints: here, on a machine like NixOS, and on a Mac."""

from __future__ import annotations

import json
import os
import shutil
import site
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.testbed import archives
from tests.testbed.docker import Docker

pytestmark = pytest.mark.slow


@pytest.fixture
def fresh(checkout: Path, tmp_path: Path) -> Path:
    """A checkout that takes what is installed here for what it would install."""
    folder = tmp_path / "fresh"
    shutil.copytree(checkout, folder)
    programs = folder / ".venv/bin"
    programs.mkdir(parents=True)
    for name, module in (("python", ""), ("flakeship", "-m flakeship")):
        (programs / name).write_text(
            f'#!/bin/sh\nPYTHONPATH={folder}/src exec {sys.executable} {module} "$@"\n'
        )
        (programs / name).chmod(0o755)
    lock = subprocess.run(
        ["cksum", "pyproject.toml", "requirements/runtime.txt"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    (folder / ".venv/runtime.stamp").write_text(f"{folder} {lock.stdout}")
    return folder


@pytest.fixture
def without_podman(tmp_path: Path) -> str:
    """A PATH without podman, which would be preferred."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for place in map(Path, ("/usr/local/bin", "/usr/bin", "/bin")):
        for program in place.iterdir():
            if program.name != "podman" and not (programs / program.name).is_symlink():
                (programs / program.name).symlink_to(program)
    return str(programs)


def demo(folder: Path, environ: Mapping[str, str], *, code: int = 0, inside: Sequence[str] = ()) -> str:
    done = subprocess.run(
        [*inside, "./dev", "demo"],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == code, done.stderr
    assert not done.stdout
    return done.stderr


def test_the_demo_and_the_command_it_prints(
    fresh: Path, without_podman: str, nix_environ: Mapping[str, str], dockerd: Docker
) -> None:
    environ = {**nix_environ, "PATH": without_podman}
    said = demo(fresh, environ)
    digest = next(line for line in said.splitlines() if line.startswith("digest "))
    for told in (
        "busybox",
        "a greeting",
        "verified: every digest",
        "2 layers",
        str(fresh / "flakeship-image"),
    ):
        assert told in said
    assert digest in demo(fresh, environ)
    command = said.partition("run it with:  ")[2].strip()
    try:
        ran = subprocess.run(
            ["sh", "-c", command.replace("run --rm", "run --rm --network=none")],
            cwd=fresh,
            env={**environ, **dockerd.environ, "PATH": f"{without_podman}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert ran.returncode == 0, ran.stderr
        assert "Hello" in ran.stdout
    finally:
        dockerd.run("image", "rm", "--force", "hello:demo")


# What NixOS has: nothing in /bin and /usr but a shell and env. Our programs are found in the profile of the system, and stand
# for those of nixpkgs.
LIKE_NIXOS = """
profile=$1 programs=$2
shift 2
# Debian's Nix calls itself by this place.
cp -L /bin/sh /usr/bin/env /usr/bin/nix "$programs.bare"
mount --bind /usr/bin "$programs"
mount -t tmpfs tmpfs /usr/sbin
mount --bind "$programs.bare" /usr/bin
PATH=$profile exec "$@"
"""
IN_ITS_PROFILE = "nix unshare cat cp dirname grep head id mkdir rm tr true uname"
NIXPKGS = """
{
  outputs = _: {
    legacyPackages = builtins.listToAttrs (map (system: {
      name = system;
      value.pkgsStatic.busybox = derivation {
        name = "busybox";
        inherit system;
        builder = "${./bin}/busybox";
        args = [ "sh" "-c" "$builder mkdir -p $out/bin && $builder cp $builder $out/bin/busybox" ];
      };
    }) [ "x86_64-linux" "aarch64-linux" ]);
  };
}
"""
FLAKESHIP = """
{
  outputs = _: {
    packages = builtins.listToAttrs (map (system: {
      name = system;
      value.default = derivation {
        name = "flakeship";
        inherit system;
        builder = "${BIN}/busybox";
        args = [ "sh" "-c" "$builder mkdir -p $out/bin && $builder cp ${./program} $out/bin/flakeship" ];
      };
    }) [ "x86_64-linux" "aarch64-linux" ]);
  };
}
"""


@pytest.fixture
def like_nixos(checkout: Path, tmp_path: Path) -> tuple[Path, Sequence[str]]:
    """A checkout, and what runs a program where nothing is but Nix and the common tools.

    nixpkgs is a stand-in that has a static busybox, and our package one that takes the Python of the tests.
    """
    folder, profile, programs = (tmp_path / name for name in ("clone", "profile", "programs"))
    shutil.copytree(checkout, folder)
    for made in (profile, programs, tmp_path / "programs.bare", tmp_path / "nixpkgs/bin", folder / "bin"):
        made.mkdir(parents=True)
    for name in IN_ITS_PROFILE.split():
        (profile / name).symlink_to(programs / name)
    # As nixpkgs' own, which needs libraries that no build would see.
    (profile / "busybox").symlink_to(programs / "true")
    shutil.copy(archives.BUSYBOX, tmp_path / "nixpkgs/bin/busybox")
    shutil.copy(archives.BUSYBOX, folder / "bin/busybox")
    (tmp_path / "nixpkgs/flake.nix").write_text(NIXPKGS)
    (folder / "flake.nix").write_text(FLAKESHIP.replace("BIN", "./bin"))
    python = Path(sys.executable).resolve()
    if python.parent == Path("/usr/bin"):
        python = programs / python.name
    (folder / "program").write_text(
        f'#!/bin/sh\nPYTHONPATH={":".join((f"{folder}/src", *site.getsitepackages()))} exec {python} -m flakeship "$@"\n'
    )
    (folder / "program").chmod(0o755)
    inside = ("unshare", "--mount", "sh", "-euc", LIKE_NIXOS, "like-nixos", str(profile), str(programs))
    return folder, inside


def knowing(environ: Mapping[str, str], folder: Path, flakes: Mapping[str, Path]) -> Mapping[str, str]:
    """An environment in which Nix knows no other flakes by a name."""
    known = [
        {"from": {"type": "indirect", "id": name}, "to": {"type": "path", "path": str(path)}}
        for name, path in flakes.items()
    ]
    registry = folder / "registry.json"
    registry.write_text(json.dumps({"version": 2, "flakes": known}))
    return {**environ, "NIX_CONFIG": f"{environ['NIX_CONFIG']}flake-registry = {registry}\n"}


def test_where_nothing_is_but_nix(
    like_nixos: tuple[Path, Sequence[str]], nix_environ: Mapping[str, str], tmp_path: Path
) -> None:
    folder, inside = like_nixos
    said = demo(folder, knowing(nix_environ, tmp_path, {"nixpkgs": tmp_path / "nixpkgs"}), inside=inside)
    assert "Nix fetches it from nixpkgs" in said
    assert "Nix builds flakeship" in said
    assert "verified: every digest" in said
    assert not (folder / "flake.lock").exists()
    assert not (folder / ".venv").exists()


def test_where_nixpkgs_is_out_of_reach(
    like_nixos: tuple[Path, Sequence[str]], nix_environ: Mapping[str, str], tmp_path: Path
) -> None:
    folder, inside = like_nixos
    said = demo(folder, knowing(nix_environ, tmp_path, {}), inside=inside, code=1)
    assert said.splitlines()[-1].startswith("dev: install a static busybox")


def test_a_mac_is_told_what_is_missing(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "uname").write_text("#!/bin/sh\necho Darwin\n")
    (tmp_path / "uname").chmod(0o755)
    said = demo(checkout, {"PATH": f"{tmp_path}:{os.environ['PATH']}"}, code=1)
    (line,) = said.splitlines()
    assert "this is Darwin" in line
    assert "Linux builder" in line
