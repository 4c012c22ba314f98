"""Which earlier image a new one is compared with. What compares and comments is imported only where there is something to compare."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from flakeship.commands.publish.before import images_before, is_same
from flakeship.commands.publish.compared import Compared

if TYPE_CHECKING:
    from flakeship.commands.publish.changes import Changes
    from flakeship.commands.run import Run
    from flakeship.settings.declaration import Settings


def changes_of(made: Compared, run_: Run, *, in_comment: bool) -> Changes | None:
    """Return what changed since the image that one of its tags named before; on a pull request with a comment, since that
    of the target branch. None where nothing was read of an earlier image, or it is the same.
    """
    found = None
    if in_comment:
        from flakeship.commands.publish.pull_request import base_of_pull_request

        found = base_of_pull_request(made, run_)
    if found is None:
        tags = dict.fromkeys(tag for item in made.published for tag in item.tags)
        found = images_before(made.images, tags, made.existing)
    # docs/decisions.md#changes-are-told-of-what-was-read
    if found is None or (is_same(made.images, found) and not in_comment):
        return None
    from flakeship.commands.publish.changes import changes_since

    name = next((item.reference or item.destination for item in made.published), "")
    return changes_since(made.images, found, name)


def comment_if_asked(made: Mapping[str, Compared], settings: Settings, run_: Run) -> None:
    """With `pr-comment`, keep the comments on the pull request, or say why it gets no comment."""
    if settings.pr_comment:
        from flakeship.commands.publish.pull_request import comment

        comment(made, settings.github_token, run_, dry_run=settings.dry_run)
