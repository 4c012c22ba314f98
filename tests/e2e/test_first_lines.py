"""The lines that a newcomer copies from `--help` and the greeting, run by a shell with real Nix and a real registry."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.settings.test_first_help import examples, said
from tests.testbed.nix import MakeFlake
from tests.testbed.registry import Registry

pytestmark = pytest.mark.slow

_FEATURES = ("--extra-experimental-features", "nix-command flakes")
Typed = Callable[[str], "subprocess.CompletedProcess[str]"]


@pytest.fixture
def typed(nix_environ: Mapping[str, str], make_flake: MakeFlake, registry: Registry) -> Typed:
    """Run a line in a flake, with the registry that there is and a folder in place of an engine."""
    folder, repository = make_flake(), f"{registry.host}/{registry.new_repository()}"
    program = Path(sys.executable).with_name("flakeship")
    here = {
        "ghcr.io/me/app": repository,
        "docker-daemon:app:1": "oci:loaded:1",
        "flakeship ": f"{program} ",
    }

    def run(line: str) -> subprocess.CompletedProcess[str]:
        for shown, ours in here.items():
            line = line.replace(shown, ours)
        attribute = ".#stream" if line.startswith("./result") else ".#image"
        subprocess.run(["nix", *_FEATURES, "build", attribute], cwd=folder, env=nix_environ, check=True)
        return subprocess.run(
            ["bash", "-o", "pipefail", "-c", line],
            cwd=folder,
            env={**nix_environ, "HOME": str(folder)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.mark.parametrize("line", examples(said() + said("publish", "--help")))
def test_a_line_of_the_help_does_what_it_says(line: str, typed: Typed) -> None:
    done = typed(line)
    assert done.returncode == 0, done.stderr
    assert bool(done.stdout.strip()) != ("--dry-run" in line)


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("cat x.tar | PROGRAM publish - --to oci:out:1", 0, "oci:"),
        ("PROGRAM publish <(cat x.tar) --to oci:out:1", 0, "oci:"),
        ("PROGRAM publish - --to oci:out:1 < x.tar", 0, "oci:"),
        ("cat x.tar | PROGRAM publish - --to - | tar t", 0, "manifest.json"),
        ("mkfifo fifo; cat x.tar > fifo & PROGRAM publish --source fifo --to oci:out:1", 0, "oci:"),
        ("cat x.tar | PROGRAM inspect -", 0, "image     stdin"),
        ("PROGRAM inspect - < x.tar", 0, "image     stdin"),
        ("(head -c 700000 x.tar; kill -9 $BASHPID) | PROGRAM publish - --to oci:out:1", 4, "damaged archive"),
        ("PROGRAM publish - --to oci:out:1 <&-", 4, "nothing came through stdin"),
        ("PROGRAM publish - --to oci:out:1 < /dev/null", 4, "nothing came through stdin"),
        ("yes | PROGRAM publish - --to oci:out:1", 4, "it is text"),
        ("cat x.tar | (ulimit -f 1000; exec PROGRAM publish - --to oci:out:1)", 8, "can't keep what comes"),
    ],
)
@pytest.mark.usefixtures("archive")
def test_pipes_of_a_shell(
    nix_environ: Mapping[str, str], tmp_path: Path, line: str, code: int, words: str
) -> None:
    """The run's folder is gone afterwards, and no image is there that is not whole."""
    (tmp_path / "archives/layered.tar").rename(tmp_path / "x.tar")
    (tmp_path / "temporary").mkdir()
    done = subprocess.run(
        ["bash", "-c", line.replace("PROGRAM", f"{sys.executable} -m flakeship")],
        cwd=tmp_path,
        env={**nix_environ, "TMPDIR": str(tmp_path / "temporary"), "FLAKESHIP_LAYER_CACHE": "off"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert words in (done.stderr if code else done.stdout)
    assert not list((tmp_path / "temporary").iterdir())
    assert (tmp_path / "out/index.json").exists() == ("oci:out:1" in line and code == 0)
