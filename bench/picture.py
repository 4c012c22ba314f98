"""Medians as bars and curves as lines, in SVG that reads on light and on dark ground."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from xml.sax.saxutils import escape

_OURS, _OTHERS = "#2f6fde", "#9aa4b2"
_ROW: Final = 22
_LABEL: Final = 150
_WIDTH: Final = 460
_STYLE: Final = "text{font:13px sans-serif;fill:#6b7684}.case{font-weight:bold}"


def bars(cases: Mapping[str, Mapping[str, float]], *, unit: str) -> str:
    """One group of bars a case, each group on a scale of its own; the first bar of each is ours."""
    drawn: list[str] = []
    y = 0
    for case, medians in cases.items():
        y += 24
        drawn.append(_text(0, y, case, kind="case"))
        longest = max(medians.values())
        for number, (name, value) in enumerate(medians.items()):
            y += _ROW
            width = max(1.0, value / longest * _WIDTH)
            colour = _OTHERS if number else _OURS
            drawn += [
                _text(0, y, name),
                f'<rect x="{_LABEL}" y="{y - 12}" width="{width:.1f}" height="14" rx="2" fill="{colour}"/>',
                _text(_LABEL + width + 6, y, f"{value:.2f} {unit}"),
            ]
        y += 14
    return _picture(_LABEL + _WIDTH + 80, y, drawn)


def lines(curves: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """One small chart a curve, side by side, each on scales of its own that begin at zero."""
    side, gap, top = 220, 50, 20
    drawn: list[str] = []
    for number, (what, curve) in enumerate(curves.items()):
        left = number * (side + gap) + 40
        drawn += _chart(what, curve, left=left, top=top, side=side)
    return _picture(len(curves) * (side + gap) + 40, top + side // 2 + 50, drawn)


def _chart(
    what: str, curve: Sequence[tuple[float, float]], *, left: int, top: int, side: int
) -> Iterator[str]:
    height = side // 2
    far, long = max(varied for varied, _ in curve), max(seconds for _, seconds in curve)
    points = [(left + varied / far * side, top + height * (1 - seconds / long)) for varied, seconds in curve]
    yield f'<path d="M{left} {top}v{height}h{side}" fill="none" stroke="{_OTHERS}"/>'
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    yield f'<polyline points="{path}" fill="none" stroke="{_OURS}" stroke-width="2"/>'
    yield from (f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{_OURS}"/>' for x, y in points)
    yield _text(left - 38, top + 10, f"{long:.1f} s")
    yield _text(left + side - 50, top + height + 16, f"{far:,.0f}")
    yield _text(left, top + height + 34, what)


def _text(x: float, y: float, text: str, *, kind: str = "") -> str:
    attribute = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{attribute}>{escape(text)}</text>'


def _picture(width: int, height: int, drawn: Sequence[str]) -> str:
    namespace = 'xmlns="http://www.w3.org/2000/svg"'
    body = "\n".join(drawn)
    return f'<svg {namespace} width="{width}" height="{height}"><style>{_STYLE}</style>\n{body}\n</svg>\n'
