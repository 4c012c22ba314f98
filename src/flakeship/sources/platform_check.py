"""The image of a source against the platforms that were asked for, whatever kind of source it is."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from flakeship.errors import UsageError
from flakeship.image.model import Image, Layer, Platform
from flakeship.sources.choice import check_platform
from flakeship.sources.opened import Opened, OpenedIndex, SourceRequest


# docs/decisions.md#to-choose-is-not-to-label
@contextlib.contextmanager
def checked(
    opening: contextlib.AbstractContextManager[Opened], request: SourceRequest, *, what: str
) -> Iterator[Opened]:
    """The same source. UsageError where its single image is not for `platforms`, or where there are several to relabel.

    That of a source that is read forward is known, and checked, behind its last layer.
    """
    with opening as source:
        if isinstance(source, OpenedIndex):
            if request.relabelled:
                held = ", ".join(image.platform.with_version for image in source.images())
                raise UsageError(
                    f"override-platform corrects a single image, and {what} holds one for each of {held}",
                    hint="choose one with `platforms` too",
                )
            yield source
        elif source.forward_only:
            yield _CheckedLater(source, request.platforms, what)
        else:
            check_platform(source.image().platform, request.platforms, what=what)
            yield source


class _CheckedLater:
    forward_only = True

    def __init__(self, source: Opened, wanted: Sequence[Platform], what: str) -> None:
        self._source, self._wanted, self._what = source, wanted, what

    def layers(self) -> Iterator[Layer]:
        return self._source.layers()

    def image(self) -> Image:
        image = self._source.image()
        check_platform(image.platform, self._wanted, what=self._what)
        return image
