"""What a second platform costs: one run for two platforms, against runs for one, of images that Nix builds.

usage: ./dev bench platforms [--size MEGABYTES] [--layers COUNT] [--rounds COUNT] [--cases CASE...]

The budget is 1.1 times two single runs for a first push, builds included, and 1.3 times one run for a changed label.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent))

from images import archive
from runs import Contender, alternate, empty, machine, measure, registry, table
from tests.testbed.relay import delayed
from tools import publish

SETTINGS = "experimental-features = nix-command flakes\nbuild-users-group =\nsubstituters =\nextra-platforms = aarch64-linux\n"
FLAKE = """{
  inputs.archives = { url = "path:%s"; flake = false; };
  outputs = { self, archives }:
    let
      image = system: architecture: derivation {
        inherit system;
        name = "image-${architecture}.tar";
        builder = "${./bin}/busybox";
        args = [ "cp" "${archives}/${architecture}.tar" (builtins.placeholder "out") ];
        salt = builtins.readFile ./salt;
      };
    in {
      packages.x86_64-linux.image = image "x86_64-linux" "amd64";
      packages.aarch64-linux.image = image "aarch64-linux" "arm64";
    };
}
"""
GIT = ("git", "-c", "user.name=bench", "-c", "user.email=bench@example.org")
COLD, LABEL = "cold", "label"
BOTH, HOST, ARM64 = "linux/amd64,linux/arm64", "linux/amd64", "linux/arm64"
# Programs are of the machine that runs this, and an image for another with such a program is refused
DATA = (Path("/usr/share"),)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=60, help="megabytes of each image (default: %(default)s)")
    parser.add_argument("--layers", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--round-trip", type=float, default=0, help="to the registry, in milliseconds")
    parser.add_argument("--cases", nargs="*", default=[COLD, LABEL], choices=[COLD, LABEL])
    chosen = parser.parse_args()
    os.environ["NIX_CONFIG"] = SETTINGS
    print(machine())
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as name,
        registry(Path(name)) as server,
        flake(Path(name, "flake"), size=chosen.size * 1_000_000, layers=chosen.layers),
        delayed(server.host, round_trip=chosen.round_trip / 1e3) as far,
    ):
        host = far if chosen.round_trip else server.host
        if COLD in chosen.cases:
            cold(host, Path(name), chosen.rounds)
        if LABEL in chosen.cases:
            label(host, chosen.rounds)


def cold(host: str, folder: Path, rounds: int) -> None:
    """Nothing is built, and the registry has nothing."""

    def forget(_: Contender) -> None:
        empty(folder)
        change()

    both, amd64, arm64 = contenders = [
        Contender(platforms, lambda number, platforms=platforms: step(host, "cold", number, platforms))  # type: ignore[misc]
        for platforms in (BOTH, HOST, ARM64)
    ]
    alternate(contenders, rounds=rounds, before=forget, title="cold, ")
    ratio = both.median / (amd64.median + arm64.median)
    print(f"\n**{COLD}**: {ratio:.2f} times two single runs\n\n{table(contenders, ours=BOTH)}")


def label(host: str, rounds: int) -> None:
    """All is published, and gets another label: nothing is built."""
    change()
    for number, platforms in enumerate((BOTH, HOST)):
        measure(step(host, f"label-{number}", 0, platforms))
    both, single = contenders = [
        Contender(
            platforms,
            lambda number, place=place, platforms=platforms: (  # type: ignore[misc]
                *step(host, f"label-{place}", 0, platforms),
                "--labels",
                f"bench={number}",
            ),
        )
        for place, platforms in enumerate((BOTH, HOST))
    ]
    alternate(contenders, rounds=rounds, before=lambda _: None, title="label, ")
    print(f"\n**{LABEL}**: {both.median / single.median:.2f} times one run\n\n{table(contenders, ours=BOTH)}")


def step(host: str, name: str, number: int, platforms: str) -> Sequence[str]:
    """The run of the flake in the working folder."""
    flags = ("--platforms", platforms) if platforms != HOST else ()
    return publish(".#image", f"{host}/{name}:{number}", "--plain-http", host, *flags)


@contextlib.contextmanager
def flake(folder: Path, *, size: int, layers: int) -> Iterator[None]:
    """A flake with an image for each of the two platforms, in a git repository, as the working folder."""
    archives = folder / "archives"
    archives.mkdir(parents=True)
    for architecture, changed in (("amd64", 0), ("arm64", layers)):
        path = archives / f"{architecture}.tar"
        archive(path, size=size, layers=layers, changed=changed, architecture=architecture, roots=DATA)
    repository = folder / "repository"
    (repository / "bin").mkdir(parents=True)
    shutil.copy("/bin/busybox", repository / "bin/busybox")
    (repository / "flake.nix").write_text(FLAKE % archives)
    with contextlib.chdir(repository):
        run(*GIT, "init", "--quiet")
        change()
        run("nix", "flake", "lock")
        change()
        yield


def change() -> None:
    """What the flake builds was never built before."""
    Path("salt").write_text(str(uuid.uuid4()))
    run(*GIT, "add", "--all")
    run(*GIT, "commit", "--quiet", "--message", "salt")


def run(*argv: str) -> None:
    """SystemExit with what the program says if it fails."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(argv)} failed:\n{done.stderr}")


if __name__ == "__main__":
    main()
