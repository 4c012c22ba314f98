"""What the docs for contributors name exists: files, the functions and classes in them, and the decisions linked to."""

from __future__ import annotations

import ast
import re
import subprocess
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Final

import pytest

ROOT = Path(__file__).parent.parent
DOCS = [
    ROOT / "docs" / name for name in ("architecture.md", "CONTRIBUTING.md", "decisions.md", "releasing.md")
]
_LINK = re.compile(r"\[(?P<text>[^\]]*)\]\((?P<target>[^)\s]+)\)")
_NAME = re.compile(r"`(?P<name>[A-Za-z_][A-Za-z0-9_.]*)`")

DECISIONS: Final = ROOT / "docs/decisions.md"
_HEADING: Final = re.compile(r"^#{1,6} +(?P<title>.+?) *$", re.MULTILINE)
_DECISION: Final = re.compile(r"^### +(?P<title>.+?) *\n(?P<next>.*)$", re.MULTILINE)
_DATE: Final = re.compile(r"\*(?P<date>\d{4}-\d{2}-\d{2})\*")
_LINK_TO_DECISION: Final = re.compile(r"decisions\.md#(?P<anchor>[\w-]*)")
_LONGEST_TITLE: Final = 8
"""Words. Links are read in comments, beside the code."""


def links(page: Path) -> list[tuple[str, Path]]:
    """The text and the file of every link to a file of the project."""
    found = _LINK.finditer(page.read_text())
    return [
        (link["text"], (page.parent / target).resolve())
        for link in found
        if not (target := link["target"].partition("#")[0]).startswith(("http:", "https:")) and target
    ]


def defined(module: Path) -> set[str]:
    """Names that a module defines: at its top, and `Class.name` within classes."""
    names = {module.stem, module.name}
    for node in ast.parse(module.read_text()).body:
        match node:
            case ast.FunctionDef(name=name):
                names.add(name)
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
            case ast.ClassDef(name=name, body=body):
                names.add(name)
                names |= {f"{name}.{inner.name}" for inner in body if isinstance(inner, ast.FunctionDef)}
            case _:
                pass
    return names


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_every_file_that_is_linked_exists(page: Path) -> None:
    assert [str(file) for _, file in links(page) if not file.exists()] == []


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_every_name_that_is_linked_is_defined_in_its_file(page: Path) -> None:
    missing = [
        f"{name['name']} in {file.relative_to(ROOT)}"
        for text, file in links(page)
        if file.suffix == ".py" and (name := _NAME.fullmatch(text)) and name["name"] not in defined(file)
    ]
    assert not missing


def test_the_links_are_found() -> None:
    named = {text for text, _ in links(DOCS[0])}
    assert {"`publish`", "`Layer`", "`find_credentials`"} <= named


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
    linked = [
        (path, hit["anchor"])
        for path in tracked_texts()
        for hit in _LINK_TO_DECISION.finditer(path.read_text())
    ]
    assert [f"{path.relative_to(ROOT)}: {anchor}" for path, anchor in linked if anchor not in known] == []
    assert any(path.is_relative_to(ROOT / "src") for path, _ in linked), "the links are found"


def tracked_texts() -> list[Path]:
    """Return the files that may link to a decision."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "*.py", "*.md", "*.yml", "entrypoint", "native/run", "dev", "Dockerfile"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    return [ROOT / name for name in listed.stdout.decode().split("\0") if (ROOT / name).is_file() and name]
