"""Every hint of the program is an imperative, and all are written alike: what a person does next, in one voice."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import yaml

from flakeship.settings.declaration import inputs

SOURCE = Path(__file__).parent.parent.parent / "src" / "flakeship"

VERBS = frozenset(
    re.findall(
        r"\w+",
        """
        add allow ask begin build change check choose close commit compare configure copy correct create decode decrypt delete do drop end
        fetch free give install keep leave let list log look make merge mount name pipe press publish pull push put raise read redirect remove repair
        run send set state ship start take unpack unset use write
        """,
    )
)
CONDITIONS = ("if", "in", "on")
"""A hint may begin with where it holds: `on GitLab, change …`."""

CONSTANTS = frozenset({"_DAMAGED", "DAMAGED", "NOT_BUILT", "_WRITABLE", "OTHER_PLATFORM"})
"""Hints of several errors of a module whose name does not say so."""

HOLE = "\x00"
"""Stands for what is filled in."""


def texts(node: ast.expr) -> list[str]:
    """What an expression may come to, with a hole for each value that is filled in."""
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.JoinedStr(values=parts):
            return ["".join(part.value if isinstance(part, ast.Constant) else HOLE for part in parts)]  # type: ignore[misc]
        case ast.BinOp(left=left, right=right):
            return [a + b for a in texts(left) for b in texts(right)]
        case ast.IfExp(body=body, orelse=orelse):
            return texts(body) + texts(orelse)
        case ast.BoolOp(values=values):
            return [text for value in values for text in texts(value)]
        case _:
            return [HOLE]


def hints_of(tree: ast.AST) -> Iterator[ast.expr]:
    """The expressions that become hints: by their keyword, their place in a call, or the name that they are given."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Name(id=called) | ast.Attribute(attr=called), args=args, keywords=keywords
            ):
                yield from (word.value for word in keywords if word.arg == "hint")
                place = {"Warned": 1, "advice": 1, "_wrong": 2, "_error": 3 if len(args) > 3 else 2}.get(
                    called
                )
                if place and len(args) > place:
                    yield args[place]
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            ) if "hint" in name.lower() or name in CONSTANTS:
                yield value
            case ast.FunctionDef(name=name) if "hint" in name:
                yield from (
                    each.value for each in ast.walk(node) if isinstance(each, ast.Return) and each.value
                )
            case _:
                pass


@functools.cache
def trees() -> dict[Path, ast.Module]:
    return {path: ast.parse(path.read_text()) for path in SOURCE.rglob("*.py")}


@functools.cache
def hints() -> list[tuple[str, str]]:
    found = {
        (f"{path.relative_to(SOURCE)}:{node.lineno}", text)
        for path, tree in trees().items()
        for node in hints_of(tree)
        for text in texts(node)
        if text.strip(HOLE + " ;,.")
    }
    return sorted(found)


def test_the_hints_are_found() -> None:
    assert len(hints()) > 350


def test_each_hint_begins_with_what_to_do() -> None:
    """In the imperative and in lower case. One that begins with what is filled in is begun elsewhere."""
    begun = [(where, text) for where, text in hints() if not text.startswith((HOLE, "; ", ", "))]
    odd = [
        f"{where}: {text}"
        for where, text in begun
        if re.split(r"[ ,:]", text)[0] not in {*VERBS, *CONDITIONS}
    ]
    assert odd == []


def test_no_hint_ends_with_a_full_stop_or_has_two_sentences() -> None:
    """Clauses are joined by a semicolon: hints are put together of several, and stand behind an arrow, or in a table."""
    odd = [
        f"{where}: {text}"
        for where, text in hints()
        if (text.endswith((".", "?", "!")) and not text.endswith((" .", "….")))
        or re.search(r"[.?!] [A-Z]", text)
    ]
    assert odd == []


def test_words_that_readers_stumble_over_are_in_no_message() -> None:
    messages = [
        (path, text)
        for path, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node.exc.args
        for text in texts(node.exc.args[0])
    ]
    assert len(messages) > 300
    odd = [
        f"{path}: {text}"
        for path, text in messages
        if re.search("\\b(is|are) none\\b|none is given|of itself|nobody|cannot", text)
    ]
    assert odd == []


def test_a_value_that_yaml_would_read_as_no_text_is_in_quotes() -> None:
    """GitLab refuses `push: false` for an input that is a text: "provided value is not a string". `-` is for shells."""
    flags = {item.name for item in inputs() if item.kind == "flag"}
    odd = [
        f"{where}: {name}: {value}"
        for where, text in hints()
        for name, value in re.findall(r"`([a-z][a-z-]*): ([^`]+)`", text)
        if value != "-"
        and name in {item.name for item in inputs()} - flags
        and not isinstance(yaml.safe_load(value.replace(HOLE, "x")), str)
    ]
    assert odd == []
