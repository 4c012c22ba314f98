"""The members of an archive by name, and the links among them: followed as where it was unpacked, but inside alone."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from flakeship.errors import NotAnImageError
from flakeship.image.stream import Stream
from flakeship.image.tar.blocks import DamagedError
from flakeship.image.tar.reader import Member, TarReader, inside, shown

_HOPS: Final = 40
"""Links on the way to one member, as Linux allows."""


class Links:
    """The links among the members of an archive, hard and symbolic, of files and of folders.

    What no link is needed for may lead anywhere: nothing is ever unpacked.
    """

    def __init__(self) -> None:
        self._links: dict[str, Member] = {}

    def note(self, member: Member) -> None:
        """Take note of a member of any kind: the last of several of one name counts, as it does for tar."""
        if member.kind in {"symlink", "hardlink"}:
            self._links[member.name] = member
        else:
            self._links.pop(member.name, None)

    def resolve(self, name: str) -> str:
        """Follow links from this name to what is no link. NotAnImageError for a circle, and where a link leads out."""
        ahead, passed, hops = inside(name).split("/")[::-1], list[str](), 0
        while ahead:
            part = ahead.pop()
            if part == ".." and not passed:
                raise _leads_out(name)
            if part == "..":
                passed.pop()
                continue
            if part in {"", "."}:
                continue
            passed.append(part)
            link = self._links.get("/".join(passed))
            if link is None:
                continue
            hops += 1
            if hops > _HOPS:
                raise NotAnImageError(
                    f"the archive's member {shown(name)} is a link that leads in a circle",
                    hint="build the archive again: it is damaged, or made by a builder that flakeship does not know",
                )
            if link.target.startswith("/") and link.kind == "symlink":
                raise _leads_out(link.name)
            if link.kind == "symlink":
                passed.pop()
            else:  # a hard link names a member, which `tar -P` writes with its slash
                passed.clear()
            ahead += link.target.split("/")[::-1]
        return "/".join(passed) or "."


class Members:
    """An archive that can be sought in, by the names of its members. DamagedError and NotAnImageError as by TarReader."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found: dict[str, Member] = {}
        self._links = Links()
        with path.open("rb") as file:
            reader = TarReader(file)
            for member in reader:
                self._found[member.name] = member
                self._links.note(member)
        self.marked = reader.marked
        """True if the archive ends as archives do: one without this mark may be cut off."""

    def names(self) -> list[str]:
        """The names of all members, links and folders too, in the order of the archive."""
        return list(self._found)

    def find(self, name: str) -> Member | None:
        """Return the file that a name leads to, by links if need be; None if it leads to no file.

        NotAnImageError where a link leads out of the archive or in a circle, or to a device.
        """
        member = self._found.get(self._links.resolve(name))
        if member is not None and member.kind == "other":
            raise NotAnImageError(
                f"the archive's member {shown(name)} is a device, a pipe or of an unknown type",
                hint="do not trust the archive: no builder of images writes such members",
            )
        return member if member is not None and member.kind == "file" else None

    def open(self, member: Member) -> Stream:
        """Open a file of the archive. DamagedError where the archive is gone."""
        try:
            file = self._path.open("rb", buffering=0)
        except FileNotFoundError as error:
            raise DamagedError("it was removed while it was read") from error
        file.seek(member.offset)
        return member.data(file, own=True)


def _leads_out(name: str) -> NotAnImageError:
    return NotAnImageError(
        f"the archive is not an image: its link {shown(name)} leads out of it",
        hint="name an archive that `docker load` takes; this one may be the tarball of a file system",
    )
