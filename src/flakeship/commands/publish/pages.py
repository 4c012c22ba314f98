"""The pages of the CI platform that belong to an image: its commit, and where its registry shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from flakeship.commands.publish.outputs import labels_of
from flakeship.commands.publish.result import Result
from flakeship.destinations.protocol import Published
from flakeship.report.summary import Page

if TYPE_CHECKING:
    from flakeship.ci.protocol import Platform
    from flakeship.metadata.context import Context

_SOURCE = "org.opencontainers.image.source"


def pages_of(result: Result, platform: Platform, event: Context) -> tuple[Page, ...]:
    """Return the pages of an image that this run has made."""
    return pages_at(result.published, labels_of(result.packed), platform, event)


def pages_at(
    published: Sequence[Published], labels: Mapping[str, str], platform: Platform, event: Context
) -> tuple[Page, ...]:
    """Return the pages whose address is known without asking; of the packages those that the image was sent to."""
    source = labels.get(_SOURCE, "")
    names = dict.fromkeys(item.destination for item in published if item.sent and item.in_registry)
    pages = [
        Page("Commit", event.sha[:12], platform.commit_page(event)),
        *(Page("Package", name, platform.package_page(name, event, source=source)) for name in names),
    ]
    return tuple(page for page in pages if page.url)
