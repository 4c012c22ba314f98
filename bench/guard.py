"""What the server between Nix and its caches costs: narinfos a second, builds that need no cache, and large files.

usage: ./dev bench guard [--rounds N]

The budgets: 10,000 narinfos of our own cache within 1 s, and 5 % of a build that needs nothing from a cache.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import hashlib
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from runs import machine

from flakeship.caches import CacheInputs, CacheTools, opened
from flakeship.caches.loopback.served import OwnCache
from flakeship.caches.loopback.server import Loopback
from flakeship.caches.nar_entry import NarEntry
from flakeship.events import ignore
from flakeship.http.clock import Clock
from flakeship.http.fetch import Fetcher
from flakeship.http.transport import Transport
from flakeship.nix.build import build, current_system
from flakeship.nix.command import Nix
from flakeship.nix.installable import Installable
from flakeship.nix.substituters import Substituters

SETTINGS = "experimental-features = nix-command flakes\nbuild-users-group =\nsubstituters =\n"
PATHS = 10_000
LARGE = 200 * 1024 * 1024


class Shelf:
    """A cache of ours that holds PATHS paths in memory."""

    name = "shelf"

    def __init__(self) -> None:
        letters = "0123456789abcdfghijklmnpqrsvwxyz"
        chosen = random.Random(1)
        hashes = ["".join(chosen.choices(letters, k=32)) for _ in range(PATHS)]
        self.entries = {
            each: NarEntry(
                path=f"/nix/store/{each}-package-1.0",
                nar_hash=bytes(32),
                nar_size=100_000,
                references=tuple(f"{other}-package-1.0" for other in hashes[:6]),
                frame=bytes(32),
                frame_size=30_000,
            )
            for each in hashes
        }

    def entry(self, hash_part: str) -> NarEntry | None:
        return self.entries.get(hash_part)

    def open(self, entry: NarEntry) -> None:
        return None


def narinfos(folder: Path) -> float:
    """Ask by 25 connections at once, as Nix does, and return the seconds for all. Curl's own time is in them."""
    server, shelf = Loopback(), Shelf()
    url = server.serve(0, OwnCache(shelf))
    config = folder / "curl"
    config.write_text(
        "".join(f'url = "{url}/{each}.narinfo"\noutput = /dev/null\n' for each in shelf.entries)
    )
    began = time.monotonic()
    subprocess.run(
        ["curl", "--silent", "--parallel", "--parallel-max", "25", "--no-progress-meter", "-K", config],
        check=True,
    )
    took = time.monotonic() - began
    server.close()
    return took


@contextlib.contextmanager
def cache(folder: Path) -> Iterator[str]:
    """Serve files of a cache from another process, so that it shares no lock with ours."""
    code = (
        "import http.server, sys, functools\n"
        "class Handler(http.server.SimpleHTTPRequestHandler):\n"
        "    protocol_version = 'HTTP/1.1'\n"
        "    def log_message(self, *_): pass\n"
        "made = functools.partial(Handler, directory=sys.argv[1])\n"
        "server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), made)\n"
        "print(server.server_port, flush=True)\nserver.serve_forever()"
    )
    with subprocess.Popen([sys.executable, "-c", code, folder], stdout=subprocess.PIPE) as child:
        assert child.stdout
        yield f"http://127.0.0.1:{int(child.stdout.readline())}"
        child.terminate()


def tools_of(nix: Nix, folder: Path) -> CacheTools:
    clock = Clock(now=time.monotonic, sleep=time.sleep, random=random.random)
    transport = Transport(ca=None, plain_http=(), environ={}, emit=ignore, clock=clock)

    def no_client(_: object) -> None:
        raise AssertionError

    return CacheTools(nix, ignore, Fetcher(transport), folder, no_client, transport)  # type: ignore[arg-type]


FLAKE = """
{
  outputs = { self }:
    let
      step = number: derivation {
        name = "step-${toString number}";
        system = "SYSTEM";
        builder = "${./bin}/busybox";
        args = [ "sh" "-c" "${./bin}/busybox sleep 0.1; echo $salt > $out" ];
        salt = builtins.readFile ./salt;
        before = if number == 0 then "" else step (number - 1);
      };
    in { packages.SYSTEM.default = step 30; };
}
"""
"""Thirty-one derivations, one after another, as a build of a service and what is its own has: about five seconds."""


def build_seconds(nix: Nix, flake: Path, folder: Path, url: str, way: str) -> float:
    """Build something new while a cache has nothing of it: `bare`, `unguarded` but looked at first, or `guarded`."""
    (flake / "salt").write_text(str(time.monotonic_ns()))
    inputs = CacheInputs(substituters=() if way == "bare" else (url,))
    began = time.monotonic()
    with opened(inputs, tools_of(nix, folder)) as plan:
        own = nix.with_options([("extra-substituters", url)]) if way == "bare" else plan.applied(nix)
        if way == "unguarded":
            own = own.with_substituters(Substituters({url: url}))
        build(own, Installable.parse(f"path:{flake}", cwd=str(flake)), emit=ignore)
    return time.monotonic() - began


def fetch_seconds(nix: Nix, url: str, key: str, path: str, folder: Path, *, guarded: bool) -> float:
    """Get one large path into a new store, through the guard or by Nix itself."""
    root = folder / f"root{time.monotonic_ns()}"
    environ = {**nix.environ, "NIX_REMOTE": str(root)}
    began = time.monotonic()
    inputs = CacheInputs(substituters=(url,), trusted_public_keys=(key,)) if guarded else CacheInputs()
    with opened(inputs, tools_of(nix, folder)) as plan:
        settings = {"extra-substituters": url, "extra-trusted-public-keys": key}
        own = plan.applied(nix) if guarded else nix
        lines = own.substituters.environ(environ)["NIX_CONFIG"]
        more = dict(plan.options) if guarded else settings
        config = "\n".join((lines, *(f"{name} = {value}" for name, value in more.items())))
        command = ("nix-store", "--realise", path)
        subprocess.run(command, env={**environ, "NIX_CONFIG": config}, check=True, capture_output=True)
    took = time.monotonic() - began
    subprocess.run(["chmod", "-R", "u+w", root], check=False)
    shutil.rmtree(root)
    return took


def large_path(folder: Path, environ: Mapping[str, str]) -> tuple[str, str]:
    """Put a large file into the store and into a signed cache; return its path and the cache's key."""
    content = folder / "large"
    block = hashlib.sha256(folder.name.encode()).digest() * 2048
    with content.open("wb") as file:
        pieces = (hashlib.sha256(str(number).encode()).digest() for number in range(LARGE // len(block)))
        file.writelines(piece + block[32:] for piece in pieces)
    run = functools.partial(subprocess.run, env=environ, check=True, capture_output=True, text=True)
    path = run(("nix-store", "--add", content)).stdout.strip()
    secret, public = folder / "secret", folder / "public"
    run(("nix-store", "--generate-binary-cache-key", "bench-1", secret, public))
    run(("nix", "copy", "--to", f"file://{folder}/cache?secret-key={secret}&compression=none", path))
    run(("nix", "store", "sign", "--key-file", secret, path))
    return path, public.read_text().strip()


def alternated(rounds: int, *ways: Callable[[], float]) -> list[float]:
    """Return the median of each way, run in turns."""
    seconds: list[list[float]] = [[] for _ in ways]
    for _ in range(rounds):
        for way, kept in zip(ways, seconds, strict=True):
            kept.append(way())
    return [statistics.median(kept) for kept in seconds]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environ = {**os.environ, "NIX_CONFIG": SETTINGS, "HOME": name, "XDG_CACHE_HOME": f"{name}/xdg"}
        nix = Nix.find(environ=environ, emit=ignore)
        flake = folder / "flake"
        (flake / "bin").mkdir(parents=True)
        shutil.copy("/bin/busybox", flake / "bin/busybox")
        (flake / "flake.nix").write_text(FLAKE.replace("SYSTEM", current_system(nix)))
        print(f"{machine()}, {nix.release}; medians of {rounds}\n")
        print(f"{PATHS} narinfos of our own cache: {alternated(rounds, lambda: narinfos(folder))[0]:.2f} s")
        path, key = large_path(folder, environ)
        with cache(folder / "cache") as url:
            build_by = functools.partial(build_seconds, nix, flake, folder, url)
            ways = ("bare", "unguarded", "guarded")
            took = alternated(rounds, *(functools.partial(build_by, way) for way in ways))
            print("a build that the cache has nothing of:", *map("{} {:.2f} s".format, ways, took))
            fetch_by = functools.partial(fetch_seconds, nix, url, key, path, folder)
            bare, guarded = alternated(
                rounds, lambda: fetch_by(guarded=False), lambda: fetch_by(guarded=True)
            )
            size = LARGE // 1024 // 1024
            print(f"a path of {size} MiB: {bare:.2f} s by Nix, {guarded:.2f} s through the guard")
        subprocess.run(("nix-store", "--delete", path), env=environ, check=False, capture_output=True)


if __name__ == "__main__":
    main()
