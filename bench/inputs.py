"""What `?inputs=true` of a cache spares a cold runner: a large input by its own host, and from the cache of results in a registry.

usage: ./dev bench inputs [--rounds N] [--files N] [--megabits N ...]

Each run has an empty store of its own, where /nix is. The input is a tarball, or a git repository with a history, behind one relay, and
the registry is behind another of the same round trip, whose rate is fixed: what differs is how fast the input's host is.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import http.server
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent))

from runs import FLAKESHIP, machine, registry
from tests.testbed.relay import Passed, metered

MBIT = 1_000_000 / 8
SETTINGS = (
    "experimental-features = nix-command flakes\nbuild-users-group =\nsubstituters =\nsandbox = false\n"
)
ROUND_TRIP = 0.02
HISTORY = 10
FLAKE = """
{
  inputs.large = { url = "URL"; flake = false; };
  outputs = { self, large }: {
    packages.SYSTEM.default = derivation {
      name = "uses";
      system = "SYSTEM";
      builder = "${./bin}/busybox";
      args = [ "sh" "-euc" "b=${./bin}/busybox; $b mkdir -p $out/bin; $b cp $b $out/bin/uses; $b head -c 100 ${large}/d0/f0 >$out/large" ];
    };
  };
}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--files", type=int, default=20_000, help="of the input (default: %(default)s)")
    parser.add_argument("--megabits", type=float, nargs="+", default=[200, 20], help="of the input's host")
    parser.add_argument(
        "--registry", type=float, default=200, help="megabits a second (default: %(default)s)"
    )
    chosen = parser.parse_args()
    print(f"On {machine()}.\n")
    print(
        "| input | its host | kept | seconds | from its host | from the cache |\n|---|---:|---|---:|---:|---:|"
    )
    with tempfile.TemporaryDirectory(prefix="inputs-") as name, contextlib.ExitStack() as scope:
        folder = Path(name)
        origin = scope.enter_context(served(sources(folder, chosen.files)))
        host = scope.enter_context(registry(folder)).host
        for kind, megabits in ((kind, each) for kind in ("tarball", "git") for each in chosen.megabits):
            with (
                metered(origin, round_trip=ROUND_TRIP, rate=megabits * MBIT) as slow,
                metered(host, round_trip=ROUND_TRIP, rate=chosen.registry * MBIT) as cache,
            ):
                url = (
                    f"http://{slow.host}/large.tar.gz"
                    if kind == "tarball"
                    else f"git+http://{slow.host}/large/.git?ref=main"
                )
                flake = project(folder, f"{kind}-{megabits:g}", url)
                for kept in (False, True):
                    found = cold_runs(folder, flake, slow, cache, chosen.rounds, kept=kept)
                    told = "yes" if kept else "no"
                    print(f"| {kind} | {megabits:g} Mbit/s | {told} | {found} |", flush=True)


def sources(folder: Path, files: int) -> Path:
    """Write text that compresses as programs do, as a tarball and as a repository with a history of HISTORY commits."""
    place, chance = folder / "www", random.Random(1)
    tree = place / "large"
    words = ["".join(chance.choices("etaoinsrhldcu", k=chance.randint(2, 9))) for _ in range(3000)]
    for number in range(files):
        file = tree / f"d{number % 200}" / f"f{number}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text(chance, words))
    subprocess.run(["tar", "-C", place, "-czf", place / "large.tar.gz", "large"], check=True)
    who = ("-c", "user.name=bench", "-c", "user.email=bench@example.invalid")
    git = functools.partial(subprocess.run, cwd=tree, check=True, capture_output=True)
    git(["git", "init", "-q", "-b", "main"])
    for number in range(HISTORY):
        for each in chance.sample(range(files), files // 20):
            (tree / f"d{each % 200}" / f"f{each}").write_text(text(chance, words))
        git(["git", "add", "-A"])
        git(["git", *who, "commit", "-q", "-m", str(number)])
    git(["git", "gc", "-q"])
    git(["git", "update-server-info"])
    return place


def text(chance: random.Random, words: list[str]) -> str:
    return "".join(
        f"{word}\n" if number % 9 == 8 else f"{word} "
        for number, word in enumerate(chance.choices(words, k=500))
    )


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve the files of a folder."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


def project(folder: Path, name: str, url: str) -> Path:
    """Write a flake with a lock file. The repository's address is its own, so that each kind has its cache."""
    flake = folder / name
    (flake / "bin").mkdir(parents=True)
    shutil.copy(shutil.which("busybox") or "/usr/bin/busybox", flake / "bin/busybox")
    system = f"{os.uname().machine}-linux"
    (flake / "flake.nix").write_text(FLAKE.replace("URL", url).replace("SYSTEM", system))
    with runner(folder) as run:
        run("nix", "flake", "lock", f"path:{flake}")
    return flake


def cold_runs(folder: Path, flake: Path, slow: Passed, cache: Passed, rounds: int, *, kept: bool) -> str:
    """Fill a cache by one run, and return the cells of what runs behind it take."""
    place = (
        f"docker://{cache.host}/{flake.name}/{'with' if kept else 'without'}{'?inputs=true' if kept else ''}"
    )
    argv = (*FLAKESHIP, "publish", "--flake", f"path:{flake}", "--to", f"oci:{folder}/out", "--reuse", "off")
    seconds, bytes_of = [], (0, 0)
    for number in range(rounds + 1):
        with runner(folder) as run:
            slow.down = cache.down = 0
            began = time.monotonic()
            said = run(*argv, "--nix-cache", place)
            if number:
                seconds.append(time.monotonic() - began)
                bytes_of = slow.down, cache.down
                assert not re.search(r"building '/nix/store", said), said
    return " | ".join((f"{statistics.median(seconds):.1f}", *(f"{each / 1e6:.1f} MB" for each in bytes_of)))


@contextlib.contextmanager
def runner(folder: Path) -> Iterator[Callable[..., str]]:
    """An empty store, and what runs a command there and returns what it said."""
    own = Path(tempfile.mkdtemp(dir=folder))
    (own / "nix").mkdir()
    environ = {**os.environ, "HOME": str(own), "NIX_REMOTE": "local", "NIX_CONFIG": SETTINGS, "LC_ALL": "C"}
    alone = (
        "unshare",
        "--mount",
        "--propagation",
        "private",
        *(() if os.geteuid() == 0 else ("--map-root-user",)),
    )
    script = 'mount --bind "$1" /nix && shift && exec "$@"'

    def run(*argv: str) -> str:
        whole = (*alone, "sh", "-c", script, "sh", str(own / "nix"), *argv)
        done = subprocess.run(whole, env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stderr

    yield run
    subprocess.run(["chmod", "-R", "u+w", own], check=False)
    shutil.rmtree(own)


if __name__ == "__main__":
    main()
