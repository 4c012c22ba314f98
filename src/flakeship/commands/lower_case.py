"""References whose repository is written in capitals, as `${{ github.repository }}` may be: registries have none."""

from __future__ import annotations

from flakeship import events
from flakeship.registry.reference import TRANSPORT, with_lower_repository


def in_lower_case(text: str, emit: events.Emit) -> str:
    """What the user meant by `docker://REFERENCE`; told where that is not what stands there. Other texts stay."""
    if not text.startswith(TRANSPORT):
        return text
    written = text.removeprefix(TRANSPORT)
    lowered = with_lower_repository(written)
    tell(written, lowered, emit)
    return TRANSPORT + lowered


def tell(written: str, lowered: str, emit: events.Emit) -> None:
    """Say how a reference is read, if that is another way than it is written."""
    if lowered != written:
        emit(events.Notice(f"{written} is read as {lowered}: registries know names in lower case alone"))
