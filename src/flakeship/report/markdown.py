"""The summary of a run as Markdown, for the page of a CI job.

GitHub and GitLab render the same dialect. Both remove styles, scripts and inline pictures, so bars are made of text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from flakeship.errors import Error
from flakeship.printable import printable
from flakeship.redaction import redacted
from flakeship.report.plain import size_of
from flakeship.report.run_record import RunRecord
from flakeship.report.summary import LayerRow, Summary, sent_of

SUMMARY_LIMIT: Final = 1_000_000
"""Bytes. GitHub drops the whole summary of a step above 1 MiB.

https://docs.github.com/actions/reference/workflow-commands-for-github-actions#step-isolation-and-limits
"""

_ROWS: Final = 130
_ALERTS: Final = 20
_WIDTH: Final = 160
_BAR: Final = 20
_DETAIL: Final = 20_000
_MARKUP: Final = re.compile(r"[\\`*_\[\]<>&~|#$@{}!^:]|^[-+=]|(?<=\d)[.)](?= |$)|(?<=\bwww)\.", re.IGNORECASE)
"""Characters that are markup in CommonMark, in tables, or in the extensions of GitHub and GitLab.

The extensions are emoji, mentions, formulas and links.
"""

_MESSAGE: Final = 2_000
_EIGHTHS: Final = " ▏▎▍▌▋▊▉"
_MARKS: Final = {"uploaded": "🔼", "written": "🔼", "reused": "♻️", "mounted": "♻️", "withheld": "⏸️"}


def summary_markdown(summary: Summary, record: RunRecord) -> str:
    """Return the page, of at most SUMMARY_LIMIT bytes. Untrusted text is escaped, so that none of it is markup."""
    parts = [
        _title(summary),
        _totals(summary, record.stages),
        *(f"```\n{printable(reference)}\n```" for reference in summary.references),
        _names(summary),
        _alert("NOTE" if summary.expected else "WARNING", summary.not_pushed) if summary.not_pushed else "",
        *(_alert("WARNING", event.text, event.hint) for event in record.warnings[:_ALERTS]),
        *(_alert("NOTE", text) for text in record.notices[:_ALERTS] if text != "sandbox: on"),
        _layers(summary.layers),
        _stages(record.stages),
        _labels(summary),
    ]
    return _bounded("\n\n".join(filter(None, parts)) + "\n")


def failure_markdown(error: Error) -> str:
    """Return the page of a run that failed: the error, its hint, and the end of its detail."""
    parts = [f"### ❌ {escaped(error.message, _MESSAGE)}", escaped(error.hint, _MESSAGE)]
    if error.detail:
        detail = "\n".join(map(printable, error.detail[-_DETAIL:].splitlines()))
        fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", detail) or [""]))
        parts.append(f"{fence}text\n{detail}\n{fence}")
    return "\n\n".join(filter(None, parts)) + "\n"


def escaped(text: str, width: int = _WIDTH) -> str:
    """Return `text` as one line of at most `width` characters in which nothing is markup.

    A numeric character reference is never markup: https://spec.commonmark.org/0.31.2/#entity-and-numeric-character-references
    """
    line = " ".join(printable(redacted(text).replace("\n", " ")).split())
    cut = line if len(line) <= width else line[: width - 1] + "…"
    # docs/decisions.md#job-pages-escape-text-by-character-references
    return _MARKUP.sub(lambda found: f"&#{ord(found[0])};", cut)


def _code(text: str) -> str:
    return f"<code>{escaped(text)}</code>"


def _title(summary: Summary) -> str:
    """Return the heading: the first tag or, for a layout or an image without tags, the reference."""
    names = [*summary.tags, *summary.references, *(name for names in summary.unsent for name in names)]
    first = names[0].partition("@")[0]
    return f"### 📦 {escaped(first)}" if summary.sent else f"### ⏸️ NOT PUSHED: {escaped(first)}"


def _totals(summary: Summary, stages: Sequence[tuple[str, float]]) -> str:
    total = sum(row.size for row in summary.layers)
    sent = sent_of(summary.layers)
    moved = sum(row.size for row in sent)
    facts = [
        f"**{_verdict(summary)}**",
        escaped(summary.platform),
        f"{len(summary.layers)} layers, {size_of(total)}",
        _moved(summary, len(sent), moved),
        f"{sum(seconds for _, seconds in stages):.1f} s" if stages else "",
    ]
    return " · ".join(filter(None, facts))


def _verdict(summary: Summary) -> str:
    if not summary.sent:
        return "Not pushed"
    return "Shipped in part" if summary.unsent else "Shipped"


def _moved(summary: Summary, layers: int, size: int) -> str:
    if not summary.sent:
        return "nothing was sent"
    return f"{layers} of them sent, {size_of(size)}" if layers else "no layer had to be sent"


def _names(summary: Summary) -> str:
    rows = [
        ("Tags", " ".join(map(_code, summary.tags[:_ROWS]))),
        ("Not set", " ".join(_code(name) for names in summary.unsent for name in names[:_ROWS])),
        ("Digest" if summary.sent else "Digest if it were pushed", _code(summary.digest)),
        ("Image ID" if summary.sent else "", _code(summary.imageid)),
    ]
    return "<br>\n".join(f"**{name}** {text}" for name, text in rows if name and text)


def _layers(layers: Sequence[LayerRow]) -> str:
    largest = max((row.size for row in layers), default=0)
    rows = [
        (
            _code(row.digest[7:19]),
            size_of(row.size),
            _bar(row.size, largest),
            f"{_MARKS.get(row.state, '')} {row.state}",
            escaped(row.content),
        )
        for row in layers[:_ROWS]
    ]
    rows += [(f"… and {len(layers) - _ROWS} more", "", "", "", "")] if len(layers) > _ROWS else []
    return _folded(f"{len(layers)} layers", _table(("Layer", "Size", "", "", "Holds"), "lrlll", rows))


def _stages(stages: Sequence[tuple[str, float]]) -> str:
    if not stages:
        return ""
    longest = max(seconds for _, seconds in stages)
    rows = [(escaped(name), f"{seconds:.2f} s", _bar(seconds, longest)) for name, seconds in stages[:_ROWS]]
    return _folded("Time", _table(("Stage", "Time", ""), "lrl", rows))


def _labels(summary: Summary) -> str:
    labels = sorted(summary.labels.items())
    if not labels:
        return ""
    rows = [(_code(key), escaped(value)) for key, value in labels[:_ROWS]]
    rows += [(f"… and {len(labels) - _ROWS} more", "")] if len(labels) > _ROWS else []
    return _folded(f"{len(labels)} labels", _table(("Label", "Value"), "ll", rows))


def _table(head: Sequence[str], align: str, rows: Iterable[Sequence[str]]) -> str:
    rule = ["---:" if side == "r" else ":---" for side in align]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))


def _folded(title: str, text: str) -> str:
    """Return a part that opens by a click. The empty lines matter: without them a table is shown as text."""
    return f"<details><summary>{title}</summary>\n\n{text}\n\n</details>"


def _alert(kind: str, text: str, hint: str = "") -> str:
    lines = [f"> [!{kind}]", f"> {escaped(text, _MESSAGE)}"]
    return "\n".join([*lines, f"> <br>{escaped(hint, _MESSAGE)}"] if hint else lines)


def _bar(value: float, largest: float) -> str:
    """Return a bar of up to 20 characters; it is empty only for a value of 0."""
    eighths = max(1, round(_BAR * 8 * value / largest)) if value and largest else 0
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def _bounded(text: str) -> str:
    """Leave out whole parts from the end until the text is short enough: half a table would spoil the page."""
    while len(text.encode(errors="surrogateescape")) > SUMMARY_LIMIT:
        text = (
            text.rstrip("\n").rpartition("\n\n<details>")[0] + "\n\nThe rest is left out: it is too long.\n"
        )
    return text
