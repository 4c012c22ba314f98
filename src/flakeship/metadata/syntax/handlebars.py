"""Reads the part of Handlebars that users of docker/metadata-action write: expressions with arguments, `if` and `unless`.

https://handlebarsjs.com/guide/expressions.html. As in Handlebars, `{{ }}` escapes values for HTML and `{{{ }}}` does not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from flakeship.errors import UsageError
from flakeship.metadata.syntax.lists import Placed
from flakeship.metadata.syntax.names import Names, Value


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression `{{name 'argument' key='value'}}`; `position` counts from 0 in the template.

    An argument without quotes is None: in Handlebars it is a name, and no name of ours has a value for arguments.
    """

    name: str
    position: int
    arguments: tuple[str | None, ...] = ()
    pairs: Mapping[str, str | None] = field(default_factory=dict)
    escaped: bool = True


@dataclass(frozen=True, slots=True)
class Block:
    """A block `{{#if name}}…{{else}}…{{/if}}`; for `unless` the two parts are swapped."""

    condition: Expression
    then: tuple[Node, ...]
    otherwise: tuple[Node, ...]


Node: TypeAlias = str | Expression | Block

_OPEN: Final = re.compile(r"\{\{")
_DEEPEST: Final = 64
"""Blocks within blocks, and `{{else if}}` behind one another."""

# A string is atomic: where quotes are escaped there would be two ways for each of them.
_TAG: Final = re.compile(
    r"\{\{(?P<left>~)?(?:!--[\s\S]*?--(?P<c1>~)?\}\}|![\s\S]*?(?P<c2>~)?\}\}"
    r"|\{(?P<raw>[^{}]*)\}(?P<r1>~)?\}\}|(?P<body>(?:(?>'(?:\\'|[^'])*'|\"(?:\\\"|[^\"])*\")|[^{}'\"])*?)(?:(?P<r2>~)\}\}|\}\}(?!\})))"
)
_ARGUMENT: Final = re.compile(
    r"\s*(?:(?P<key>[^\s!\"#%-,./;->@\[-^`{-~]+)=)?"
    r"(?:'(?P<single>(?:\\'|[^'])*)'|\"(?P<double>(?:\\\"|[^\"])*)\"|(?P<number>-?\d+(?:\.\d+)?)(?=\s|$)"
    r"|(?P<bare>[^\s!\"#%-,./;->@\[-^`{-~]+)(?=\s|$))"
)
_NAME: Final = re.compile(
    r"\s*(?:this[./]|\./|@root[./])?(?:\[(?P<quoted>[^\]]*)\]|(?P<plain>[A-Za-z_]\w*))(?=\s|$)"
)
_ESCAPES: Final = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;", "`": "&#x60;", "=": "&#x3D;"}
)
_BLOCKS: Final = ("if", "unless")


def fill(template: Placed, names: Names) -> str:
    """Do what `templates.render` promises, for a text with `{{` in it."""
    return "".join(_text(node, names, template) for node in parse(template))


def is_raw(template: Placed) -> bool:
    """Return True for a template that is the one expression `{{raw}}` and nothing else."""
    try:
        nodes = parse(template)
    except UsageError:
        return False
    return len(nodes) == 1 and isinstance(nodes[0], Expression) and nodes[0].name == "raw"


def parse(template: Placed) -> tuple[Node, ...]:
    """Read a template. UsageError, with line and column, for what is not a part of Handlebars or not read here."""
    part = _nodes(template, 0)
    assert part.end == len(template.text)
    return part.nodes


def _error(template: Placed, position: int, message: str, hint: str) -> UsageError:
    return UsageError(template.where(position) + message, hint=hint)


@dataclass(frozen=True, slots=True)
class _Part:
    """The nodes up to `end`, which is the template's end or, within a block, behind the tag `stop`.

    With `strip` (`~}}`) the blanks that follow are removed.
    """

    nodes: tuple[Node, ...]
    end: int
    stop: str = ""
    strip: bool = False


def _nodes(template: Placed, start: int, *, inside: str = "", strip: bool = False, depth: int = 0) -> _Part:
    """Read up to the end, or within a block to `{{else}}` or `{{/…}}`."""
    nodes: list[Node] = []
    position, end = start, len(template.text)
    while True:
        text, opening = _plain(template.text, position)
        found = _TAG.match(template.text, opening) if opening < end else None
        if opening < end and not found:
            raise _error(
                template,
                opening,
                "{{ is opened here and never closed",
                "close it with }}, or write \\{{ for the characters",
            )
        text = text.lstrip() if strip else text
        nodes.append(text.rstrip() if found and found["left"] else text)
        if not found:
            if inside:
                raise _error(
                    template,
                    start,
                    f"the block {{{{#{inside}}}}} is never closed",
                    f"end it with {{{{/{inside}}}}}",
                )
            return _Part(tuple(filter(None, nodes)), end)
        position, strip = found.end(), any(found[mark] for mark in ("c1", "c2", "r1", "r2"))
        body = (found["body"] or "").strip()
        if inside and (body in {"else", "^"} or body.startswith(("else ", "/"))):
            return _Part(tuple(filter(None, nodes)), position, body, strip)
        if body.startswith("#"):
            whole = _Part((), position, body[1:], strip)
            block, last = _block(template, whole, start=found.start(), depth=depth + 1)
            nodes.append(block)
            position, strip = last.end, last.strip
        elif found["raw"] is not None or found["body"] is not None:
            nodes.append(_expression(found, template))


def _plain(template: str, start: int) -> tuple[str, int]:
    r"""Read text up to a `{{` that is not escaped: `\{{` stands for the characters, `\\{{` for a backslash before one."""
    text = ""
    for found in _OPEN.finditer(template, start):
        before = template[start : found.start()]
        if before.endswith("\\\\"):
            return text + before[:-1], found.start()
        if not before.endswith("\\"):
            return text + before, found.start()
        text, start = text + before[:-1], found.start()
    return text + template[start:], len(template)


def _block(
    template: Placed, opened: _Part, *, start: int, depth: int, closing: str = ""
) -> tuple[Block, _Part]:
    """Read the block whose opening tag stands at `start` and ends `opened`; return it and its last part.

    `closing` is the kind that the closing tag names: an `{{else if …}}` is closed with the block it belongs to.
    """
    if depth > _DEEPEST:
        raise _error(
            template, start, f"a block stands within {_DEEPEST} others", "write it with fewer blocks in it"
        )
    kind, _, condition = opened.stop.strip().partition(" ")
    closing = closing or kind
    if kind not in _BLOCKS:
        raise _error(
            template,
            start,
            f"the block {{{{#{kind}}}}} is not known here",
            "use {{#if NAME}} or {{#unless NAME}}",
        )
    expression = _words(condition, position=start, escaped=True, template=template)
    then = last = _nodes(template, opened.end, inside=closing, strip=opened.strip, depth=depth)
    otherwise: tuple[Node, ...] = ()
    if then.stop.startswith("else "):
        inner, last = _block(
            template, replace(then, stop=then.stop[5:]), start=start, depth=depth + 1, closing=closing
        )
        otherwise = (inner,)
    elif not then.stop.startswith("/"):
        last = _nodes(template, then.end, inside=closing, strip=then.strip, depth=depth)
        otherwise = last.nodes
    if last.stop[1:].strip() != closing:
        raise _error(
            template,
            start,
            f"the block {{{{#{closing}}}}} is closed by {{{{{last.stop}}}}}",
            f"end it with {{{{/{closing}}}}}",
        )
    return Block(expression, *((then.nodes, otherwise) if kind == "if" else (otherwise, then.nodes))), last


def _expression(found: re.Match[str], template: Placed) -> Expression:
    body = found["raw"] if found["raw"] is not None else found["body"]
    escaped = found["raw"] is None and not body.lstrip().startswith("&")
    return _words(body.lstrip().removeprefix("&"), position=found.start(), escaped=escaped, template=template)


def _words(text: str, *, position: int, escaped: bool, template: Placed) -> Expression:
    name = _NAME.match(text)
    if not name:
        raise _error(
            template,
            position,
            f"{{{{{text}}}}} is not an expression",
            "write {{name}} or {{name 'argument' key='value'}}",
        )
    arguments: list[str | None] = []
    pairs: dict[str, str | None] = {}
    end = name.end()
    while text[end:].strip():
        found = _ARGUMENT.match(text, end)
        if not found:
            raise _error(
                template,
                position,
                f"{text[end:].strip()!r} is not an argument",
                "put arguments in single quotes: {{date 'YYYYMMDD' tz='UTC'}}",
            )
        value = _unquoted(found)
        if found["key"]:
            pairs[found["key"]] = value
        else:
            arguments.append(value)
        end = found.end()
    return Expression(name["quoted"] or name["plain"], position, tuple(arguments), pairs, escaped)


def _unquoted(found: re.Match[str]) -> str | None:
    if found["single"] is not None:
        return found["single"].replace("\\'", "'")
    if found["double"] is not None:
        return found["double"].replace('\\"', '"')
    return None if found["bare"] else found["number"]


def _text(node: Node, names: Names, template: Placed) -> str:
    if isinstance(node, str):
        return node
    if isinstance(node, Block):
        return "".join(
            _text(inner, names, template)
            for inner in (node.then if _value(node.condition, names, template) else node.otherwise)
        )
    text = str(_value(node, names, template))
    return text.translate(_ESCAPES) if node.escaped else text


def _value(expression: Expression, names: Names, template: Placed) -> Value:
    value = names.get(expression.name)
    if value is None:
        known = ", ".join(f"{{{{{name}}}}}" for name in names)
        raise _error(
            template,
            expression.position,
            f"{{{{{expression.name}}}}} is not known here",
            f"write one of {known}",
        )
    if callable(value):
        try:
            return value(*expression.arguments, **expression.pairs)
        except (TypeError, ValueError) as error:
            raise _error(
                template, expression.position, f"{{{{{expression.name}}}}}: {error}", _DATE_HINT
            ) from None
    if expression.arguments or expression.pairs:
        raise _error(
            template,
            expression.position,
            f"{{{{{expression.name}}}}} takes no arguments",
            f"write {{{{{expression.name}}}}}",
        )
    return value


_DATE_HINT: Final = (
    "write {{date 'YYYYMMDD'}} or {{date 'YYYYMMDD' tz='Europe/Berlin'}}, with the letters of Moment.js"
)
