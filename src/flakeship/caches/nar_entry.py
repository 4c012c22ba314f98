"""What a cache knows of a store path, and how Nix writes that as narinfo; and what serves such paths to Nix.

https://nix.dev/manual/nix/latest/protocols/store-path and, for the fields,
https://nix.dev/manual/nix/latest/protocols/nix-archive; narinfo has no specification, so the names and the order are those
that Nix writes: https://github.com/NixOS/nix/blob/master/src/libstore/nar-info.cc
"""

from __future__ import annotations

import base64
import re
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, Protocol

from flakeship.image.stream import Reader
from flakeship.store_paths import STORE, hash_of

_LETTERS: Final = "0123456789abcdfghijklmnpqrsvwxyz"
"""Nix's base 32, without e, o, t, u."""

_SHA256: Final = 32
"""Bytes of a SHA-256."""

_NIX32: Final = 52
"""Letters of a SHA-256 in Nix's base 32."""

_LONGEST: Final = 32 + 1 + 211
"""Letters of a hash part, the dash, and the longest name."""

_COUNT: Final = re.compile(r"[0-9]{1,18}")
_ONE_LINE: Final = re.compile(r"[^\x00-\x1f\x7f]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class PathInfo:
    """What Nix knows of a store path.

    `path` and `deriver` are whole paths (`/nix/store/HASH-NAME`; `deriver` may be empty), `references` are base names
    (`HASH-NAME`) in any order, and may hold that of the path itself. `nar_hash` are the 32 bytes of the SHA-256 of its NAR:
    `nix32` and `sri` write them. `ca` is Nix's content address, empty for most paths. `sigs` are `KEYNAME:BASE64`.
    """

    path: str
    nar_hash: bytes
    nar_size: int
    references: tuple[str, ...] = ()
    deriver: str = ""
    ca: str = ""
    sigs: tuple[str, ...] = ()

    @property
    def hash_part(self) -> str:
        """Return the 32 letters by which Nix asks for the path."""
        return hash_of(self.path)

    @property
    def fingerprint(self) -> str:
        """Return the text that a signature signs.

        https://github.com/NixOS/nix/blob/master/src/libstore/path-info.cc, `ValidPathInfo::fingerprint`
        """
        references = ",".join(STORE + name for name in sorted(self.references))
        return f"1;{self.path};sha256:{nix32(self.nar_hash)};{self.nar_size};{references}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NarEntry(PathInfo):
    """A store path that a cache has. `frame` are the 32 bytes of the SHA-256 of its compressed NAR, `frame_size` its bytes."""

    frame: bytes
    frame_size: int
    compression: str = "zstd"


@dataclass(frozen=True, slots=True, kw_only=True)
class NarInfo(PathInfo):
    """A narinfo as it was read.

    `url` is where its NAR is, relative to the cache or absolute; `compression` is Nix's name, `none` for a plain NAR.
    `file_hash` are the 32 bytes of the SHA-256 of the file at `url`; None, as `file_size`, if the narinfo does not have it.
    """

    url: str
    compression: str
    file_hash: bytes | None = None
    file_size: int | None = None


class NarCache(Protocol):
    """A cache that Nix is served from. Its methods may be called by several threads, and never raise."""

    @property
    def name(self) -> str:
        """How messages call the cache."""
        ...

    def entry(self, hash_part: str) -> NarEntry | None:
        """Return the path with these 32 letters, None if the cache does not have it. It never waits longer than its budget."""
        ...

    def open(self, entry: NarEntry) -> AbstractContextManager[Reader] | None:
        """Return the compressed NAR from its first byte, all of which is checked against `frame` already.

        None if it can't be had: whatever failed was reported once.
        """
        ...

    def expect(self, hash_part: str) -> None:
        """Note that Nix asked about a path, which it will open soon. Nothing waits for that."""
        ...

    def lose(self, hash_part: str) -> None:
        """Note that a path is not what the cache says, although its frame is: nobody is given it any more."""
        ...

    @property
    def has_warned(self) -> bool:
        """Whether a warning has said what is wrong with it."""
        ...

    def use(self, hash_part: str) -> None:
        """Note that a path was needed, also where it was not opened: what nobody needs grows old."""
        ...


def nix32(digest: bytes) -> str:
    """Write bytes in Nix's base 32, whose first letter holds the highest bits of the last byte.

    https://nix.dev/manual/nix/latest/protocols/nix32
    """
    number = int.from_bytes(digest, "little")
    count = (len(digest) * 8 + 4) // 5
    return "".join(_LETTERS[number >> 5 * place & 31] for place in reversed(range(count)))


def sri(digest: bytes) -> str:
    """Write a SHA-256 as `sha256-BASE64`, which Nix shows: https://www.w3.org/TR/SRI/."""
    return f"sha256-{base64.b64encode(digest).decode()}"


def sha256_of(text: str) -> bytes:
    """Read a SHA-256 as any version of Nix writes it: `sha256:` with base 32, base 16 or base 64, or `sha256-BASE64`.

    ValueError for anything else.
    """
    algorithm, digits = text[:6], text[7:]
    if algorithm != "sha256" or text[6:7] not in (":", "-"):
        raise ValueError(f"{text[:100]!r} is not a SHA-256")
    if len(digits) == _NIX32:
        return _from_nix32(digits)
    found = bytes.fromhex(digits) if len(digits) == 2 * _SHA256 else base64.b64decode(digits, validate=True)
    if len(found) != _SHA256:
        raise ValueError(f"{text[:100]!r} is not a SHA-256")
    return found


def _from_nix32(digits: str) -> bytes:
    number = 0
    for letter in digits:
        place = _LETTERS.find(letter)
        if place < 0:
            raise ValueError(f"{digits!r} is not in Nix's base 32")
        number = number << 5 | place
    if number >> 8 * _SHA256:
        raise ValueError(f"{digits!r} is more than a SHA-256")
    return number.to_bytes(_SHA256, "little")


def narinfo_of(entry: NarEntry, url: str) -> bytes:
    """Write the narinfo of a path whose NAR is at `url`, relative to the cache or absolute."""
    frame = nix32(entry.frame)
    lines = [
        f"StorePath: {entry.path}",
        f"URL: {url}",
        f"Compression: {entry.compression}",
        f"FileHash: sha256:{frame}",
        f"FileSize: {entry.frame_size}",
        f"NarHash: sha256:{nix32(entry.nar_hash)}",
        f"NarSize: {entry.nar_size}",
        f"References: {' '.join(sorted(entry.references))}",
        *([f"Deriver: {entry.deriver.removeprefix(STORE)}"] if entry.deriver else []),
        *(f"Sig: {signature}" for signature in entry.sigs),
        *([f"CA: {entry.ca}"] if entry.ca else []),
    ]
    return "".join(f"{line}\n" for line in lines).encode()


def parse_narinfo(data: bytes) -> NarInfo:
    """Read a narinfo. ValueError, whose text says what is wrong, unless it holds all that Nix demands."""
    fields: dict[str, str] = {}
    sigs: list[str] = []
    for line in data.decode().splitlines():
        name, separator, value = line.partition(":")
        value = value.strip()
        if not separator or not _ONE_LINE.fullmatch(value):
            raise ValueError(f"the line {line[:100]!r} is not one of a narinfo")
        if name == "Sig":
            sigs.append(value)
        elif name in fields:
            raise ValueError(f"it has {name} twice")
        else:
            fields[name] = value
    missing = [name for name in ("StorePath", "URL", "NarHash", "NarSize") if not fields.get(name)]
    if missing:
        raise ValueError(f"it has no {missing[0]}")
    references = tuple(fields.get("References", "").split())
    for path in (fields["StorePath"], *(STORE + name for name in references)):
        if not is_base_name(path.removeprefix(STORE)) or not path.startswith(STORE):
            raise ValueError(f"{path[:300]!r} is not a store path")
    deriver = fields.get("Deriver", "")
    return NarInfo(
        path=fields["StorePath"],
        nar_hash=sha256_of(fields["NarHash"]),
        nar_size=_count(fields["NarSize"]),
        references=references,
        deriver=STORE + deriver if is_base_name(deriver) else "",  # old caches write unknown-deriver
        ca=fields.get("CA", ""),
        sigs=tuple(sigs),
        url=fields["URL"],
        compression=fields.get("Compression", "") or "bzip2",  # what Nix takes a missing one for
        file_hash=sha256_of(fields["FileHash"]) if "FileHash" in fields else None,
        file_size=_count(fields["FileSize"]) if "FileSize" in fields else None,
    )


def is_base_name(text: str) -> bool:
    """Tell whether it is `HASH-NAME` of a store path, in the length that Nix takes.

    https://nix.dev/manual/nix/latest/store/store-path
    """
    return len(text) <= _LONGEST and bool(hash_of(STORE + text))


def _count(text: str) -> int:
    if not _COUNT.fullmatch(text):
        raise ValueError(f"{text[:100]!r} is not a number of bytes")
    return int(text)
