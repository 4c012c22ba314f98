"""What is compared with an earlier image: an image of this run, or one that `merge` has put together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flakeship.commands.publish.before import NewImage
from flakeship.destinations.protocol import Published

if TYPE_CHECKING:
    from flakeship.commands.publish.changes import Changes
    from flakeship.image.existing import ExistingImage


@dataclass(frozen=True, slots=True)
class Compared:
    """An image that is finished, one for each platform, and where it is; `existing` is all that was read of what its names led to before this run.

    `is_leg` is True for one platform of several, which has no name. `changes` are None until they are looked for, and if the image is the same as before, or the first.
    """

    images: Sequence[NewImage]
    published: Sequence[Published]
    existing: Sequence[ExistingImage] = ()
    is_leg: bool = False
    changes: Changes | None = None
