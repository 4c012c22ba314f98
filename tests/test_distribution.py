"""The wheel and the source distribution: they run from another folder, and hold what a package installs beside the program."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from flakeship import __version__

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
BUILD = "import sys; from flit_core import buildapi; print(getattr(buildapi, sys.argv[1])(sys.argv[2]))"
SHARED = {
    "man/man1/flakeship.1",
    "bash-completion/completions/flakeship",
    "zsh/site-functions/_flakeship",
    "fish/vendor_completions.d/flakeship.fish",
}


def built(kind: str, project: Path, to: Path) -> Path:
    """`kind` is build_wheel or build_sdist."""
    to.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-I", "-c", BUILD, kind, str(to)],
        cwd=project,
        capture_output=True,
        text=True,
        check=True,
    )
    return to / done.stdout.strip()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    for name in ("src", "data", "docs"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture(scope="module")
def wheel(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built("build_wheel", project, tmp_path_factory.mktemp("wheel"))


@pytest.mark.slow
def test_the_wheel_runs_anywhere_and_brings_manual_and_completions(wheel: Path, tmp_path: Path) -> None:
    installed = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
    data = installed / f"flakeship-{__version__}.data/data/share"
    assert {str(path.relative_to(data)) for path in data.rglob("*") if path.is_file()} == SHARED
    entry = installed / f"flakeship-{__version__}.dist-info/entry_points.txt"
    assert "flakeship=flakeship.__main__:entry" in entry.read_text().replace(" ", "")
    run = f"import sys; sys.path.insert(0, {str(installed)!r}); from flakeship.__main__ import entry; entry()"
    for argument in ("--version", "completion"):
        done = subprocess.run(
            [sys.executable, "-P", "-c", run, argument],
            cwd=tmp_path,
            env={"PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "flakeship" in done.stdout


@pytest.mark.slow
def test_the_source_distribution_gives_the_same_wheel(project: Path, wheel: Path, tmp_path: Path) -> None:
    unpacked = tmp_path / "unpacked"
    unpacked.mkdir()
    subprocess.run(["tar", "xf", built("build_sdist", project, tmp_path / "sdist")], cwd=unpacked, check=True)
    again = built("build_wheel", unpacked / f"flakeship-{__version__}", tmp_path / "again")
    with zipfile.ZipFile(wheel) as one, zipfile.ZipFile(again) as other:
        assert {each.filename: each.CRC for each in one.infolist()} == {
            each.filename: each.CRC for each in other.infolist()
        }


@pytest.mark.slow
def test_an_installed_wheel_lays_manual_and_completions_where_shells_look(
    wheel: Path, tmp_path: Path
) -> None:
    """By pip, as pipx, uv and nixpkgs' hook do it: below the prefix. Nothing comes from the network."""
    prefix = tmp_path / "prefix"
    pip = [sys.executable, "-I", "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    flags = ["--no-index", "--no-deps", "--no-compile", "--ignore-installed", "--no-warn-script-location"]
    subprocess.run([*pip, *flags, "--prefix", str(prefix), str(wheel)], cwd=tmp_path, check=True)
    share = prefix / "share"
    assert {str(path.relative_to(share)) for path in share.rglob("*") if path.is_file()} == SHARED
    assert (prefix / "bin/flakeship").stat().st_mode & 0o111
