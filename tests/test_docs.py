"""The pages lead somewhere: links, the names that they link to, decisions, and the command lines that readers copy."""

from __future__ import annotations

import ast
import io
import re
import shlex
import subprocess
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Final

import pytest

from flakeship.settings.arguments import read
from flakeship.settings.command_line import COMMANDS

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


OF_OTHERS: Final = {"github.md", "compatibility.md", "measurements.md", "reliability.md"}
"""Pages that begin in a way of their own: with figures, or with what is rendered."""

PAGES: Final = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
_CODE: Final = re.compile(r"^```.*?^```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)
_WRITTEN: Final = re.compile(
    r"(?:^(?:\$ )?|\\?\| )"
    r"(?:(?:uvx )?flakeship|nix run github:flakeship/flakeship --|docker run (?!.*--entrypoint).*/flakeship:1) (?P<words>.*)$",
    re.MULTILINE,
)
"""A line that calls the program in one of the ways to get it, or behind a pipe."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_part_of_a_page_finds_its_heading(page: Path) -> None:
    text = _CODE.sub("", page.read_text())
    dead = []
    for link in _LINK.finditer(text):
        target, _, part = link["target"].partition("#")
        if target.startswith(("http:", "https:", "mailto:")):
            continue
        file = (page.parent / target).resolve() if target else page
        headings = _HEADING.finditer(file.read_text()) if part and file.suffix == ".md" else ()
        if not file.exists() or (part and part not in {anchor_of(hit["title"]) for hit in headings}):
            dead.append(link["target"])
    assert dead == []


def test_every_page_that_a_hint_names_has_its_heading() -> None:
    named = [
        hit
        for path in (ROOT / "src").rglob("*.py")
        for hit in re.findall(r"\{DOCS\}/([a-z-]+\.md)#([a-z0-9-]+)", path.read_text())
    ]
    assert len(named) >= 3
    for page, part in named:
        headings = _HEADING.finditer((ROOT / "docs" / page).read_text())
        assert part in {anchor_of(hit["title"]) for hit in headings}


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.name not in OF_OTHERS], ids=lambda page: page.name
)
def test_a_page_begins_with_what_it_is_for_and_a_long_one_lists_its_parts(page: Path) -> None:
    text = page.read_text()
    beginning = (
        re.sub(r"<!--.*?-->\n*", "", text.partition("\n")[2], flags=re.DOTALL).lstrip().partition("\n\n")[0]
    )
    assert re.match(r"[A-Z*`]|flakeship ", beginning), f"{page.name} begins with {beginning[:40]!r}"
    assert beginning.count("\n") < 4, "the first paragraph is four lines at most"
    parts = [title for level, title in re.findall(r"^(##) +(.+?) *$", _CODE.sub("", text), re.MULTILINE)]
    if (
        page.parent.name == "docs" and len(parts) > 5 and page.name != "messages.md"
    ):  # whose parts are the exit codes
        first = text.partition("\n## ")[0]
        titles = [hit["title"] for hit in _HEADING.finditer(text) if hit[0].startswith("## ")]
        assert [title for title in titles if f"(#{anchor_of(title)})" not in first] == []


def test_every_line_of_the_pages_that_calls_flakeship_is_understood() -> None:
    """As far as its words and options: whatever else a user copies is run elsewhere."""
    seen = 0
    for page in PAGES:
        if page.name == "messages.md":  # its lines are those that fail
            continue
        for code in _CODE.finditer(page.read_text()):
            for line in _WRITTEN.finditer(code[0].strip("`")):
                words = re.split(r" \\?\| ", line["words"])[0]
                argv = shlex.split(re.sub(r"<\(.*?\)", "/dev/fd/63", words), comments=True)
                if argv[0].startswith("-") and argv[0] != "--version":
                    argv.insert(0, "publish")  # as the image's entrypoint does
                if len(argv) > 1 and argv[0] in COMMANDS and not set(argv) & {"--help", "--help-all", "…"}:
                    read(argv, {}, io.StringIO("secret\n"))
                    seen += 1
    assert seen > 60
