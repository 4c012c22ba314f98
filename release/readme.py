"""README.md as it is read elsewhere: PyPI and GitHub's marketplace (cicirello/user-statistician#123) follow no relative link."""

from __future__ import annotations

import re
from typing import Final

from release import PROJECT
from release.version import Version

_FENCE: Final = re.compile(r"^(?P<fence>`{3,}|~{3,}).*?^(?P=fence)`*$", re.MULTILINE | re.DOTALL)
_LINK: Final = re.compile(r"(?P<picture>!?)\[(?P<text>[^\]]*)\]\((?P<target>[^)\s]+)\)")
_ELSEWHERE: Final = re.compile(r"[a-z][a-z0-9+.-]*:|#|//", re.IGNORECASE)


def with_absolute_links(markdown: str, version: Version) -> str:
    """Let each link and picture name its file at the tag of `version`. Code blocks stay as they are."""
    parts: list[str] = []
    end = 0
    for block in _FENCE.finditer(markdown):
        parts += [_absolute(markdown[end : block.start()], version), block[0]]
        end = block.end()
    return "".join([*parts, _absolute(markdown[end:], version)])


def _absolute(text: str, version: Version) -> str:
    def replaced(link: re.Match[str]) -> str:
        target = link["target"]
        if _ELSEWHERE.match(target):
            return link[0]
        url = _picture(target, version) if link["picture"] else _page(target, version)
        return f"{link['picture']}[{link['text']}]({url})"

    return _LINK.sub(replaced, text)


def _page(target: str, version: Version) -> str:
    return f"https://github.com/{PROJECT}/blob/{version.tag}/{target}"


def _picture(target: str, version: Version) -> str:
    # Not github.com/…/raw, a redirect, which PyPI's proxy for pictures does not follow: pypi/warehouse#5596. Without
    # `sanitize` an SVG may be handed out as plain text: rust-lang/crates.io#1851.
    query = "?sanitize=true" if target.endswith(".svg") else ""
    return f"https://raw.githubusercontent.com/{PROJECT}/{version.tag}/{target}{query}"
