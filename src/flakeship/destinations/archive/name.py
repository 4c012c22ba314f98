"""How an archive is written, and what its images are called."""

from __future__ import annotations

from typing import Literal, Self

Form = Literal["docker-archive", "oci-archive"]


class Name(str):
    """A reference as its user wrote it, with a tag (`app:1`); `full` is what it stands for (`docker.io/library/app:1`)."""

    __slots__ = ("full",)
    full: str

    def __new__(cls, text: str, *, full: str = "") -> Self:
        name = super().__new__(cls, text)
        name.full = full or text
        return name

    @property
    def tag(self) -> str:
        return self.rpartition("/")[2].partition(":")[2]
