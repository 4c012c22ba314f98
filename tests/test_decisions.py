"""The decisions have names that last: unique headings, a date each, and no link to one that does not exist."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
DECISIONS: Final = ROOT / "docs/decisions.md"
_HEADING: Final = re.compile(r"^#{1,6} +(?P<title>.+?) *$", re.MULTILINE)
_DECISION: Final = re.compile(r"^### +(?P<title>.+?) *\n(?P<next>.*)$", re.MULTILINE)
_DATE: Final = re.compile(r"\*(?P<date>\d{4}-\d{2}-\d{2})\*")
_LINK: Final = re.compile(r"decisions\.md#(?P<anchor>[\w-]*)")
_LONGEST_TITLE: Final = 8
"""Words. Links are read in comments, beside the code."""


def anchor_of(title: str) -> str:
    """Return the anchor that GitHub gives to a heading: https://github.com/gjtorikian/html-pipeline, TableOfContentsFilter."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def test_every_heading_is_unique() -> None:
    counted = Counter(anchor_of(hit["title"]) for hit in _HEADING.finditer(DECISIONS.read_text()))
    assert [anchor for anchor, number in counted.items() if number > 1] == []


def test_every_decision_is_short_to_name_and_dated() -> None:
    decisions = list(_DECISION.finditer(DECISIONS.read_text()))
    assert decisions
    for hit in decisions:
        assert len(hit["title"].split()) <= _LONGEST_TITLE, hit["title"]
        dated = _DATE.fullmatch(hit["next"])
        assert dated, f"no date below {hit['title']!r}"
        date.fromisoformat(dated["date"])


def test_every_link_to_a_decision_finds_its_heading() -> None:
    known = {anchor_of(hit["title"]) for hit in _HEADING.finditer(DECISIONS.read_text())}
    links = [(path, hit["anchor"]) for path in tracked_texts() for hit in _LINK.finditer(path.read_text())]
    assert [f"{path.relative_to(ROOT)}: {anchor}" for path, anchor in links if anchor not in known] == []
    assert any(path.is_relative_to(ROOT / "src") for path, _ in links), "the links are found"


def tracked_texts() -> list[Path]:
    """Return the files that may link to a decision."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "*.py", "*.md", "*.yml", "entrypoint", "native/run", "dev", "Dockerfile"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    return [ROOT / name for name in listed.stdout.decode().split("\0") if (ROOT / name).is_file() and name]
