"""The pages of the CI platform that belong to an image: its commit, and where its registry shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flakeship.commands.publish.finish import Result
from flakeship.commands.publish.outputs import labels_of
from flakeship.report.summary import Page

if TYPE_CHECKING:
    from flakeship.ci.protocol import Platform
    from flakeship.metadata.context import Context

_SOURCE = "org.opencontainers.image.source"


def pages_of(result: Result, platform: Platform, event: Context) -> tuple[Page, ...]:
    """Return the pages whose address is known without asking; of the packages those that the image was sent to."""
    source = labels_of(result.packed).get(_SOURCE, "")
    names = dict.fromkeys(item.destination for item in result.published if item.sent and item.tags)
    pages = [
        Page("Commit", event.sha[:12], platform.commit_page(event)),
        *(Page("Package", name, platform.package_page(name, event, source=source)) for name in names),
    ]
    return tuple(page for page in pages if page.url)
