"""A repository for roots, in a registry or a folder, store paths that exist nowhere else, and runs that use both."""

from __future__ import annotations

import contextlib
import hashlib
import random
import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from flakeship.caches.nar_entry import PathInfo, nix32
from flakeship.caches.packs.layout import LayoutRepository
from flakeship.caches.packs.reader import PackCache, open_cache
from flakeship.caches.packs.registry import RegistryRepository
from flakeship.caches.packs.repository import Repository
from flakeship.caches.packs.root import Root
from flakeship.caches.packs.signing import PublicKey, SecretKey
from flakeship.caches.packs.writer import PackWriter, Written
from flakeship.caches.place import Limits
from flakeship.events import Event, Warned
from flakeship.http.clock import Clock
from flakeship.http.transport import Transport
from flakeship.registry.client import RegistryClient
from flakeship.registry.credentials import Credentials

SYSTEM = "x86_64-linux"
MAIN = Root("main", SYSTEM, (".#default",))
BRANCH = Root("feature/x", SYSTEM, (".#default",))

Paths: TypeAlias = dict[PathInfo, bytes]


def padded(text: bytes) -> bytes:
    return len(text).to_bytes(8, "little") + text + bytes(-len(text) % 8)


def nar_of(content: bytes) -> bytes:
    """The NAR of a file: https://nix.dev/manual/nix/latest/protocols/nix-archive."""
    words = (b"nix-archive-1", b"(", b"type", b"regular", b"contents", content, b")")
    return b"".join(map(padded, words))


def path_of(name: str, content: bytes, *references: str) -> tuple[PathInfo, bytes]:
    nar = nar_of(content)
    digest = hashlib.sha256(nar).digest()
    base = f"{nix32(hashlib.sha256(name.encode()).digest()[:20])}-{name}"
    return PathInfo(path=f"/nix/store/{base}", nar_hash=digest, nar_size=len(nar), references=references), nar


def some_paths(count: int, *, size: int = 1000, seed: str = "") -> Paths:
    """Store paths whose content does not compress, each of which refers to the one before it."""
    chance, paths = random.Random(f"{seed}{count}"), Paths()
    before: tuple[str, ...] = ()
    for number in range(count):
        info, nar = path_of(f"{seed}p{number}", chance.randbytes(size), *before)
        paths[info] = nar
        before = (info.path.removeprefix("/nix/store/"),)
    return paths


class WithoutTime(RegistryRepository):
    """A repository of a registry that tells no time."""

    @property
    def time(self) -> None:
        return None


@dataclass
class Scene:
    """Runs that share a repository. `now` is what their clock shows."""

    folder: Path
    stack: ExitStack
    events: list[Event] = field(default_factory=list)
    now: float = field(default_factory=lambda: float(int(time.time())))

    def registry(
        self,
        host: str,
        name: str,
        *,
        login: Credentials | None = None,
        actions: str = "pull,push,delete",
        has_time: bool = False,
    ) -> RegistryRepository:
        """A run's view of a repository. The clock of the registry is real: without `has_time` runs go by that of the scene."""
        transport = Transport(
            ca=None,
            plain_http=(host,),
            environ={},
            emit=self.events.append,
            clock=Clock(
                now=time.monotonic, sleep=lambda seconds: time.sleep(min(seconds, 0.01)), random=lambda: 0.0
            ),
        )
        client = RegistryClient(self.stack.enter_context(transport), host, name, login, actions=actions)
        kind = RegistryRepository if has_time else WithoutTime
        return kind(client, emit=self.events.append)

    def layout(self) -> LayoutRepository:
        return LayoutRepository(self.folder / "layout", emit=self.events.append)

    def writer(
        self,
        repository: Repository,
        root: Root = MAIN,
        *,
        key: SecretKey | None = None,
        after: PackCache | None = None,
        **limits: Any,
    ) -> PackWriter:
        return PackWriter(
            repository,
            root.tag,
            folder=self.folder,
            emit=self.events.append,
            limits=Limits(**limits),
            now=lambda: self.now,
            key=key,
            is_damaged=lambda: bool(after and (after.damaged or after.gone)),
        )

    def write(
        self,
        repository: Repository,
        paths: Paths,
        root: Root = MAIN,
        *,
        seconds: float = 60,
        after: PackCache | None = None,
        key: SecretKey | None = None,
        **limits: Any,
    ) -> Written | None:
        """A run that builds these paths. `after` is what it had read from."""
        writer = self.writer(repository, root, key=key, after=after, **limits)
        for info, nar in paths.items():
            writer.add(info, [nar])
        if after is None:
            return writer.finish(seconds)
        return writer.finish(
            seconds, used=after.used, damaged=after.damaged, gone=after.gone, roots=after.roots
        )

    def cache(
        self,
        repository: Repository,
        own: Root = MAIN,
        *others: Root,
        keys: Collection[PublicKey] = (),
        **named: Any,
    ) -> PackCache:
        cache = open_cache(
            repository, own, *others, folder=self.folder, emit=self.events.append, keys=tuple(keys), **named
        )
        self.stack.callback(cache.close)
        return cache

    @property
    def warnings(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Warned)]


def content(cache: PackCache, info: PathInfo) -> bytes | None:
    """The NAR that a cache has of a path, None without it."""
    import zstandard

    entry = cache.entry(info.hash_part)
    opened = cache.open(entry) if entry else None
    if opened is None:
        return None
    assert entry
    assert (entry.path, entry.nar_hash, entry.nar_size) == (info.path, info.nar_hash, info.nar_size)
    with opened as reader:
        frame = reader.read()
    assert hashlib.sha256(frame).digest() == entry.frame
    return zstandard.ZstdDecompressor().decompressobj().decompress(frame)


def holds(cache: PackCache, paths: Paths) -> list[PathInfo]:
    """Those of the paths that a cache has. One that it has differently fails the test."""
    found = {info: content(cache, info) for info in paths}
    assert all(nar in (None, paths[info]) for info, nar in found.items())
    return [info for info, nar in found.items() if nar is not None]


@contextlib.contextmanager
def open_scene(folder: Path) -> Iterator[Scene]:
    with ExitStack() as stack:
        yield Scene(folder, stack)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with open_scene(tmp_path) as opened:
        yield opened
