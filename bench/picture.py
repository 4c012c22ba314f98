"""Medians as bars, in an SVG that reads on light and on dark ground."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from xml.sax.saxutils import escape

_COLOURS: Final = ("#2f6fde", "#9aa4b2", "#c2813a", "#7a9a5f")
_ROW: Final = 22
_LABEL: Final = 150
_WIDTH: Final = 460


def bars(cases: Mapping[str, Mapping[str, float]], *, unit: str) -> str:
    """One group of bars a case, all on one scale."""
    longest = max(value for each in cases.values() for value in each.values())
    lines: list[str] = []
    y = 10
    for case, medians in cases.items():
        y += 20
        lines.append(f'<text x="0" y="{y}" class="case">{escape(case)}</text>')
        for number, (name, value) in enumerate(medians.items()):
            y += _ROW
            width = max(1.0, value / longest * _WIDTH)
            lines += [
                f'<text x="0" y="{y}">{escape(name)}</text>',
                f'<rect x="{_LABEL}" y="{y - 12}" width="{width:.1f}" height="14" rx="2" fill="{_COLOURS[number % 4]}"/>',
                f'<text x="{_LABEL + width + 6:.1f}" y="{y}">{value:.2f} {unit}</text>',
            ]
        y += 14
    style = "text{font:13px sans-serif;fill:#6b7684}.case{font-weight:bold}"
    size = f'width="{_LABEL + _WIDTH + 80}" height="{y}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size}><style>{style}</style>\n'
        + "\n".join(lines)
        + "\n</svg>\n"
    )
