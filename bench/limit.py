"""What this machine allows: the processor time that a cold push can't do without, shared by all cores.

Each kind of work is measured by itself on the layers of the image: read and hash, compress, hash what came out, send it.
To send costs the client's time and the registry's, which runs on the same cores. Pushes of the same image are measured
in turn with it, for a machine drifts.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import itertools
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import requests
from images import archive
from runs import empty, machine, measure, processor_time, registry
from tools import publish

from flakeship.image.compress import Compression, compressed
from flakeship.image.stream import CHUNK, chunks

_ROUNDS = 3
_SAMPLE = 400 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limit:
    """Processor seconds by kind of work, for `size` bytes."""

    work: dict[str, float]
    size: int
    cores: int

    @property
    def seconds(self) -> float:
        return sum(self.work.values()) / self.cores

    def __str__(self) -> str:
        lines = ["| work | processor seconds | MB/s |", "| --- | ---: | ---: |"]
        lines += [
            f"| {kind} | {each:.2f} | {self.size / 1e6 / each:,.0f} |" for kind, each in self.work.items()
        ]
        total = sum(self.work.values())
        lines += [
            f"| together | {total:.2f} | |",
            f"| over {self.cores} cores | **{self.seconds:.2f} s** | |",
        ]
        return "\n".join(lines)


def limit(image: Path, folder: Path) -> Limit:
    """For an archive whose bytes are nearly all layers. Measured on chunks from all over it, and put to scale."""
    size = image.stat().st_size
    with image.open("rb") as file:
        sample = list(itertools.islice(chunks(file), 0, None, max(1, size // _SAMPLE)))
    with ThreadPoolExecutor(1) as pool:
        pack = functools.partial(compressed, compression=Compression(), pool=pool, in_flight=1)
        blob = list(pack(sample))
        whole = b"".join(blob)
        with registry(folder) as server, requests.Session() as session:
            work = {
                "read": least(lambda: read(image, len(sample))),
                "hash what is read": least(lambda: digest_of(sample)),
                "compress": least(lambda: sum(map(len, pack(sample)))),
                "hash the blob": least(lambda: digest_of(blob)),
            }
            digest = digest_of(blob)
            work["send, and the registry's part"] = least(
                lambda: send(whole, digest, session, server.host), server.pid
            )
    scale = size / sum(map(len, sample))
    return Limit({kind: each * scale for kind, each in work.items()}, size, len(os.sched_getaffinity(0)))


def read(image: Path, pieces: int) -> None:
    with image.open("rb", buffering=0) as file:
        for _ in range(pieces):
            file.read(CHUNK)


def digest_of(pieces: Iterable[bytes]) -> str:
    hashed = hashlib.sha256()
    for piece in pieces:
        hashed.update(piece)
    return f"sha256:{hashed.hexdigest()}"


def send(blob: bytes, digest: str, session: requests.Session, host: str) -> None:
    """With its length, as a registry takes it at the least cost: in chunks it spends a quarter more on it."""
    place = session.post(f"http://{host}/v2/bench/blobs/uploads/").headers["Location"]
    session.put(place, params={"digest": digest}, data=blob).raise_for_status()


def least(work: Callable[[], object], *others: int) -> float:
    """Processor seconds of this process and of others, at best of several runs."""
    return min(_spent(work, others) for _ in range(_ROUNDS))


def _spent(work: Callable[[], object], others: tuple[int, ...]) -> float:
    begun = time.process_time() + sum(map(processor_time, others))
    work()
    return time.process_time() + sum(map(processor_time, others)) - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=1_400, help="megabytes (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        image = Path(name, "image.tar")
        archive(image, size=chosen.size * 1_000_000, layers=60)
        found = [(limit(image, Path(name)), pushed(image, Path(name))) for _ in range(chosen.rounds)]
    limits = sorted((each for each, _ in found), key=lambda each: each.seconds)
    seconds = statistics.median(took for _, took in found)
    times = statistics.median(took / each.seconds for each, took in found)
    print(f"On {machine()}.\n\n{limits[len(limits) // 2]}\n")
    print(
        f"A push of it, in turn with that: {seconds:.2f} s, {times:.2f} times the limit (medians of {chosen.rounds})."
    )


def pushed(image: Path, folder: Path) -> float:
    """Seconds of a cold push."""
    empty(folder)
    with registry(folder) as server:
        return measure(publish("--source", str(image), "--tags", f"{server.host}/ours:1")).seconds


if __name__ == "__main__":
    main()
