"""The index of a root: one line of JSON for each store path, compressed with zstd, and what two of them make together."""

from __future__ import annotations

import io
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final

from flakeship.caches.nar_entry import NarEntry, is_base_name, sha256_of, sri
from flakeship.image.inflate import Inflated
from flakeship.image.model import Digest
from flakeship.image.stream import CHUNK, read_full
from flakeship.image.tar.blocks import DamagedError
from flakeship.image.zstd_frame import zstd_frame
from flakeship.store_paths import STORE

VERSION: Final = 1
"""Of the lines. A reader ignores keys that it does not know, so that only what it would misread needs another version."""

_LEVEL: Final = 9
_LONGEST_LINE: Final = 1024 * 1024
MOST_PATHS: Final = 100_000
"""Paths of an index that is read or written: in memory each takes some 1.5 kB, and a large system has ten thousand."""

_MOST_NAMES: Final = 4 * MOST_PATHS
"""Names that it may have in all: most references and derivers of a path are those of others too."""

_MOST_BYTES: Final = 128 * 1024 * 1024
"""Bytes of an index that is inflated."""

_LARGEST: Final = 1 << 50

SLACK: Final = 3600
"""Seconds by which clocks may differ: nothing is forgotten in less than a day."""


class LaterVersionError(ValueError):
    """A later flakeship has written it in a way that this one can't read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A store path in a pack. Its frame begins at `offset`, in bytes; `used` are the seconds since 1970 of its last use."""

    entry: NarEntry
    pack: Digest
    offset: int
    used: int

    @property
    def order(self) -> tuple[Any, ...]:
        """What decides between two lines of one path: the last use, and then anything that is the same for everybody."""
        entry = self.entry
        of_nix = (entry.sigs, entry.nar_hash, entry.nar_size, entry.references, entry.deriver, entry.ca)
        return (self.used, entry.frame, self.pack, self.offset, *of_nix)


@dataclass(frozen=True, slots=True)
class Index:
    """What a root holds: its paths by their hash parts, and the size in bytes of each pack that one of them lies in."""

    held: Mapping[str, Held] = field(default_factory=lambda: MappingProxyType({}))
    packs: Mapping[Digest, int] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def size(self) -> int:
        """Return the bytes of all packs."""
        return sum(self.packs.values())


def index_of(lines: Iterable[Held], packs: Mapping[Digest, int]) -> Index:
    """Make an index of these lines, with those of `packs` in which one of them lies."""
    held = {line.entry.hash_part: line for line in lines}
    live = {line.pack for line in held.values()}
    return Index(held, {digest: packs[digest] for digest in sorted(live)})


def merged(first: Index, second: Index) -> Index:
    """Return what both hold. Of two lines for one path the one that was used last stays, whichever comes first."""
    lines = dict(first.held)
    for part, line in second.held.items():
        other = lines.get(part)
        if other is None or line.order > other.order:
            lines[part] = line
    return index_of(lines.values(), {**first.packs, **second.packs})


def aged(index: Index, *, now: int, days: int, size: int, packs: int) -> Index:
    """Drop what was not used for `days`, and of the rest what was used longest ago, until no more than `packs` packs of
    `size` bytes in all, and MOST_PATHS paths, are left.

    A pack counts with all of its bytes, also with those that no line needs any more. What was used in the future, by a clock
    that was wrong, was used now: it would stay for ever, and push out what others use.
    """
    oldest = now - days * 86400
    lines = _not_ahead(index.held.values(), now)
    kept: list[Held] = []
    taken: dict[Digest, int] = {}
    total = 0
    for line in sorted(lines, key=lambda line: (-line.used, line.pack, line.offset)):
        if line.used < oldest or len(kept) == MOST_PATHS:
            break
        if line.pack not in taken:
            more = index.packs[line.pack]
            if total + more > size or len(taken) == packs:
                continue
            taken[line.pack] = more
            total += more
        kept.append(line)
    return index_of(kept, taken)


def _not_ahead(lines: Collection[Held], now: int) -> Iterator[Held]:
    """Set back the last uses that are in the future; unless half of them are, for then it is this clock that is wrong."""
    uses = sorted(line.used for line in lines)
    latest = max(now, uses[len(uses) // 2]) if uses else now
    return (replace(line, used=latest) if line.used > latest + SLACK else line for line in lines)


def without(index: Index, *, parts: Collection[str] = (), packs: Collection[Digest] = ()) -> Index:
    """Leave out paths, and all that lies in these packs."""
    lines = (line for part, line in index.held.items() if part not in parts and line.pack not in packs)
    return index_of(lines, index.packs)


def signed_anew(held: Index, own: Index) -> set[str]:
    """Return the paths that `own` has by a key which has not signed them in `held`: they were made anew to get that signature."""
    parts = own.held.keys() & held.held.keys()
    return {part for part in parts if _adds_key(own.held[part].entry, held.held[part].entry)}


def _adds_key(entry: NarEntry, other: NarEntry) -> bool:
    if entry.nar_hash == other.nar_hash:  # where a key signs alike
        return bool(set(entry.sigs) - set(other.sigs))
    names, others = ({sig.partition(":")[0] for sig in each.sigs} for each in (entry, other))
    return bool(names - others)


def touched(index: Index, parts: Collection[str], *, now: int) -> Index:
    """Note that these paths were used now, as far as the index holds them."""
    lines = (
        replace(line, used=max(now, line.used)) if part in parts else line
        for part, line in index.held.items()
    )
    return index_of(lines, index.packs)


def encode(index: Index) -> tuple[bytes, tuple[Digest, ...]]:
    """Return the index as it is stored, and the packs in the order by which its lines number them, from 0.

    Equal indexes give equal bytes.
    """
    packs = tuple(sorted(index.packs))
    numbers = {digest: number for number, digest in enumerate(packs)}
    return b"".join(zstd_frame(_lines(index, numbers), level=_LEVEL)), packs


def _lines(index: Index, numbers: Mapping[Digest, int]) -> Iterator[bytes]:
    yield _line({"version": VERSION})
    for part in sorted(index.held):
        line = index.held[part]
        entry = line.entry
        document: dict[str, Any] = {
            "path": entry.path.removeprefix(STORE),
            "nar": sri(entry.nar_hash),
            "size": entry.nar_size,
            "frame": sri(entry.frame),
            "at": [numbers[line.pack], line.offset, entry.frame_size],
            "used": line.used,
        }
        if entry.references:
            document["refs"] = sorted(entry.references)
        if entry.deriver:
            document["deriver"] = entry.deriver.removeprefix(STORE)
        if entry.ca:
            document["ca"] = entry.ca
        if entry.sigs:
            document["sigs"] = sorted(entry.sigs)
        yield _line(document)


def _line(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode() + b"\n"


def decode(data: bytes, packs: Sequence[tuple[Digest, int]]) -> Index:
    """Read an index whose packs are these, with their sizes in bytes.

    LaterVersionError for one that this flakeship can't read, any other ValueError for one that is damaged.
    """
    reading = _Reading(packs)
    lines = _split(data)
    try:
        header = _object(next(lines, b""))
        version = header.get("version")
        if not isinstance(version, int) or version < 1:
            raise ValueError("its first line has no version")
        if version > VERSION:
            raise LaterVersionError(f"it is of version {version}, and this flakeship knows {VERSION}")
        return index_of(reading.all(lines), dict(packs))
    except (DamagedError, RecursionError) as error:
        raise ValueError(str(error) or "it is nested too deeply") from error


def _split(data: bytes) -> Iterator[bytes]:
    """Inflate an index, line by line: as a whole it is some ten times as large."""
    rest, total = b"", 0
    with Inflated(io.BytesIO(data), data[:16]) as reader:
        while chunk := read_full(reader, CHUNK):
            total += len(chunk)
            *lines, rest = (rest + chunk).split(b"\n")
            if total > _MOST_BYTES or len(rest) > _LONGEST_LINE:
                raise ValueError("it is too large to be an index")
            yield from lines
    if rest:
        raise ValueError("its last line is cut off")


def _object(line: bytes) -> dict[str, Any]:
    try:
        document = json.loads(line)
    except UnicodeDecodeError as error:
        raise ValueError("it is not UTF-8") from error
    if not isinstance(document, dict):
        raise ValueError("a line is not a JSON object")  # noqa: TRY004 - bad data, not a bug
    return document


class _Reading:
    """Reads lines, and keeps each name that occurs in many of them once."""

    def __init__(self, packs: Sequence[tuple[Digest, int]]) -> None:
        self._packs = packs
        self._known: dict[str, str] = {}

    def all(self, lines: Iterable[bytes]) -> Iterator[Held]:
        """Read all lines. ValueError for a line that can't be read, and for a path that has two lines: an index that repeats itself would be read for minutes."""
        seen: set[str] = set()
        for line in lines:
            held = self._held(line)
            if held.entry.hash_part in seen:
                raise ValueError(f"it has {held.entry.path} twice")
            if len(seen) == MOST_PATHS:
                raise ValueError(f"it has more than {MOST_PATHS:,} paths")
            seen.add(held.entry.hash_part)
            yield held

    def _held(self, line: bytes) -> Held:
        """Read a line. ValueError for anything else."""
        document = _object(line)
        try:
            number, offset, size = (_count(value) for value in document["at"])
            if number >= len(self._packs):
                raise ValueError("a line names a pack that the root does not have")
            pack, whole = self._packs[number]
            if not size or offset + size > whole:
                raise ValueError("a line lies outside of its pack")
            deriver = _text(document.get("deriver", ""))
            entry = NarEntry(
                path=STORE + self._name(document["path"]),
                nar_hash=sha256_of(_text(document["nar"])),
                nar_size=_count(document["size"]),
                references=tuple(self._name(name) for name in _list(document.get("refs", []))),
                deriver=STORE + self._name(deriver) if deriver else "",
                ca=_text(document.get("ca", "")),
                sigs=tuple(_text(each) for each in _list(document.get("sigs", []))),
                frame=sha256_of(_text(document["frame"])),
                frame_size=size,
            )
            return Held(entry=entry, pack=pack, offset=offset, used=_count(document["used"]))
        except (KeyError, TypeError) as error:
            raise ValueError(f"a line lacks {error}") from error

    def _name(self, value: Any) -> str:
        name = _text(value)
        known = self._known.get(name)
        if known is None:
            if not is_base_name(name):
                raise ValueError(f"{name[:200]!a} is not the name of a store path")
            if len(self._known) == _MOST_NAMES:
                raise ValueError(f"it has more than {_MOST_NAMES:,} names")
            known = self._known[name] = name
        return known


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < _LARGEST:
        raise ValueError(f"{str(value)[:100]!a} is not a number of bytes or seconds")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.isprintable() or not value.isascii():
        raise ValueError(f"{str(value)[:100]!a} is not a text of one line")
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError("what must be a list is something else")  # noqa: TRY004 - bad data, not a bug
    return value
