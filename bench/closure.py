"""Pushes of a plain package's closure: flakeship against GNU tar into a docker-archive and skopeo behind it."""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

sys.path.insert(0, str(Path(__file__).parent))

import requests
from closures import FLAGS, Amount, Package, packages, pick, walked
from runs import Contender, again, alternate, empty, kept, machine, measure, registry, table, version_of
from tools import OURS, publish

from flakeship.image.compress import Compression, compressed
from flakeship.image.stream import chunks
from flakeship.image.tar.writer import tar_of

PACK = Path(__file__).with_name("closure-by-tar.sh")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_flags(parser)
    parser.add_argument("--skopeo", nargs="*", default=["skopeo"], help="each may be given as a path")
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    title, found = closures(chosen)
    print(title)
    for case, contenders in found.items():
        print(f"\n**{case}**\n\n{table(contenders, ours=OURS)}")


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--size", type=int, default=1_400, help="megabytes (default: %(default)s)")
    parser.add_argument("--files", type=int, default=52_000)
    parser.add_argument("--paths", type=int, default=20)
    parser.add_argument("--from", dest="origin", type=Path, default=Path("/usr"), help="default: %(default)s")


def closures(chosen: argparse.Namespace) -> tuple[str, dict[str, list[Contender]]]:
    """What was measured on which machine, and the contenders of each case. Nix's evaluation is in our time."""
    with ExitStack() as scope:
        folder = Path(scope.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        files = pick(chosen.origin, count=chosen.files, size=chosen.size * 1_000_000)
        made = scope.enter_context(packages(files, chosen.paths, folder))
        amount, count = Amount.of(made.first.closure), len(made.first.closure)
        host = scope.enter_context(registry(folder)).host
        print(stages(made.first.closure, amount, host, folder) + "\n")
        os.environ["HOME"] = str(folder)  # no blob cache, no credentials
        cold = [ours(made.first, host), *(by_tar(each, made.first, host, folder) for each in chosen.skopeo)]
        alternate(cold, rounds=chosen.rounds, before=lambda _: empty(folder), title="closure: ")
        found = {"closure, cold": cold}
        empty(folder)
        measure(ours(made.first, host).argv(0))
        scope.enter_context(kept(folder, "first"))
        for case, package in {
            "nothing but a label changed": made.first,
            "one path changed": made.changed,
        }.items():
            again_ours = [ours(package, host, "--labels", "bench=two")]
            alternate(
                again_ours,
                rounds=chosen.rounds,
                before=lambda _: again(folder, "first"),
                title=f"closure, {case}: ",
            )
            found[f"closure, {case}"] = again_ours
    return f"A closure of {amount} in {count} paths, on {machine()}.", found


def ours(package: Package, host: str, *flags: str) -> Contender:
    argv = publish("--flake", f"path:{package.flake}", *FLAGS, "--tags", f"{host}/ours:1", *flags)
    return Contender(OURS, lambda _: argv)


def by_tar(skopeo: str, package: Package, host: str, folder: Path) -> Contender:
    """GNU tar, one layer a path as we make them, and skopeo of the archive."""
    words = ("sh", str(PACK), str(folder), skopeo)
    return Contender(
        f"GNU tar, skopeo {version_of(skopeo)}",
        lambda number: (*words, f"docker://{host}/tar:{number}", *package.closure),
    )


def stages(closure: Sequence[str], amount: Amount, host: str, folder: Path) -> str:
    """Each kind of work by itself, one after the other: what a push overlaps."""
    blob = folder / "blob"

    def tar() -> Iterator[bytes]:
        with tar_of(closure) as reader:
            yield from chunks(reader)

    def pack() -> None:
        cores = len(os.sched_getaffinity(0))
        with ThreadPoolExecutor(cores) as pool, blob.open("wb") as file:
            for piece in compressed(tar(), Compression(), pool=pool, in_flight=cores + 2):
                file.write(piece)

    def send() -> None:
        with blob.open("rb") as file:
            upload(file, host)

    seconds = {
        "walk": timed(lambda: sum(os.lstat(path).st_size for path in walked(closure))),
        "tar": timed(lambda: sum(map(len, tar()))),
        "tar, hash": timed(lambda: sum(hashlib.sha256(data).digest_size for data in tar())),
        "tar, compress": timed(pack),
        "send": timed(send),
    }
    lines = ["| stage by itself | seconds | files/s | MB/s |", "| --- | --- | --- | --- |"]
    for stage, took in seconds.items():
        size = blob.stat().st_size if stage == "send" else amount.size
        lines.append(f"| {stage} | {took:.2f} | {amount.entries / took:,.0f} | {size / 1e6 / took:,.0f} |")
    return "\n".join(lines)


def upload(file: BinaryIO, host: str) -> None:
    """In pieces: a child's peak memory begins with that of who started it."""
    digest = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    file.seek(0)
    with requests.Session() as session:
        place = session.post(f"http://{host}/v2/bench/blobs/uploads/").headers["Location"]
        session.put(place, params={"digest": digest}, data=file).raise_for_status()


def timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
