"""A cold push of a plain docker-archive to a registry on loopback: flakeship against the tools a user would pick."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from images import archive
from runs import FLAKESHIP, Contender, alternate, empty, machine, registry, table, version_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=1_400, help="megabytes (default: %(default)s)")
    parser.add_argument("--layers", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--skopeo", default="skopeo", help="which skopeo; may be given as a path")
    parser.add_argument("--crane", default="", help="a crane to compare with as well")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as name, registry(Path(name)) as host:
        image = Path(name, "image.tar")
        archive(image, size=chosen.size * 1_000_000, layers=chosen.layers)
        os.environ["HOME"] = name  # no blob cache, no credentials
        contenders = [ours(image, host), skopeo(chosen.skopeo, image, host)]
        if chosen.crane:
            contenders.append(crane(chosen.crane, image, host))
        alternate(contenders, rounds=chosen.rounds, before=lambda: empty(Path(name)))
        size = image.stat().st_size
    print(f"Cold push of {size / 1e9:.2f} GB in {chosen.layers} layers, on {machine()}.\n")
    print(table(contenders, ours="flakeship"))


def ours(image: Path, host: str) -> Contender:
    return Contender(
        "flakeship",
        lambda number: (*FLAKESHIP, "publish", "--source", str(image), "--tags", f"{host}/ours:{number}"),
    )


def skopeo(program: str, image: Path, host: str) -> Contender:
    options = ("--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false")
    return Contender(
        f"skopeo {version_of(program)}",
        lambda number: (program, *options, f"docker-archive:{image}", f"docker://{host}/skopeo:{number}"),
    )


def crane(program: str, image: Path, host: str) -> Contender:
    return Contender(
        "crane", lambda number: (program, "push", "--insecure", str(image), f"{host}/crane:{number}")
    )


if __name__ == "__main__":
    main()
