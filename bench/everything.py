"""The tables and pictures of docs/measurements.md that one machine can measure in one go: to stdout, and to a folder.

Each part is a program of its own, for a child's peak memory begins with that of who started it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import push

HERE = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    push.add_flags(parser)
    parser.add_argument("--files", type=int, default=52_000, help="of the closure (default: %(default)s)")
    parser.add_argument("--pictures", type=Path, default=Path(), help="the folder to write them to")
    chosen = parser.parse_args()
    chosen.pictures.mkdir(parents=True, exist_ok=True)
    size, rounds = ("--size", str(chosen.size)), ("--rounds", str(chosen.rounds))
    skopeo = ("--skopeo", *chosen.skopeo)
    others = [f"--{name}" for name in ("docker", "podman") if getattr(chosen, name)]
    run(
        "push",
        *(*size, *rounds, *skopeo, *others, "--crane", chosen.crane, "--layers", str(chosen.layers)),
        *("--picture", str(chosen.pictures / "push.svg"), "--cases", *push.CASES),
    )
    run("limit", *size, *rounds)
    run("far", "--crane", chosen.crane, "--picture", str(chosen.pictures / "far.svg"))
    run("closure", *size, *rounds, *skopeo, "--files", str(chosen.files))
    run("curves", *size, *rounds, "--picture", str(chosen.pictures / "curves.svg"))
    run("platforms")
    run("startup")
    run("metadata")


def run(name: str, *flags: str) -> None:
    print(f"\n## {name}\n", flush=True)
    subprocess.run([sys.executable, HERE / f"{name}.py", *flags], check=True)


if __name__ == "__main__":
    main()
