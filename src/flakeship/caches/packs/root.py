"""The name of a root, which is a tag: what one ref builds of some attributes for one system."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final

_SYSTEM: Final = r"[a-z0-9_]+-[a-z0-9]+"
_TAG: Final = re.compile(
    rf"(?P<ref>[A-Za-z0-9_][A-Za-z0-9._-]*?)-(?P<system>{_SYSTEM})-(?P<digits>[0-9a-f]{{8}})"
)
_DIGITS: Final = re.compile(r"[0-9a-f]{8}")
_OTHER: Final = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST_REF: Final = 80
"""Letters of a ref in a tag, which has 128: the longest system, `powerpc64le-linux`, and eight digits stand behind it."""


@dataclass(frozen=True, slots=True)
class Root:
    """`ref` is the branch or the tag as git names it (`feature/x`), `attributes` are the installables that are built."""

    ref: str
    system: str
    attributes: tuple[str, ...]

    @property
    def tag(self) -> str:
        """Return the tag: `main-x86_64-linux-3f9c01ab`. Eight digits tell refs apart that are spelled alike in a tag."""
        named = "\0".join((self.ref, self.system, *sorted(set(self.attributes))))
        return f"{self.family}{hashlib.sha256(named.encode()).hexdigest()[:8]}"

    @property
    def family(self) -> str:
        """Return how the tags of all roots of this ref and system begin, whatever their attributes are."""
        spelled = _OTHER.sub("-", self.ref).lstrip(".-")[:_LONGEST_REF] or "none"
        return f"{spelled}-{self.system}-"


def is_of_family(tag: str, family: str) -> bool:
    """Tell whether a tag is that of a root of this ref and system: a branch may be called as another one's root begins."""
    return tag.startswith(family) and bool(_DIGITS.fullmatch(tag, len(family)))


def is_root(tag: str) -> bool:
    """Tell whether a tag may be one of ours. Others in a repository show that it is not for a cache alone."""
    return bool(_TAG.fullmatch(tag))
