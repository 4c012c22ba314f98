"""Scripts that a flake builds: what is nixpkgs' is executed where it sees nothing of ours, and nothing else is executed."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.e2e.test_sandbox import Confined, in_chroot, in_container
from tests.testbed.nix import MakeFlake, NixBuild

__all__ = ["in_chroot", "in_container"]

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("docker")]

SECRET = "CaNaRy-5ecret"


def published(environ: Mapping[str, str], *flags: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "flakeship", "publish", "--to", f"oci:{cwd}/out", *flags],
        cwd=cwd,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def entrypoint(folder: Path) -> list[str]:
    blobs = folder / "out/blobs/sha256"
    index = json.loads((folder / "out/index.json").read_text())
    manifest = json.loads((blobs / index["manifests"][0]["digest"][7:]).read_text())
    config = json.loads((blobs / manifest["config"]["digest"][7:]).read_text())["config"]
    return list(config["Entrypoint"])


@pytest.mark.parametrize("sandbox", ["auto", "required"])
@pytest.mark.parametrize(("attribute", "name"), [("script-package", "server"), ("script-linked", "linked")])
def test_a_package_that_is_one_script_is_packed_and_not_started(
    make_flake: MakeFlake, nix_environ: Mapping[str, str], attribute: str, name: str, sandbox: str
) -> None:
    folder = make_flake()
    done = published(nix_environ, "--flake", f".#{attribute}", "--sandbox", sandbox, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "started where it is published" not in done.stderr
    assert "is a script, but not one of nixpkgs' streamLayeredImage, so the image starts it" in done.stderr
    (program,) = entrypoint(folder)
    assert program.startswith("/nix/store/")
    assert program.endswith(f"-{name}")


@pytest.mark.parametrize("link", [False, True])
def test_so_is_one_that_is_named_as_the_source(
    shapes: NixBuild, nix_environ: Mapping[str, str], tmp_path: Path, *, link: bool
) -> None:
    source = shapes("script-package")
    if link:
        (tmp_path / "result").symlink_to(source)
    done = published(nix_environ, "--source", "result" if link else str(source), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert entrypoint(tmp_path) == [str(source)]


@pytest.mark.parametrize("sandbox", ["auto", "required"])
def test_what_looks_like_nixpkgs_script_finds_nothing(
    make_flake: MakeFlake, nix_environ: Mapping[str, str], tmp_path: Path, sandbox: str
) -> None:
    folder = make_flake(fresh=True)
    (tmp_path / "private").write_text(SECRET)
    secret = {
        "FLAKESHIP_USERNAME": "me",
        "FLAKESHIP_PASSWORD": SECRET,
        "GITHUB_TOKEN": SECRET,
        "NAME": SECRET,
        "https_proxy": f"http://a:{SECRET}@b",
    }
    done = published({**nix_environ, **secret}, "--flake", ".#spy", "--sandbox", sandbox, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "CaNaRy" not in done.stderr
    assert "found in" not in done.stderr
    assert "files: /dev /etc /nix /tmp\n" in done.stderr


def test_the_same_image_confined_or_not(
    shapes: NixBuild, nix_environ: Mapping[str, str], tmp_path: Path
) -> None:
    """Each way in which a script may be executed, and the archive that it writes."""
    sitecustomize = tmp_path / "sitecustomize.py"
    digests = set[str]()
    for number, possible in enumerate((("store",), ("nobody",), ())):
        sitecustomize.write_text(
            "import flakeship.confinement.scripts as scripts\n"
            f"scripts._possible = lambda mode: mode in {possible!r}\n"
        )
        folder = tmp_path / str(number)
        folder.mkdir()
        environ = {**nix_environ, "PYTHONPATH": f"{tmp_path}:{Path.cwd() / 'src'}"}
        done = published(
            environ, "--source", str(shapes("stream")), "--created", "0", "--auto-labels", "false", cwd=folder
        )
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("no namespaces can be made here") == (0 if possible == ("store",) else 1)
        digests.add(json.loads((folder / "out/index.json").read_text())["manifests"][0]["digest"])
    assert len(digests) == 1


@pytest.mark.parametrize(("sandbox", "code"), [("auto", 0), ("required", 3)])
def test_a_script_of_one_s_own(
    nix_environ: Mapping[str, str], archive: Path, tmp_path: Path, sandbox: str, code: int
) -> None:
    script = tmp_path / "own"
    script.write_text(f"#!/bin/sh\nenv >&2; cat /proc/[0-9]*/environ >&2\ncat {shlex.quote(str(archive))}\n")
    script.chmod(0o755)
    environ = {**nix_environ, "FLAKESHIP_USERNAME": "me", "FLAKESHIP_PASSWORD": SECRET, "NAME": SECRET}
    done = published(environ, "--source", str(script), "--sandbox", sandbox, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert SECRET not in done.stderr
    assert "is not a script of nixpkgs" in done.stderr


@pytest.mark.parametrize("place", ["in_container", "in_chroot"])
@pytest.mark.parametrize(("sandbox", "code"), [("auto", 0), ("required", 3)])
def test_a_script_where_no_namespaces_can_be_made(  # noqa: PLR0917 - fixtures are given by name
    request: pytest.FixtureRequest,
    shapes: NixBuild,
    nix_environ: Mapping[str, str],
    tmp_path: Path,
    place: str,
    sandbox: str,
    code: int,
) -> None:
    confined: Confined = request.getfixturevalue(place)
    publish = f"-m flakeship publish --source {shapes('stream')} --to oci:out --sandbox {sandbox}"
    done = confined(nix_environ, f"cd {shlex.quote(str(tmp_path))} && exec {sys.executable} {publish}")
    told = done.stderr.decode()
    if place == "in_container":
        assert done.returncode == code, told
        assert told.count("no namespaces can be made here") == 1
    else:  # our namespaces can be made where Nix's can't: the root need not be a mount
        assert done.returncode in {0, code}, told
    assert (tmp_path / "out/index.json").exists() is (done.returncode == 0)


def test_other_processes_see_no_secret_of_ours(nix_environ: Mapping[str, str], tmp_path: Path) -> None:
    """What a process of the same machine reads while a build runs: our environment is empty, our memory closed."""
    program = (
        "import os, subprocess, sys\n"
        "from flakeship.confinement import exposure\n"
        "exposure.withdraw()\n"
        "sys.stdout.write(subprocess.run(['sh', '-c', f'tr \"\\\\0\" \"\\\\n\" < /proc/{os.getpid()}/environ;"
        " stat -c %u /proc/{os.getpid()}/mem; grep core /proc/{os.getpid()}/limits'], env={'PATH': os.environ['PATH']},"
        " capture_output=True, text=True).stdout)\n"
        "assert os.environ['FLAKESHIP_PASSWORD']\n"
    )
    environ = {
        **nix_environ,
        "FLAKESHIP_USERNAME": "me",
        "FLAKESHIP_PASSWORD": SECRET,
        "ANY": SECRET,
        "HTTPS_PROXY": f"http://a:{SECRET}@b",
        "TZ": "UTC",
    }
    done = subprocess.run(
        [sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True
    )
    assert "CaNaRy" not in done.stdout
    assert "FLAKESHIP_PASSWORD=" in done.stdout
    assert f"PATH={os.environ['PATH']}" in done.stdout
    assert "TZ=UTC" in done.stdout
    assert done.stdout.splitlines()[-1].split()[4] == "0"
