"""The header of a tar member as every writer of tar lays it out: a USTAR block, and records for what it has no room for.

https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html, "ustar Interchange Format" and "pax Extended Header".
The writers differ in what they put into its fields: `writer` is flakeship's own, `python` and `go` write as others do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from flakeship.image.tar.blocks import BLOCK

Kind: TypeAlias = Literal["file", "folder", "symlink"]

END: Final = bytes(2 * BLOCK)
"""The mark at the end of an archive."""

NAME: Final = 100
"""Bytes that a name, and a link's target, have room for."""
PREFIX: Final = 155
OWNER: Final = 32
"""Bytes that the name of a user, and of a group, have room for."""
LARGEST: Final = 0o77777777777
"""The size that fits its field."""
NUMBER: Final = 8**7
"""Mode, and the numbers of user and group, stay below this."""
NO_DEVICE: Final = b"0000000\0" * 2
"""The numbers of a device, as most writers state them for anything that is not a device."""

FLAGS: Final[Mapping[Kind, bytes]] = {"file": b"0", "folder": b"5", "symlink": b"2"}
EXTENDED: Final = b"x"
"""The flag of a pax header, whose data are records about the member that follows."""

_REST: Final = 12
_SPACES: Final = 8 * ord(" ")  # the checksum's field counts as blanks


@dataclass(frozen=True, slots=True)
class Template:
    """What many headers share: all but name, size and target. `sum` is its part of the checksum."""

    owner: bytes
    time: bytes
    flag: bytes
    after_target: bytes
    sum: int


def template(
    flag: bytes,
    mode: int,
    *,
    uid: int,
    gid: int,
    mtime: int,
    names: bytes = bytes(2 * OWNER),
    device: bytes = NO_DEVICE,
) -> Template:
    """Encode fields whose numbers fit. `names` are those of user and group, 32 bytes each; `device` is 16 bytes."""
    owner, time = b"%07o\0%07o\0%07o\0" % (mode, uid, gid), b"%011o\0" % mtime
    after_target = b"ustar\0" + b"00" + names + device
    return Template(owner, time, flag, after_target, sum(owner + time + flag + after_target) + _SPACES)


def block(name: bytes, shared: Template, *, size: int = 0, target: bytes = b"", prefix: bytes = b"") -> bytes:
    """Return one header of 512 bytes, of what fits its fields."""
    length = b"%011o\0" % size
    checksum = shared.sum + sum(name) + sum(length) + sum(prefix) + sum(target)
    return b"".join(
        (
            name.ljust(NAME, b"\0"),
            shared.owner,
            length,
            shared.time,
            b"%06o\0 " % checksum,
            shared.flag,
            target.ljust(NAME, b"\0"),
            shared.after_target,
            prefix.ljust(PREFIX + _REST, b"\0"),
        )
    )


def padded(data: bytes) -> bytes:
    """Return `data`, filled up to whole blocks."""
    return data + padding(len(data))


def padding(size: int) -> bytes:
    """Return the zeros that fill the last block of `size` bytes of data."""
    return bytes(-size % BLOCK)


def pax_record(key: bytes, value: bytes) -> bytes:
    """Return `LENGTH KEY=VALUE\\n`, where the length counts its own digits."""
    length = rest = len(key) + len(value) + 3
    while (longer := rest + len(b"%d" % length)) != length:
        length = longer
    return b"%d %s=%s\n" % (length, key, value)


def is_utf8(value: bytes) -> bool:
    """Tell whether a pax record may hold `value` without saying that it is binary."""
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True
