"""A cold push of a plain package's closure: flakeship against GNU tar into a docker-archive and skopeo behind it.

The closure is made of this machine's own files, put into the Nix store for as long as the measurement takes.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

sys.path.insert(0, str(Path(__file__).parent))

from runs import FLAKESHIP, Contender, alternate, empty, machine, registry, table, version_of

from flakeship.image.compress import Compression, compressed
from flakeship.image.stream import chunks
from flakeship.image.tar_writer import tar_of

PACK = Path(__file__).with_name("closure-by-tar.sh")
PACKAGE = """
  { busybox, dependencies }: derivation {
    name = "bench-1.0";
    system = builtins.currentSystem;
    builder = "${builtins.storePath busybox}/busybox";
    args = [ "sh" "-c" "b=$builder; $b mkdir -p $out/bin; $b ln -s $b $out/bin/bench; echo $dependencies > $out/dependencies" ];
    dependencies = map builtins.storePath dependencies;
  }
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=1_400, help="megabytes (default: %(default)s)")
    parser.add_argument("--files", type=int, default=52_000)
    parser.add_argument("--paths", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--from", dest="origin", type=Path, default=Path("/usr"), help="default: %(default)s")
    parser.add_argument("--skopeo", default="skopeo", help="which skopeo; may be given as a path")
    parser.add_argument("--stages-only", action="store_true")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        files = pick(chosen.origin, count=chosen.files, size=chosen.size * 1_000_000)
        with store_paths(files, chosen.paths, Path(name)) as (package, closure), registry(Path(name)) as host:
            amount = Amount.of(closure)
            print(f"Closure of {amount} in {len(closure)} paths, on {machine()}.\n")
            print(stages(closure, amount, host, Path(name)) + "\n")
            if chosen.stages_only:
                return
            os.environ["HOME"] = name  # no blob cache, no credentials
            contenders = [ours(package, host), by_tar(chosen.skopeo, closure, host, Path(name))]
            alternate(contenders, rounds=chosen.rounds, before=lambda: empty(Path(name)))
    print(table(contenders, ours="flakeship"))


def ours(package: str, host: str) -> Contender:
    return Contender(
        "flakeship",
        lambda number: (*FLAKESHIP, "publish", "--source", package, "--tags", f"{host}/ours:{number}"),
    )


def by_tar(skopeo: str, closure: Sequence[str], host: str, folder: Path) -> Contender:
    """GNU tar, one layer a path as we make them, and skopeo of the archive."""
    words = ("sh", str(PACK), str(folder), skopeo)
    return Contender(
        f"GNU tar, skopeo {version_of(skopeo)}",
        lambda number: (*words, f"docker://{host}/tar:{number}", *closure),
    )


@dataclass(frozen=True, slots=True)
class Amount:
    entries: int
    size: int

    @classmethod
    def of(cls, closure: Sequence[str]) -> Amount:
        entries = size = 0
        for path in walked(closure):
            entries += 1
            size += os.lstat(path).st_size
        return cls(entries, size)

    def __str__(self) -> str:
        return f"{self.size / 1e9:.2f} GB and {self.entries:,} entries"


def walked(closure: Sequence[str]) -> Iterator[str]:
    for top in closure:
        yield top
        for folder, folders, files in os.walk(top):
            yield from (f"{folder}/{name}" for name in (*folders, *files))


def pick(origin: Path, *, count: int, size: int) -> list[Path]:
    """`count` regular files of together about `size` bytes, the small ones that most files are among them."""
    small: list[Path] = []
    large: list[tuple[int, Path]] = []
    for folder, folders, names in os.walk(origin):
        folders.sort()
        for name in sorted(names):
            path = Path(folder, name)
            info = path.lstat()
            if path.is_symlink() or not path.is_file():
                continue
            if info.st_size > 64 * 1024:
                large.append((info.st_size, path))
            elif len(small) < count:
                small.append(path)
    left = size - sum(path.stat().st_size for path in small)
    chosen: list[Path] = []
    for length, path in large:
        if length <= left:
            chosen.append(path)
            left -= length
    return sorted([*small[: count - len(chosen)], *chosen])


@contextlib.contextmanager
def store_paths(files: Sequence[Path], paths: int, folder: Path) -> Iterator[tuple[str, list[str]]]:
    """A package that depends on `paths` paths that hold the files; all of it is deleted again."""
    os.environ["NIX_CONFIG"] = (
        "build-users-group =\nsubstituters =" if os.geteuid() == 0 else "substituters ="
    )
    added: list[str] = []
    package = ""
    try:
        each = -(-len(files) // paths)
        for number in range(paths):
            part = files[number * each : (number + 1) * each]
            added += [add(part, folder / f"bench-part-{number}")]
        added.append(add([Path(shutil.which("busybox") or "busybox")], folder / "bench-busybox", flat=True))
        added.append(derivation(added[-1], added[:-1]))
        package = run("nix-store", "--realise", added[-1]).strip()
        yield package, run("nix-store", "--query", "--requisites", package).split()
    finally:
        subprocess.run(
            ["nix-store", "--delete", *filter(None, [package, *added])], check=False, capture_output=True
        )


def add(files: Sequence[Path], folder: Path, *, flat: bool = False) -> str:
    for file in files:
        copy = folder / file.name if flat else folder / file.relative_to("/")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, copy)
    path = run("nix-store", "--add", str(folder)).strip()
    shutil.rmtree(folder)
    return path


def derivation(busybox: str, dependencies: Sequence[str]) -> str:
    arguments = (
        f"busybox = {json.dumps(busybox)}; dependencies = [ {' '.join(map(json.dumps, dependencies))} ];"
    )
    expression = f"({PACKAGE}) {{ {arguments} }}"
    return run("nix-instantiate", "--expr", expression).strip()


def run(*argv: str) -> str:
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{argv[0]} failed:\n{done.stderr[-2000:]}")
    return done.stdout


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
    import requests

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
