"""What the step costs over the bare `nix build`: both build the example flake anew, the step also stamps and pushes it.

usage: ./dev bench overhead [--image IMAGE]      with IMAGE, that of the action: in containers of it, as runners start them

The budget is 1 s beside the bytes that are sent, which here are one megabyte.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import sys
import tempfile
import uuid
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from runs import FLAKESHIP, Contender, alternate, machine, registry, table

EXAMPLE = Path(__file__).parent.parent / "examples/demo"
SETTINGS = "experimental-features = nix-command flakes\nbuild-users-group =\nsubstituters =\n"
FLAKE = "path:."


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--image", default="", help="image of the action, which the Docker engine has")
    parser.add_argument("--rounds", type=int, default=11)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, registry(Path(name)) as server:
        folder = Path(name, "flake")
        shutil.copytree(EXAMPLE, folder)
        (folder / "bin").mkdir()
        shutil.copy("/bin/busybox", folder / "bin/busybox")
        os.environ["NIX_CONFIG"] = SETTINGS
        contenders = [
            Contender("the step", lambda number: step(server.host, number, chosen.image, folder)),
            Contender("nix build", lambda _: bare(chosen.image, folder)),
        ]
        with contextlib.chdir(folder):
            alternate(contenders, rounds=chosen.rounds, before=lambda _: change(folder))
    ours, nix = (contender.median for contender in contenders)
    print(
        f"{machine()}\n\n{table(contenders, ours='the step')}\n\nThe step costs {ours - nix:.2f} s over the build."
    )


def step(host: str, number: int, image: str, folder: Path) -> Sequence[str]:
    flags = ("--flake", FLAKE, "--tags", f"{host}/demo:{number}", "--rebuild", "always")
    return container(folder, image, *flags) if image else (*FLAKESHIP, "publish", *flags)


def bare(image: str, folder: Path) -> Sequence[str]:
    words = ("build", "--no-link", FLAKE)
    return container(folder, "--entrypoint", "nix", image, *words) if image else ("nix", *words)


def container(folder: Path, *words: str) -> Sequence[str]:
    start = ("docker", "run", "--rm", "--network", "host", "-e", "NIX_CONFIG", "-w", "/flake")
    return (*start, "-v", f"{folder}:/flake", *words)


def change(folder: Path) -> None:
    """Nothing of it was ever built or pushed."""
    script = EXAMPLE / "build-image.sh"
    (folder / "build-image.sh").write_text(f"# {uuid.uuid4()}\n{script.read_text()}")


if __name__ == "__main__":
    main()
