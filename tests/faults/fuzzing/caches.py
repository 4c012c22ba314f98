"""The documents of a Nix cache, fed to its readers: a narinfo, a root's manifest, an index, and packs, through the whole reader."""

from __future__ import annotations

import hashlib
import io
import json
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import zstandard

from flakeship.caches.nar_entry import NarEntry, narinfo_of, parse_narinfo
from flakeship.caches.packs.index import Held, decode, encode, index_of
from flakeship.caches.packs.manifest import RootManifest, decode_manifest, encode_manifest
from flakeship.caches.packs.reader import PackCache
from flakeship.caches.packs.repository import GoneError, StoredRoot
from flakeship.events import ignore
from flakeship.image.model import Digest, digest_of
from flakeship.image.stream import Reader
from tests.faults.fuzzing.mutation import mutated, mutated_json

_NARS: Final = tuple(random.Random(number).randbytes(400) for number in range(3))
_FRAMES: Final = tuple(map(zstandard.ZstdCompressor().compress, _NARS))
_PACK: Final = b"".join(_FRAMES)
_PACK_DIGEST: Final = digest_of(_PACK)


def _entry(number: int) -> NarEntry:
    return NarEntry(
        path=f"/nix/store/{number:032}-p{number}",
        nar_hash=hashlib.sha256(_NARS[number]).digest(),
        nar_size=len(_NARS[number]),
        references=(f"{0:032}-p0",),
        deriver=f"/nix/store/{7:032}-p.drv",
        ca="fixed:r:sha256:0",
        sigs=("a-1:AA==",),
        frame=hashlib.sha256(_FRAMES[number]).digest(),
        frame_size=len(_FRAMES[number]),
    )


def _index() -> bytes:
    places = [sum(map(len, _FRAMES[:number])) for number in range(len(_FRAMES))]
    held = [
        Held(entry=_entry(number), pack=_PACK_DIGEST, offset=place, used=5)
        for number, place in enumerate(places)
    ]
    return encode(index_of(held, {_PACK_DIGEST: len(_PACK)}))[0]


_INDEX: Final = _index()
_LINES: Final = [
    json.loads(line) for line in zstandard.ZstdDecompressor().decompressobj().decompress(_INDEX).splitlines()
]
_MANIFEST: Final = json.loads(
    encode_manifest(RootManifest((digest_of(_INDEX), len(_INDEX)), ((_PACK_DIGEST, len(_PACK)),), {"a": "b"}))
)
_NARINFO: Final = narinfo_of(_entry(1), "nar/x.nar.zst")
_WORDS: Final = (
    b"StorePath: ",
    b"References: ",
    b"NarSize: ",
    b"Sig: ",
    b"\n",
    b"/nix/store/",
    b"sha256:",
    b"..",
    b"\0",
    b"\x85",
)
_KINDS: Final = (b"narinfo", b"manifest", b"index", b"pack")


def make(chance: random.Random) -> bytes:
    """A kind, a line feed, and a document of it."""
    kind = chance.choice(_KINDS)
    odd: dict[bytes, Callable[[], bytes]] = {
        b"narinfo": lambda: mutated(_NARINFO, chance, _WORDS),
        b"manifest": lambda: mutated_json(_MANIFEST, chance),
        b"index": lambda: _odd_index(chance),
        b"pack": lambda: mutated(_PACK, chance, _FRAMES),
    }
    return kind + b"\n" + odd[kind]()


def _odd_index(chance: random.Random) -> bytes:
    """Lines that are odd, doubled or endless, or a compressed stream that is damaged, or one that becomes very large."""
    lines = [json.dumps(line).encode() for line in _LINES]
    number = chance.randrange(len(lines))
    match chance.randrange(6):
        case 0:
            return mutated(_INDEX, chance)
        case 1:  # a bomb: one line, or the same line for ever
            filler = chance.choice(
                [b"\0" * (1 << 20), (lines[-1] + b"\n") * 4000, b"\n" * (1 << 20), b" " * (1 << 20)]
            )
            packed = zstandard.ZstdCompressor(level=1).compress(filler)
            return zstandard.ZstdCompressor().compress(lines[0] + b"\n") + packed * chance.choice(
                (1, 20, 600)
            )
        case 2:
            lines[number] = lines[number].replace(b"-p", b"-" + b"p" * chance.choice((211, 5000, 1 << 20)))
        case 3:
            lines += chance.choices(lines, k=chance.choice((1, 300)))
        case _:
            lines[number] = mutated_json(_LINES[number], chance)
    return zstandard.ZstdCompressor().compress(b"\n".join(lines) + b"\n")


@contextmanager
def opened(folder: Path) -> Iterator[Callable[[bytes], object]]:
    """Yield what reads one. AssertionError where Nix would be handed what is not what the index says."""

    def read(data: bytes) -> object:
        kind, _, document = data.partition(b"\n")
        return _read(kind, document, folder)

    yield read


def _read(kind: bytes, data: bytes, folder: Path) -> object:
    match kind:
        case b"narinfo":
            return parse_narinfo(data)
        case b"manifest":
            return decode_manifest(data)
        case b"index":
            index, pack = decode(data, [(_PACK_DIGEST, len(_PACK))]), _PACK
        case _:
            index, pack = decode(_INDEX, [(_PACK_DIGEST, len(_PACK))]), data
    root = StoredRoot("a", _PACK_DIGEST, RootManifest((_PACK_DIGEST, 1), (), {}), index)
    cache = PackCache(_Packs(pack), [root], folder=folder, emit=ignore)
    try:
        for part, line in [*index.held.items()][:100]:
            entry = cache.entry(part)
            assert entry in (None, line.entry), "what is damaged or gone is not there any more"
            opened = cache.open(line.entry)
            if opened:
                with opened as reader:
                    assert hashlib.sha256(reader.read()).digest() == line.entry.frame
                    narinfo_of(line.entry, "x")
    finally:
        cache.close()
    return None


@dataclass(frozen=True)
class _Packs:
    """A `Repository` that only has packs to give, all of them the same bytes."""

    data: bytes
    name: str = "packs"
    moved: float = 0.0
    time: None = None
    is_damaged: bool = False

    def be_asked(self, count: int) -> None:
        pass

    @contextmanager
    def part(self, digest: Digest, start: int, length: int) -> Iterator[Reader]:
        if start >= len(self.data):
            raise GoneError("it is cut off")
        yield io.BytesIO(self.data[start : start + length])

    @contextmanager
    def whole(self, digest: Digest) -> Iterator[Reader]:
        yield io.BytesIO(self.data)

    def _nothing(self, *_: Any, **__: Any) -> Any:
        raise GoneError("nobody asks for this")

    tags = manifest = named = put = blob = holds = upload = delete = tidy = end = _nothing
