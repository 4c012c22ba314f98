"""The names that a run has set so far, so that an end before its time tells which images have which of them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol

from flakeship.errors import CancelledError, Error


class NamingNote(Protocol):
    """Told of the names of one image as they are written. Both methods may be called by several threads."""

    def begun(self, references: tuple[str, ...]) -> None:
        """Note that these names are being written: until they are set nobody knows whether they are."""

    def done(self, references: tuple[str, ...]) -> None:
        """Note that these names are set."""


class TagRecord:
    """Kept by the step that writes tags. Several images may be named in turn; all but the last have all of their names.

    `uninterrupted` is a context in which no signal ends the run before the names of an image are complete.
    """

    def __init__(
        self, uninterrupted: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext
    ) -> None:
        self._uninterrupted = uninterrupted
        self._begun = False
        self._set: dict[str, None] = {}
        self._asked: dict[str, None] = {}
        self._image: tuple[str, ...] = ()

    def begin(self) -> None:
        """Note that the run will set names: from now on the end of it tells which."""
        self._begun = True

    @contextlib.contextmanager
    def naming(self, references: tuple[str, ...]) -> Iterator[NamingNote]:
        """Enter the block that gives one image its `references`; what it yields is told of each."""
        # docs/decisions.md#a-signal-between-tags-waits
        with self._uninterrupted():
            self._image = references
            yield self

    def begun(self, references: tuple[str, ...]) -> None:
        """Note that these names are being written."""
        self._asked |= dict.fromkeys(references)

    def done(self, references: tuple[str, ...]) -> None:
        """Note that these names are set."""
        self._set |= dict.fromkeys(references)

    @property
    def is_partial(self) -> bool:
        """True if the last image has some of its names and lacks others."""
        return any(name in self._set for name in self._image) and bool(self._missing)

    @property
    def _missing(self) -> list[str]:
        return [name for name in self._image if name not in self._set]

    def cancelled(self, number: int, cause: BaseException | None) -> CancelledError:
        """The error for a run that signal `number` ended.

        `cause` is what ended the naming of an image before its last name, if anything did: of the names that were
        being written then no answer came.
        """
        if not self._begun:
            return CancelledError(number)
        if self.is_partial or (cause and self._missing):
            why = f"\n{cause.message}" if isinstance(cause, Error) else ""
            return CancelledError(
                number,
                "an image did not get all of its tags",
                hint="run again to set the others; those that are set name a complete image",
                detail=self._listed(asked=bool(cause)) + why,
            )
        if not self._set:
            return CancelledError(number, "no tag was set")
        return CancelledError(number, "all tags of the image are set", detail=self._listed())

    def failed(self, error: Error) -> Error:
        """The error, with the names of an image that it left with only some of them."""
        if self.is_partial:
            error.detail = "\n".join(filter(None, (error.detail, self._listed())))
        return error

    def _listed(self, *, asked: bool = False) -> str:
        """All names, one a line; with `asked` those that were being written may be set or not."""
        perhaps = self._asked if asked else {}
        lines = [
            *(f"set: {name}" for name in self._set),
            *(f"perhaps set: {name}" for name in self._missing if name in perhaps),
            *(f"not set: {name}" for name in self._missing if name not in perhaps),
        ]
        return "\n".join(lines)
