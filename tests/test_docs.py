"""What the docs for contributors name is there: files, and the functions and classes in them."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCS = [ROOT / "docs" / name for name in ("architecture.md", "CONTRIBUTING.md", "decisions.md")]
_LINK = re.compile(r"\[(?P<text>[^\]]*)\]\((?P<target>[^)\s]+)\)")
_NAME = re.compile(r"`(?P<name>[A-Za-z_][A-Za-z0-9_.]*)`")


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
