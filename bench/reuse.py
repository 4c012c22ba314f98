"""Pushing again from a runner that has nothing but the registry: a label changed, one small layer of many changed."""

from __future__ import annotations

import argparse
import gzip
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from images import archive
from picture import bars
from runs import FLAKESHIP, Contender, empty, machine, measure, registry, table, version_of

Push = Callable[[Path, str], Sequence[str]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=1_400, help="megabytes (default: %(default)s)")
    parser.add_argument("--layers", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--skopeo", default="skopeo", help="which skopeo; may be given as a path")
    parser.add_argument("--crane", default="", help="a crane to compare with as well")
    parser.add_argument("--picture", type=Path, help="write a picture of the medians (SVG)")
    chosen = parser.parse_args()
    pushes: dict[str, Push] = {
        "flakeship": ours,
        f"skopeo {version_of(chosen.skopeo)}": skopeo_by(chosen.skopeo),
    }
    if chosen.crane:
        pushes["crane"] = crane_by(chosen.crane)
    found: dict[str, list[Contender]] = {}
    with tempfile.TemporaryDirectory(prefix="bench-") as name, registry(Path(name)) as host:
        folder = Path(name)
        os.environ["HOME"] = name
        first, relabelled, changed = (folder / f"{kind}.tar" for kind in ("first", "relabelled", "changed"))
        shape = {"size": chosen.size * 1_000_000, "layers": chosen.layers, "small": 1}
        archive(first, **shape)
        archive(relabelled, label="two", **shape)
        archive(changed, salt="two", label="two", **shape)
        for case, image in (
            ("cold", first),
            ("one label changed", relabelled),
            ("one layer changed", changed),
        ):
            found[case] = compare(case, first, image, pushes, folder=folder, host=host, rounds=chosen.rounds)
        packed = compressed(relabelled)
        only = {name: push for name, push in pushes.items() if "1.9.3" not in name}  # which can't read them
        case = "one label changed, .tar.gz"
        found[case] = compare(case, first, packed, only, folder=folder, host=host, rounds=chosen.rounds)
        size = first.stat().st_size
    print(f"{size / 1e9:.2f} GB in {chosen.layers} layers, empty caches, on {machine()}.")
    for case, contenders in found.items():
        print(f"\n**{case}**\n\n{table(contenders, ours='flakeship')}")
    if chosen.picture:
        medians = {
            case: {each.name: each.median for each in contenders} for case, contenders in found.items()
        }
        chosen.picture.write_text(bars(medians, unit="s"), encoding="utf-8")


def compare(
    case: str, first: Path, image: Path, pushes: dict[str, Push], *, folder: Path, host: str, rounds: int
) -> list[Contender]:
    """Each tool pushes `image` to a repository that holds what the same tool made of `first`; cold: to an empty one."""
    contenders = [Contender(name, lambda _: ()) for name in pushes]
    for _ in range(rounds):
        for contender in contenders:
            push, reference = pushes[contender.name], f"{host}/{contender.name.split()[0]}:1"
            empty(folder)
            if case != "cold":
                measure(push(first, reference))
            shutil.rmtree(folder / ".local", ignore_errors=True)
            run = measure(push(image, reference))
            contender.runs.append(run)
            print(f"  {case}: {contender.name}: {run.seconds:.2f} s", file=sys.stderr)
    return contenders


def compressed(path: Path) -> Path:
    packed = path.with_suffix(".tar.gz")
    with path.open("rb") as source, gzip.open(packed, "wb", compresslevel=1) as target:
        shutil.copyfileobj(source, target, 1 << 20)
    return packed


def ours(image: Path, reference: str) -> Sequence[str]:
    return (*FLAKESHIP, "publish", "--source", str(image), "--tags", reference)


def skopeo_by(program: str) -> Push:
    options = ("--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false")
    return lambda image, reference: (program, *options, f"docker-archive:{image}", f"docker://{reference}")


def crane_by(program: str) -> Push:
    return lambda image, reference: (program, "push", "--insecure", str(image), reference)


if __name__ == "__main__":
    main()
