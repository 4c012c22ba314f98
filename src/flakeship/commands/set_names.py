"""The last step of `publish` and `merge`: an image that is whole at every destination gets its names."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import wait
from typing import Final

from flakeship.commands.tag_record import NamingNote, TagRecord
from flakeship.destinations.protocol import Prepared, Published, Tagging
from flakeship.image.workers import workers

_NAMES_AT_ONCE: Final = 8


def set_names(prepared: Sequence[Prepared], tags: TagRecord) -> tuple[Published, ...]:
    """Set all names of the image at all destinations, whatever signal comes.

    Registries stand first among destinations, and are named last: what others see is set when all else went well.
    """
    # docs/decisions.md#tags-are-written-last
    groups = [group for each in reversed(prepared) for group in each.taggings]
    names = tuple(name for group in groups for tagging in group for name in tagging.references)
    with tags.naming(names) as note:
        for group in groups:
            _set_at_once(group, note)
    return tuple(each.published() for each in prepared)


def _set_at_once(group: Sequence[Tagging], note: NamingNote) -> None:
    """Set the names of a group, and wait for each of them; the first error of those that failed is raised."""

    def write(tagging: Tagging) -> None:
        note.begun(tagging.references)
        tagging.write()
        note.done(tagging.references)

    if len(group) == 1:
        write(group[0])
        return
    with workers("name", min(len(group), _NAMES_AT_ONCE)) as pool:
        written = [pool.submit(write, tagging) for tagging in group]
        wait(written)  # a second name may be set while the first is refused: what is told is told of both
    for each in written:
        each.result()
