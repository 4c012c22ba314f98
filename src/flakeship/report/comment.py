"""What a comment on a pull request says of one image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from flakeship.difference.model import Difference
from flakeship.printable import printable
from flakeship.redaction import redacted
from flakeship.report.difference import change_lines, headline, nothing_told, tells_nothing
from flakeship.report.markup import MESSAGE, code, escaped, fenced, folded, link, page_of, shortened

_FIRST: Final = 10
_MOST: Final = 400
"""The most lines that are seen at once of one platform, and of all platforms together."""


@dataclass(frozen=True, slots=True)
class CommentedImage:
    """`since` is the name of the image that it is compared with, empty where there is none to compare with;
    `not_pushed` says why, empty if it is pushed.

    `run_url` leads to the run, and may be empty.
    """

    name: str
    references: Sequence[str]
    not_pushed: str
    since: str
    platforms: Sequence[Difference]
    run_url: str = ""


def comment_text(image: CommentedImage, limit: int) -> str:
    """Return Markdown of at most `limit` bytes, in which nothing of the image is markup."""
    if image.not_pushed:
        where = escaped(image.not_pushed, MESSAGE)
    else:
        more = len(image.references) - _FIRST
        rest = [f"… and {more} more"] if more > 0 else []
        where = "<br>\n".join([*map(code, image.references[:_FIRST]), *rest])
    parts = [
        f"### 📦 {escaped(image.name)}",
        where,
        *(_since(image) if image.since else [_NOTHING]),
        link("The run that wrote this", image.run_url) if image.run_url else "",
    ]
    return shortened(page_of(parts), limit).rstrip("\n")


_NOTHING: Final = (
    "There is no earlier image to compare it with: neither the target branch nor this pull request has one for the same platforms that "
    "can be read."
)


def _since(image: CommentedImage) -> Iterator[str]:
    for each in image.platforms:
        platform = f", {escaped(each.new.platform)}" if len(image.platforms) > 1 else ""
        about = f"**Since {code(image.since)}{platform}**: "
        if tells_nothing(each):
            yield about + escaped(nothing_told(each), MESSAGE)
            continue
        yield about + escaped(headline(each), MESSAGE)
        lines, left_out = change_lines(each, _FIRST + 1)
        if len(lines) > 1:
            yield _block(lines[1:])
        if left_out:
            more, still = change_lines(each, max(2 * _FIRST, _MOST // len(image.platforms)))
            rest = [f"… and {still} more"] if still else []
            yield folded(f"{left_out} more", _block([*more[len(lines) :], *rest]))


def _block(lines: Sequence[str]) -> str:
    return fenced("\n".join(redacted(printable(line)) for line in lines), "diff")
