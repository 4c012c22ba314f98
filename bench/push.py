"""Pushes of a docker-archive to a registry on loopback, from a runner that has nothing but the registry."""

from __future__ import annotations

import argparse
import gzip
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from images import archive
from picture import bars
from runs import Contender, again, alternate, empty, kept, machine, measure, registry, table
from tools import OURS, Tool, tools

COLD = "cold"
CASES = {
    COLD: "first.tar",
    "one label changed": "relabelled.tar",
    "one 5 MB layer changed": "changed.tar",
    "cold, .tar.gz": "first.tar.gz",
    "one label changed, .tar.gz": "relabelled.tar.gz",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_flags(parser)
    parser.add_argument(
        "--cases", nargs="+", choices=CASES, default=[COLD], metavar="CASE", help=f"of {list(CASES)}"
    )
    parser.add_argument("--picture", type=Path, help="write a picture of the medians (SVG)")
    chosen = parser.parse_args()
    title, found = pushes(chosen, chosen.cases)
    print(title)
    for case, contenders in found.items():
        print(f"\n**{case}**\n\n{table(contenders, ours=OURS)}")
    if chosen.picture:
        drawn = {case: each for case, each in medians(found).items() if ".tar.gz" not in case}
        chosen.picture.write_text(bars(drawn, unit="s"), encoding="utf-8")


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--size", type=int, default=1_400, help="megabytes (default: %(default)s)")
    parser.add_argument("--layers", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--skopeo", nargs="*", default=["skopeo"], help="each may be given as a path")
    parser.add_argument("--crane", default=shutil.which("crane") or "", help="may be given as a path")
    parser.add_argument("--docker", action="store_true", help="with Docker's engine, started here")
    parser.add_argument("--podman", action="store_true")


def pushes(chosen: argparse.Namespace, cases: Sequence[str]) -> tuple[str, dict[str, list[Contender]]]:
    """What was measured on which machine, and the contenders of each case."""
    with ExitStack() as scope:
        folder = Path(scope.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        os.environ["HOME"] = str(folder)  # no blob cache, no credentials
        host = scope.enter_context(registry(folder)).host
        wanted = {
            "skopeo": chosen.skopeo,
            "crane": chosen.crane,
            "docker": chosen.docker,
            "podman": chosen.podman,
        }
        every = scope.enter_context(tools(**wanted, folder=folder))
        write_archives(folder, cases, size=chosen.size * 1_000_000, layers=chosen.layers)
        found = {
            case: compare(case, every, folder=folder, host=host, rounds=chosen.rounds)
            for case in cases
            if case.startswith(COLD)
        }
        if later := [case for case in cases if case not in found]:
            for tool in every:
                measure(tool.forget or ("true",))
                empty(folder)
                measure(tool.push(folder / CASES[COLD], reference(host, tool)))
                scope.enter_context(kept(folder, tool.name))
            for case in later:
                found[case] = compare(case, every, folder=folder, host=host, rounds=chosen.rounds)
        amount = (folder / CASES[COLD]).stat().st_size
    return f"{amount / 1e9:.2f} GB in {chosen.layers} layers, on {machine()}.", found


def write_archives(folder: Path, cases: Sequence[str], *, size: int, layers: int) -> None:
    shape = {"size": size, "layers": layers, "small": min(5_000_000, size // layers)}
    differences: Mapping[str, Mapping[str, int | str]] = {
        "first.tar": {},
        "relabelled.tar": {"label": "two"},
        "changed.tar": {"label": "two", "changed": 1},
    }
    needed = {CASES[case].removesuffix(".gz") for case in cases} | {CASES[COLD]}
    for name in sorted(needed):
        archive(folder / name, **shape, **differences[name])  # type: ignore[arg-type]
    for name in {CASES[case] for case in cases if case.endswith(".gz")}:
        with (
            (folder / name.removesuffix(".gz")).open("rb") as source,
            gzip.open(folder / name, "wb", 1) as packed,
        ):
            shutil.copyfileobj(source, packed, 1 << 20)


def compare(case: str, every: Sequence[Tool], *, folder: Path, host: str, rounds: int) -> list[Contender]:
    """Each tool pushes to a repository that holds what the same tool made of the first image; cold: to an empty one."""
    image = folder / CASES[case]

    def contender(tool: Tool) -> Contender:
        argv = tool.push(image, reference(host, tool))
        return Contender(tool.name, lambda _: argv, tool.forget, tool.whole)

    def before(contender: Contender) -> None:
        if case.startswith(COLD):
            empty(folder)
        else:
            again(folder, contender.name)

    contenders = [contender(tool) for tool in every if readable(tool, image)]
    alternate(contenders, rounds=rounds, before=before, title=f"{case}: ")
    return contenders


def reference(host: str, tool: Tool) -> str:
    return f"{host}/{tool.name.split()[0]}:1"


def readable(tool: Tool, image: Path) -> bool:
    """Some take a plain tar alone."""
    return image.suffix == ".tar" or tool.name not in {"crane", "skopeo 1.9.3", "podman load, push"}


def medians(found: Mapping[str, Sequence[Contender]]) -> dict[str, dict[str, float]]:
    return {case: {each.name: each.median for each in contenders} for case, contenders in found.items()}


if __name__ == "__main__":
    main()
