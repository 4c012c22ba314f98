"""What a push costs against what changed: changed bytes, number of layers, number of files. Ours alone."""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from closures import add, run
from images import archive
from picture import lines
from runs import again, empty, kept, machine, measure, registry
from tools import publish

Curve = list[tuple[float, float]]
"""Pairs of what was varied and median seconds."""

CHANGED_LAYERS = (0, 1, 3, 6, 12, 30, 60)
LAYERS = (10, 30, 60, 90, 120)
FILES = (1_000, 10_000, 50_000, 100_000, 200_000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=1_400, help="megabytes (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--picture", type=Path, help="write a picture of the curves (SVG)")
    chosen = parser.parse_args()
    found = curves(chosen)
    print(f"On {machine()}.\n\n{tables(found)}")
    if chosen.picture:
        chosen.picture.write_text(lines(found), encoding="utf-8")


def curves(chosen: argparse.Namespace) -> dict[str, Curve]:
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        os.environ["HOME"] = name
        with registry(folder) as server:
            reference = f"{server.host}/ours:1"
            return {
                f"MB changed of {chosen.size * 1.14:,.0f}, in 60 layers": list(
                    changed_bytes(folder, reference, chosen.size * 1_000_000, chosen.rounds)
                ),
                "layers of 64 KiB, one label changed": list(
                    number_of_layers(folder, reference, chosen.rounds)
                ),
                "files of 1 KiB in one store path, cold": list(
                    number_of_files(folder, reference, chosen.rounds)
                ),
            }


def changed_bytes(folder: Path, reference: str, size: int, rounds: int) -> Iterator[tuple[float, float]]:
    image = folder / "image.tar"
    archive(image, size=size, layers=60)
    with pushed(folder, image, reference) as restore:
        for changed in CHANGED_LAYERS:
            archive(image, size=size, layers=60, changed=changed, label="two")
            yield image.stat().st_size / 1e6 * changed / 60, median(image, reference, rounds, restore)


def number_of_layers(folder: Path, reference: str, rounds: int) -> Iterator[tuple[float, float]]:
    image = folder / "image.tar"
    for layers in LAYERS:
        archive(image, size=layers * 65_536, layers=layers)
        with pushed(folder, image, reference) as restore:
            archive(image, size=layers * 65_536, layers=layers, label="two")
            yield layers, median(image, reference, rounds, restore)


def number_of_files(folder: Path, reference: str, rounds: int) -> Iterator[tuple[float, float]]:
    for files in FILES:
        path = add(small_files(folder, files), folder / "bench-files")
        shutil.rmtree(folder / "small")
        try:
            flags = ("--source", path, "--base", "none", "--entrypoint", "/none", "--tags", reference)
            yield files, timed(publish(*flags), rounds, lambda: empty(folder))
        finally:
            run("nix-store", "--delete", path)


def small_files(folder: Path, count: int) -> Sequence[Path]:
    """A thousand to a folder, each with a text of its own."""
    found = []
    for number in range(count):
        file = folder / "small" / f"{number // 1000:03}" / f"{number:06}"
        if number % 1000 == 0:
            file.parent.mkdir(parents=True)
        file.write_text(f"{number:06} of {count}\n" * 64)
        found.append(file)
    return found


@contextmanager
def pushed(folder: Path, image: Path, reference: str) -> Iterator[Callable[[], None]]:
    """What brings the registry back to where it holds the image and nothing else."""
    empty(folder)
    measure(publish("--source", str(image), "--tags", reference))
    with kept(folder, "first"):
        yield lambda: again(folder, "first")


def median(image: Path, reference: str, rounds: int, before: Callable[[], None]) -> float:
    return timed(publish("--source", str(image), "--tags", reference), rounds, before)


def timed(argv: Sequence[str], rounds: int, before: Callable[[], None]) -> float:
    seconds = []
    for _ in range(rounds):
        before()
        seconds.append(measure(argv).seconds)
    print(f"  {statistics.median(seconds):.2f} s", file=sys.stderr)
    return statistics.median(seconds)


def tables(found: dict[str, Curve]) -> str:
    parts = []
    for what, curve in found.items():
        rows = [f"| {varied:,.0f} | {seconds:.2f} s |" for varied, seconds in curve]
        parts.append("\n".join([f"| {what} | median |", "| ---: | ---: |", *rows]))
    return "\n\n".join(parts)


if __name__ == "__main__":
    main()
