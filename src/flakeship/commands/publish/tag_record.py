"""Which names a run has set so far, read off its events: to be told where it ends before its time."""

from __future__ import annotations

from flakeship.errors import CancelledError, Error
from flakeship.events import Emit, Event, Tagged, TaggingStarted


class TagRecord:
    """Several images may be named, one after the other; of those before the last all names are set."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._set: dict[str, None] = {}
        self._image: tuple[str, ...] = ()

    def __call__(self, event: Event) -> None:
        match event:
            case TaggingStarted(references):
                self._image = references
            case Tagged(references):
                self._set |= dict.fromkeys(references)
            case _:
                pass
        self._emit(event)

    @property
    def half(self) -> bool:
        return any(name in self._set for name in self._image) and bool(self._left)

    @property
    def _left(self) -> list[str]:
        return [name for name in self._image if name not in self._set]

    def cancelled(self, number: int, cause: BaseException | None) -> CancelledError:
        """What the user is told; `cause` is what ended the naming of an image before its last name, if anything did."""
        if self.half or (cause and self._left):
            why = f"\n{cause.message}" if isinstance(cause, Error) else ""
            return CancelledError(
                number,
                "an image has not got all of its names",
                hint="run again to set the others; those that are set name a whole image",
                detail=self._told(doubtful=1 if cause else 0) + why,
            )
        if not self._set:
            return CancelledError(number, "nothing was tagged")
        return CancelledError(number, "what is tagged has all of its names", detail=self._told())

    def failed(self, error: Error) -> Error:
        """The error, and if it left an image with some of its names alone, which."""
        if self.half:
            error.detail = "\n".join(filter(None, (error.detail, self._told())))
        return error

    def _told(self, *, doubtful: int = 0) -> str:
        """All names; of `doubtful` ones no answer came, so that they may be set or not."""
        left = self._left
        lines = [
            *(f"set: {name}" for name in self._set),
            *(f"perhaps set: {name}" for name in left[:doubtful]),
            *(f"not set: {name}" for name in left[doubtful:]),
        ]
        return "\n".join(lines)
